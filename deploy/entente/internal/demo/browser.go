package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// browser walks through the pages as a person without JavaScript does: it
// follows links, keeps cookies, fills in forms and presses their buttons.
type browser struct {
	client *http.Client
	origin string // of the pages; a redirect elsewhere is the end of the way
	url    *url.URL
	title  string
	forms  []form
	links  []link
	// left is where a redirect led out of the pages, "" while inside.
	left string
}

// form is a form of the page with what it would send.
type form struct {
	action  string
	fields  url.Values
	inputs  []string // names of the fields a person fills in
	buttons []button
}

type button struct{ name, value, label string }

type link struct{ address, label string }

// newBrowser starts with no cookies. transport must trust the suite's authority.
func newBrowser(transport http.RoundTripper, origin string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make cookie jar: %w", err)
	}
	b := &browser{origin: strings.TrimSuffix(origin, "/")}
	b.client = &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if !b.inside(req.URL.String()) {
			b.left = req.URL.String()
			return http.ErrUseLastResponse
		}
		if len(via) > 10 {
			return errors.New("the pages redirect in a circle")
		}
		return nil
	}}
	return b, nil
}

// inside says whether an address is one of the pages.
func (b *browser) inside(address string) bool { return strings.HasPrefix(address+"/", b.origin+"/") }

// follow clicks a link of the page.
func (b *browser) follow(ctx context.Context, l link) error {
	target, err := b.url.Parse(l.address)
	if err != nil {
		return fmt.Errorf("follow link: %w", err)
	}
	if !b.inside(target.String()) {
		b.left = target.String()
		return nil
	}
	return b.open(ctx, target.String())
}

// open goes to an address.
func (b *browser) open(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("open page: %w", err)
	}
	return b.do(req)
}

// press sends the form with the values filled in and the button pressed.
func (b *browser) press(ctx context.Context, f form, press button, fill url.Values) error {
	values := url.Values{}
	for name, v := range f.fields {
		values[name] = v
	}
	for name, v := range fill {
		values[name] = v
	}
	if press.name != "" {
		values.Set(press.name, press.value)
	}
	target, err := b.url.Parse(f.action)
	if err != nil {
		return fmt.Errorf("send form: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return fmt.Errorf("send form: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.origin)
	return b.do(req)
}

func (b *browser) do(req *http.Request) error {
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Accept-Language", "en")
	resp, err := b.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	if b.left != "" {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	b.url = resp.Request.URL
	if err := b.read(data); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: status %d, page %q", req.Method, req.URL.Path, resp.StatusCode, b.title)
	}
	return nil
}

// read takes title and forms out of a page.
func (b *browser) read(page []byte) error {
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	b.title, b.forms, b.links = "", nil, nil
	for n := range root.Descendants() {
		switch {
		case n.Type != html.ElementNode:
		case n.Data == "title" && b.title == "":
			b.title = text(n)
		case n.Data == "a":
			b.links = append(b.links, link{attribute(n, "href"), text(n)})
		case n.Data == "form":
			b.forms = append(b.forms, readForm(n))
		}
	}
	return nil
}

func readForm(root *html.Node) form {
	f := form{action: attribute(root, "action"), fields: url.Values{}}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		name, value := attribute(n, "name"), attribute(n, "value")
		switch kind := strings.ToLower(attribute(n, "type")); {
		case n.Data == "button" && kind != "button" && kind != "reset", n.Data == "input" && kind == "submit":
			label := value
			if n.Data == "button" {
				label = text(n)
			}
			f.buttons = append(f.buttons, button{name, value, label})
		case n.Data == "input" && name != "" && kind == "hidden":
			f.fields.Add(name, value)
		case n.Data == "input" && name != "" && kind != "checkbox" && kind != "radio":
			f.inputs = append(f.inputs, name)
			f.fields.Set(name, value)
		}
	}
	return f
}

// find answers the button whose label begins so, without regard to case, and
// its form.
func (b *browser) find(label string) (form, button, bool) {
	for _, f := range b.forms {
		for _, candidate := range f.buttons {
			if strings.HasPrefix(strings.ToLower(candidate.label), strings.ToLower(label)) {
				return f, candidate, true
			}
		}
	}
	return form{}, button{}, false
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

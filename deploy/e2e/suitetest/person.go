package suitetest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// Person visits the pages of the suite with cookies and forms, and nothing else.
type Person struct {
	t      testing.TB
	origin string
	client *http.Client
	// Page is the page in view.
	Page Page
	// Left is the address outside the suite that the person was sent to.
	Left string
}

// Page is what a person sees.
type Page struct {
	Status int
	Header http.Header
	URL    *url.URL
	// Text is the visible text, its white space collapsed.
	Text string
	// Links are the targets of the links by their text.
	Links map[string]string
	// Forms are the forms in their order.
	Forms []Form
	// HTML is the source.
	HTML string
}

// Form is a form with the values it has before anybody types.
type Form struct {
	Action  string
	Method  string
	Values  url.Values
	Buttons []Button
}

// Button submits a form.
type Button struct{ Name, Value, Text, Action string }

// Person returns somebody with an empty browser.
func (s *Suite) Person(t testing.TB) *Person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &Person{t: t, origin: s.LoginURL}
	p.client = &http.Client{
		Transport: s.transport, Jar: jar, Timeout: time.Minute,
		CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			if req.URL.Scheme+"://"+req.URL.Host != p.origin {
				p.Left = req.URL.String()
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return p
}

// Open follows an address.
func (p *Person) Open(address string) Page {
	p.t.Helper()
	resp, err := p.client.Get(address)
	return p.show(resp, err)
}

// Press fills in the form that has the button and presses it. The button is
// named by a part of its text, without regard to case.
func (p *Person) Press(button string, values url.Values) Page {
	p.t.Helper()
	action, data := p.input(button, values)
	return p.Post(action, data)
}

// TryPress is Press for tests that expect the suite to vanish: it returns the
// error of the connection and leaves the page in view as it is.
func (p *Person) TryPress(button string, values url.Values) error {
	p.t.Helper()
	resp, err := p.client.Do(p.form(p.input(button, values)))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err // the suite vanished in the middle of its answer
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	p.show(resp, nil)
	return nil
}

// input finds the form with the button and what pressing it sends.
func (p *Person) input(button string, values url.Values) (action string, data url.Values) {
	p.t.Helper()
	for _, f := range p.Page.Forms {
		for _, b := range f.Buttons {
			if !strings.Contains(strings.ToLower(b.Text), strings.ToLower(button)) {
				continue
			}
			data := url.Values{}
			for name, v := range f.Values {
				data[name] = v
			}
			for name, v := range values {
				data[name] = v
			}
			if b.Name != "" {
				data.Set(b.Name, b.Value)
			}
			if b.Action != "" {
				return b.Action, data
			}
			return f.Action, data
		}
	}
	p.t.Fatalf("no button %q on the page %s: %s", button, p.Page.URL, p.Page.Text)
	return "", nil
}

// Post sends a form to an address relative to the page in view.
func (p *Person) Post(action string, data url.Values) Page {
	p.t.Helper()
	resp, err := p.client.Do(p.form(action, data))
	return p.show(resp, err)
}

func (p *Person) form(action string, data url.Values) *http.Request {
	p.t.Helper()
	target, err := p.Page.URL.Parse(action)
	if err != nil {
		p.t.Fatalf("form action %q: %v", action, err)
	}
	req, err := http.NewRequest(http.MethodPost, target.String(), strings.NewReader(data.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.origin)
	return req
}

// Sees fails the test unless the page in view has each text, without regard to case.
func (p *Person) Sees(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(strings.ToLower(p.Page.Text), strings.ToLower(text)) {
			p.t.Fatalf("the page %s (%d) does not say %q: %s", p.Page.URL, p.Page.Status, text, p.Page.Text)
		}
	}
}

// Has says whether the page in view has a button with the text.
func (p *Person) Has(button string) bool {
	for _, f := range p.Page.Forms {
		for _, b := range f.Buttons {
			if strings.Contains(strings.ToLower(b.Text), strings.ToLower(button)) {
				return true
			}
		}
	}
	return false
}

// Field returns the name of the first text field of the form with the button.
func (p *Person) Field(button string) string {
	p.t.Helper()
	for _, f := range p.Page.Forms {
		for _, b := range f.Buttons {
			if strings.Contains(strings.ToLower(b.Text), strings.ToLower(button)) {
				for name := range f.Values {
					if f.Values.Get(name) == "" {
						return name
					}
				}
			}
		}
	}
	p.t.Fatalf("no field for %q on %s: %s", button, p.Page.URL, p.Page.Text)
	return ""
}

func (p *Person) show(resp *http.Response, err error) Page {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("page: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("page: %v", err)
	}
	page := Page{Status: resp.StatusCode, Header: resp.Header, URL: resp.Request.URL, HTML: string(body), Links: map[string]string{}}
	root, err := html.Parse(strings.NewReader(page.HTML))
	if err != nil {
		p.t.Fatalf("page %s: %v", page.URL, err)
	}
	var text strings.Builder
	page.walk(root, nil, &text)
	page.Text = strings.Join(strings.Fields(text.String()), " ")
	p.Page = page
	return page
}

// walk collects text, links and forms of a node and what is below it.
func (page *Page) walk(n *html.Node, form *Form, text *strings.Builder) {
	switch {
	case n.Type == html.TextNode:
		text.WriteString(n.Data + " ")
	case n.Type == html.ElementNode && (n.Data == "style" || n.Data == "script" || n.Data == "head"):
		return
	case n.Type == html.ElementNode && n.Data == "a":
		page.Links[content(n)] = attribute(n, "href")
	case n.Type == html.ElementNode && n.Data == "form":
		f := &Form{Action: attribute(n, "action"), Method: strings.ToUpper(attribute(n, "method")), Values: url.Values{}}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			page.walk(c, f, text)
		}
		page.Forms = append(page.Forms, *f)
		return
	case form != nil && n.Type == html.ElementNode && (n.Data == "button" || n.Data == "input" && attribute(n, "type") == "submit"):
		label := content(n)
		if n.Data == "input" {
			label = attribute(n, "value")
		}
		form.Buttons = append(form.Buttons, Button{Name: attribute(n, "name"), Value: attribute(n, "value"), Text: label, Action: attribute(n, "formaction")})
	case form != nil && n.Type == html.ElementNode && n.Data == "input" && attribute(n, "name") != "":
		form.Values.Set(attribute(n, "name"), attribute(n, "value"))
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		page.walk(c, form, text)
	}
}

func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

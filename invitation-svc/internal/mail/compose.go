package mail

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"

	"golang.org/x/text/language"
)

//go:embed template/*
var templateFiles embed.FS

// Composer writes mails for one deployment.
type Composer struct {
	product string
	from    string
	domain  string
	texts   catalogue
	html    *template.Template
	text    *texttemplate.Template
}

// New reads the texts and templates. From is the address all mails come from;
// its domain also names the messages.
func New(product, from string) (*Composer, error) {
	_, domain, found := strings.Cut(from, "@")
	if !found || line(from) != from || line(product) != product || product == "" {
		return nil, fmt.Errorf("mail: product name %q or sender %q is not usable", product, from)
	}
	files, err := fs.Sub(catalogueFiles, "catalogue")
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	texts, err := readCatalogue(files)
	if err != nil {
		return nil, err
	}
	c := &Composer{product: product, from: from, domain: domain, texts: texts}
	c.html, err = template.New("").Funcs(template.FuncMap{"inert": inert}).ParseFS(templateFiles, "template/*.html")
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	c.text, err = texttemplate.ParseFS(templateFiles, "template/*.txt")
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return c, nil
}

// Languages are the tags the catalogue speaks.
func (c *Composer) Languages() []string {
	tags := make([]string, 0, len(c.texts))
	for tag := range c.texts {
		tags = append(tags, tag)
	}
	return tags
}

// Sender is what kind of caller invited.
type Sender int8

// The kinds that the warning tells apart.
const (
	FromMember Sender = iota + 1
	FromGuest
	FromApp
)

// Tenant is the inviting organization as the mail shows it.
type Tenant struct {
	Name     string
	Domain   string // primary domain
	Verified bool   // Domain is more than the initial one
	Privacy  string // URL of the statement, empty for none
}

// Invite is what an invitation, its copy or a notice says.
type Invite struct {
	ID       string // of the mail
	Language []language.Tag
	Tenant   Tenant
	Inviter  string
	Sender   Sender
	ReplyTo  string // mail of the inviter, empty for none
	To       string
	Message  string // the inviter's own words, empty for the default text
	Link     string // redeem link; for a notice the redirect URL
	Host     string // of the redirect URL
	Block    string // link of "Block future invitations"
}

// page is what the templates see.
type page struct {
	Lang      string
	Title     string
	Warning   []string
	Facts     []string
	MessageBy string
	Message   []string
	Body      []string
	Code      string
	Button    string
	Link      string
	After     []string
	Footer    []string
	BlockText string
	Block     string
	Privacy   string
	PrivacyTo string
}

// Invitation is the mail with the redeem link.
func (c *Composer) Invitation(i Invite) (Message, error) {
	lang, values := c.begin(i)
	say := func(key string) string { return c.texts.say(lang, key, values) }
	p := c.frame(i, lang, say)
	p.Title = c.subject(i, say)
	if i.Message != "" {
		p.MessageBy, p.Message = say("message.by"), lines(i.Message)
	} else {
		p.Body = []string{say("message.default")}
	}
	p.Button, p.Link = say("accept.button"), i.Link
	p.After = []string{say("accept.host"), say("accept.later")}
	return c.finish(i, lang, p)
}

// Copy is the mail for the one who is told of the invitation. It carries no
// link that redeems (INV-51); its block link is for the one who reads it.
func (c *Composer) Copy(i Invite, invited string) (Message, error) {
	i.Link = ""
	lang, values := c.begin(i)
	values["invited"] = line(invited)
	say := func(key string) string { return c.texts.say(lang, key, values) }
	p := c.frame(i, lang, say)
	p.Title = c.subject(i, say)
	p.Body = []string{say("copy.note")}
	if i.Message != "" {
		p.MessageBy, p.Message = say("message.by"), lines(i.Message)
	}
	return c.finish(i, lang, p)
}

// Notice is the mail of automatic redemption: access was given, nothing is to
// be done.
func (c *Composer) Notice(i Invite) (Message, error) {
	lang, values := c.begin(i)
	say := func(key string) string { return c.texts.say(lang, key, values) }
	p := c.frame(i, lang, say)
	p.Title = say("notice.subject")
	p.Body = []string{say("notice.body"), say("notice.noaction")}
	p.Button, p.Link = say("notice.button"), i.Link
	p.After = []string{say("accept.host")}
	return c.finish(i, lang, p)
}

// Passcode is what the mail with a code says (INV-47). It has no link, and
// the code is not in the subject.
type Passcode struct {
	ID       string
	Language []language.Tag
	Tenant   Tenant
	To       string
	Code     string
	Validity time.Duration
	AskedAt  time.Time
	Network  string // where the request came from, coarse
}

// Passcode is the mail with a code.
func (c *Composer) Passcode(k Passcode) (Message, error) {
	lang := c.texts.choose(k.Language...)
	values := map[string]string{
		"product": c.product, "tenant": line(k.Tenant.Name), "domain": line(k.Tenant.Domain),
		"minutes": strconv.Itoa(int(k.Validity.Minutes())),
		"time":    k.AskedAt.UTC().Format("2006-01-02 15:04 UTC"), "network": line(k.Network),
	}
	say := func(key string) string { return c.texts.say(lang, key, values) }
	p := page{
		Lang: lang, Title: say("code.subject"), Body: []string{say("code.intro")}, Code: k.Code,
		After:  []string{say("code.validity"), say("code.asked")},
		Footer: []string{say("code.ignore"), say("code.secret")},
	}
	return c.render(Message{ID: k.ID + "@" + c.domain, FromName: c.product, From: c.from, To: k.To, Subject: p.Title, Language: lang}, p)
}

func (c *Composer) begin(i Invite) (string, map[string]string) {
	return c.texts.choose(i.Language...), map[string]string{
		"product": c.product, "tenant": line(i.Tenant.Name), "domain": line(i.Tenant.Domain),
		"inviter": line(i.Inviter), "host": line(i.Host),
	}
}

func (c *Composer) subject(i Invite, say func(string) string) string {
	if i.Sender == FromApp || i.Inviter == "" {
		return say("invite.subject.app")
	}
	return say("invite.subject.user")
}

// frame is what every mail about an invitation has around its middle.
func (c *Composer) frame(i Invite, lang string, say func(string) string) page {
	from := map[Sender]string{FromMember: "warning.member", FromGuest: "warning.guest", FromApp: "warning.app"}[i.Sender]
	p := page{
		Lang: lang, Warning: []string{say("warning.expect"), say(from)},
		Facts:  []string{say("tenant.name"), say("tenant.domain")},
		Footer: []string{say("footer.what")},
	}
	if !i.Tenant.Verified {
		p.Facts = append(p.Facts, say("tenant.unverified"))
	}
	if i.Sender != FromApp {
		p.Facts = append(p.Facts, say("inviter.name"))
	}
	if i.Block != "" {
		p.BlockText, p.Block = say("footer.block"), i.Block
	}
	if strings.HasPrefix(i.Tenant.Privacy, "https://") || strings.HasPrefix(i.Tenant.Privacy, "http://") {
		p.Privacy, p.PrivacyTo = say("footer.privacy"), i.Tenant.Privacy
	} else {
		p.Footer = append(p.Footer, say("footer.noprivacy"))
	}
	return p
}

func (c *Composer) finish(i Invite, lang string, p page) (Message, error) {
	m := Message{
		ID: i.ID + "@" + c.domain, From: c.from, ReplyTo: i.ReplyTo, To: i.To, Subject: p.Title, Language: lang,
		FromName: c.texts.say(lang, "from", map[string]string{"product": c.product, "tenant": line(i.Tenant.Name)}),
	}
	if i.Block != "" {
		m.Headers = append(m.Headers, Header{"List-Unsubscribe", "<" + i.Block + ">"}, Header{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"})
	}
	return c.render(m, p)
}

func (c *Composer) render(m Message, p page) (Message, error) {
	m.Headers = append([]Header{{"Auto-Submitted", "auto-generated"}}, m.Headers...)
	if err := m.check(); err != nil {
		return Message{}, err
	}
	var html, text bytes.Buffer
	if err := c.html.ExecuteTemplate(&html, "mail.html", p); err != nil {
		return Message{}, fmt.Errorf("compose mail: %w", err)
	}
	if err := c.text.ExecuteTemplate(&text, "mail.txt", p); err != nil {
		return Message{}, fmt.Errorf("compose mail: %w", err)
	}
	m.HTML, m.Text = html.String(), text.String()
	return m, nil
}

// inert escapes words of other people and puts invisible break marks where
// mail programs would otherwise find an address or a URL to make clickable.
func inert(s string) template.HTML {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		b.WriteString(template.HTMLEscapeString(string(r)))
		switch last := i+1 == len(runes); {
		case last, runes[i+1] == ' ':
		case r == ':', r == '/', r == '.', r == '@':
			b.WriteString("<wbr>")
		}
	}
	return template.HTML(b.String()) // every rune was escaped above
}

package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Message is a mail that is ready to be delivered.
type Message struct {
	ID       string // Message-ID without brackets; the same at every attempt
	FromName string
	From     string
	ReplyTo  string // empty for none
	To       string
	Subject  string
	Language string
	Headers  []Header // beyond those above
	Text     string
	HTML     string
}

// Header is one header field.
type Header struct{ Name, Value string }

// check refuses a message one of whose headers could begin another one.
func (m Message) check() error {
	fields := []Header{{"Message-ID", m.ID}, {"From", m.FromName}, {"From", m.From}, {"Reply-To", m.ReplyTo}, {"To", m.To}, {"Subject", m.Subject}}
	for _, h := range append(fields, m.Headers...) {
		if strings.ContainsFunc(h.Value, unicode.IsControl) || !utf8.ValidString(h.Value) || len(h.Value) > 4096 {
			return fault.Invalid(errorspb.Reason_BAD_REQUEST, "The header %s of the mail would hold control characters.", h.Name)
		}
	}
	return nil
}

// line makes one line of a value that people typed, for headers and names.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// lines are the lines of a text that people typed, each made harmless.
func lines(text string) []string {
	all := strings.Split(text, "\n")
	for i := range all {
		all[i] = line(all[i])
	}
	return all
}

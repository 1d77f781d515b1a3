package mailcatcher

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"

	_ "github.com/emersion/go-message/charset" // bodies in other charsets than UTF-8
	"github.com/emersion/go-message/mail"
)

// Message is one caught mail, in the shape of the JSON API.
type Message struct {
	// ID is a UUID that grows with the time of arrival.
	ID string `json:"id"`
	// To holds the addresses of the envelope, bare and comma-separated: who
	// would have got the mail, blind copies included.
	To string `json:"to"`
	// From is the author as the header says, "Name <address>", or else the
	// sender of the envelope.
	From    string `json:"from"`
	Subject string `json:"subject"`
	// Text and HTML are the first part of their kind, decoded to UTF-8; empty
	// when the mail has none.
	Text string `json:"text"`
	HTML string `json:"html"`
	// Date is the header's date, or the time of arrival when it has none.
	Date time.Time `json:"date"`
}

// The envelope is kept as header fields in front of the mail, as delivery
// agents do, so that a file is complete by itself.
const (
	fieldRecipient = "Delivered-To"
	fieldSender    = "Return-Path"
)

// envelope renders the SMTP envelope as header fields. Addresses come from
// commands of one line, so they cannot hold a line break; one that does is
// cut there rather than trusted.
func envelope(from string, to []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: <%s>\r\n", fieldSender, oneLine(from))
	for _, rcpt := range to {
		fmt.Fprintf(&b, "%s: %s\r\n", fieldRecipient, oneLine(rcpt))
	}
	return b.Bytes()
}

func oneLine(s string) string {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return s[:i]
	}
	return s
}

// parse takes a stored mail apart. A malformed mail still yields what could be
// read of it: the catcher exists to show what was sent, right or wrong.
func parse(id string, raw []byte, arrived time.Time) Message {
	m := Message{ID: id, Date: arrived.UTC()}
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if r == nil {
		m.Text = fmt.Sprintf("this mail could not be read: %v", err)
		return m
	}
	defer r.Close()
	m.To = strings.Join(r.Header.Values(fieldRecipient), ", ")
	m.From = author(r.Header)
	if m.Subject, err = r.Header.Subject(); err != nil {
		m.Subject = r.Header.Get("Subject")
	}
	if date, err := r.Header.Date(); err == nil && !date.IsZero() {
		m.Date = date.UTC()
	}
	readParts(r, &m)
	return m
}

func author(h mail.Header) string {
	list, err := h.AddressList("From")
	if err != nil || len(list) == 0 {
		return strings.Trim(h.Get(fieldSender), "<>")
	}
	if list[0].Name == "" {
		return list[0].Address
	}
	return list[0].Name + " <" + list[0].Address + ">"
}

// readParts fills Text and HTML with the first inline part of each kind.
func readParts(r *mail.Reader, m *Message) {
	for {
		part, err := r.NextPart()
		if part == nil {
			if err != nil && !errors.Is(err, io.EOF) && m.Text == "" {
				m.Text = fmt.Sprintf("this mail could not be read: %v", err)
			}
			return
		}
		inline, ok := part.Header.(*mail.InlineHeader)
		if !ok {
			continue
		}
		kind, _, err := mime.ParseMediaType(inline.Get("Content-Type"))
		if err != nil {
			kind = "text/plain"
		}
		body, _ := io.ReadAll(part.Body) // what could be decoded is worth showing
		switch {
		case kind == "text/html" && m.HTML == "":
			m.HTML = string(body)
		case kind == "text/plain" && m.Text == "":
			m.Text = string(body)
		}
	}
}

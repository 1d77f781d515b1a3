package mailcatcher

import (
	"fmt"
	"io"

	"github.com/emersion/go-smtp"
)

const (
	maxMessageBytes = 10 << 20
	maxRecipients   = 100
)

// backend accepts every sender and recipient: the server listens on loopback
// and hands nothing on, so there is nobody to protect from it.
type backend struct{ store *Store }

// NewSession begins one SMTP conversation.
func (b backend) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &session{store: b.store}, nil
}

type session struct {
	store *Store
	from  string
	to    []string
}

// Mail notes the sender of the envelope.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt notes one recipient of the envelope.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data keeps the mail. A sender that got an answer of success may forget it:
// by then it is on disk.
func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if _, err := s.store.Add(s.from, s.to, body); err != nil {
		return &smtp.SMTPError{
			Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0},
			Message: fmt.Sprintf("mail could not be kept: %v", err),
		}
	}
	return nil
}

// Reset forgets the envelope.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout ends the conversation.
func (s *session) Logout() error { return nil }

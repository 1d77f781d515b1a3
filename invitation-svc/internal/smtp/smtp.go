package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"time"

	"entente.dev/invitation-svc/internal/mail"
	gomail "github.com/wneessen/go-mail"
)

// Config says where the relay is.
type Config struct {
	Host     string
	Port     int
	Username string // empty for a relay that knows us by address
	Password string
	// TLS is `required`, `optional` (used when offered), `implicit` (from the
	// first byte), or `none`, which is for a relay on loopback alone.
	TLS    string
	CAFile string // authority of the relay's certificate; empty for the system's
	Hello  string // name given to the relay; empty for the host's
}

// Relay delivers mails. It is safe for concurrent use. Mails that follow each
// other closely share a connection.
type Relay struct {
	client *gomail.Client
	lines  pool
}

const timeout = 20 * time.Second

// New checks the settings; it does not connect.
func New(cfg Config) (*Relay, error) {
	// NOOP before and RSET after each mail say nothing that the mail's own
	// commands do not say.
	opts := []gomail.Option{gomail.WithPort(cfg.Port), gomail.WithTimeout(timeout), gomail.WithoutNoop(), gomail.WithoutRset()}
	switch cfg.TLS {
	case "required", "":
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case "optional":
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case "implicit":
		opts = append(opts, gomail.WithSSL())
	case "none":
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("smtp: TLS is %q, not required, optional, implicit or none", cfg.TLS)
	}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("smtp: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("smtp: %s holds no certificate", cfg.CAFile)
		}
		opts = append(opts, gomail.WithTLSConfig(&tls.Config{RootCAs: pool, ServerName: cfg.Host, MinVersion: tls.VersionTLS12}))
	}
	if cfg.Username != "" {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(cfg.Username), gomail.WithPassword(cfg.Password))
	}
	if cfg.Hello != "" {
		opts = append(opts, gomail.WithHELO(cfg.Hello))
	}
	client, err := gomail.NewClient(cfg.Host, opts...)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	return &Relay{client: client, lines: pool{tokens: make(chan struct{}, mostLines), dial: client.DialToSMTPClientWithContext}}, nil
}

// Permanent is a refusal that no further attempt will change.
type Permanent struct{ cause error }

// Error is the cause's text.
func (p Permanent) Error() string { return p.cause.Error() }

// Unwrap is the cause.
func (p Permanent) Unwrap() error { return p.cause }

// Send delivers one mail, dated at. The error of a refusal that lasts is a
// Permanent.
func (r *Relay) Send(ctx context.Context, m mail.Message, at time.Time) error {
	msg, err := message(m, at)
	if err != nil {
		return Permanent{err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, err := r.lines.take(ctx)
	if err != nil {
		return err
	}
	err = r.client.SendWithSMTPClient(l.Client, msg)
	if l.used && hungUp(err) {
		// The relay had ended the connection meanwhile; it has seen nothing of
		// this mail.
		r.lines.drop(l)
		if l, err = r.lines.take(ctx); err != nil {
			return err
		}
		err = r.client.SendWithSMTPClient(l.Client, msg)
	}
	var refused *gomail.SendError
	code := 0
	if errors.As(err, &refused) {
		code = refused.ErrorCode()
	}
	if err == nil || code > 0 && code != 421 { // it was said by a relay that goes on listening
		r.lines.put(l)
	} else {
		r.lines.drop(l)
	}
	if code >= 500 && code < 600 {
		return Permanent{err}
	}
	return err
}

// Close ends the connections that wait for a mail.
func (r *Relay) Close() { r.lines.close() }

// hungUp reports that a mail failed at its first command, without an answer.
func hungUp(err error) bool {
	var failed *gomail.SendError
	if !errors.As(err, &failed) {
		return false
	}
	code := failed.ErrorCode()
	return (failed.Reason == gomail.ErrConnCheck || failed.Reason == gomail.ErrSMTPMailFrom) && (code == 0 || code == 421)
}

// message is the mail in the library's form. The library encodes headers by
// RFC 2047 and folds them.
func message(m mail.Message, at time.Time) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&netmail.Address{Name: m.FromName, Address: m.From})
	if err := msg.EnvelopeFrom(m.From); err != nil {
		return nil, err
	}
	if err := msg.To(m.To); err != nil {
		return nil, err
	}
	if m.ReplyTo != "" {
		if err := msg.ReplyTo(m.ReplyTo); err != nil {
			return nil, err
		}
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.ID)
	msg.SetDateWithValue(at)
	msg.SetGenHeader("Content-Language", m.Language)
	for _, h := range m.Headers {
		// Preformatted: a link must not be broken or encoded.
		msg.SetGenHeaderPreformatted(gomail.Header(h.Name), h.Value)
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}

package mailcatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/emersion/go-smtp"
)

// Config says where a Catcher keeps mail and on which listeners it serves.
type Config struct {
	// Dir is the folder of the mails.
	Dir string
	// Limit is how many mails are held; 0 means DefaultLimit.
	Limit int
	// SMTP receives mail. It must be a loopback listener: anybody who reaches
	// it may put mail in.
	SMTP net.Listener
	// HTTP shows mail. Mails hold passcodes and redemption links, so it
	// belongs on loopback, too.
	HTTP net.Listener
	// Hosts are names, beside localhost and addresses in figures, under which
	// a browser may ask. Others are refused, so that a foreign web page cannot
	// read mail by pointing a name of its own at this address.
	Hosts []string
	// Log gets the errors of the servers.
	Log *slog.Logger
}

// Catcher is the mail catcher with its two servers.
type Catcher struct {
	store *Store
	smtp  *smtp.Server
	http  *http.Server
	cfg   Config
}

// New opens the folder and prepares both servers; Run serves. It takes over
// the listeners.
func New(cfg Config) (*Catcher, error) {
	if addr, ok := cfg.SMTP.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("mail catcher: SMTP must listen on loopback, not on %s", addr)
	}
	store, err := OpenStore(cfg.Dir, cfg.Limit)
	if err != nil {
		return nil, err
	}
	c := &Catcher{store: store, cfg: cfg}
	c.smtp = smtp.NewServer(backend{store})
	c.smtp.Domain = "localhost"
	c.smtp.EnableSMTPUTF8 = true
	c.smtp.MaxMessageBytes = maxMessageBytes
	c.smtp.MaxRecipients = maxRecipients
	c.smtp.ReadTimeout = time.Minute
	c.smtp.WriteTimeout = time.Minute
	c.smtp.ErrorLog = slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn)
	c.http = &http.Server{
		Handler:           onlyHosts(cfg.Hosts, newHandler(store, cfg.Log)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       50 * time.Second,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	return c, nil
}

// SMTPAddr is host:port of the SMTP server.
func (c *Catcher) SMTPAddr() string { return c.cfg.SMTP.Addr().String() }

// URL is the address of the pages and the API, without a trailing slash.
func (c *Catcher) URL() string { return "http://" + c.cfg.HTTP.Addr().String() }

// Store gives what was caught.
func (c *Catcher) Store() *Store { return c.store }

// Run serves until ctx ends, then lets running requests finish for at most
// two seconds. It answers nil on an orderly end.
func (c *Catcher) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	go func() {
		err := c.smtp.Serve(c.cfg.SMTP)
		if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			err = nil
		}
		failed <- err
	}()
	go func() {
		err := c.http.Serve(c.cfg.HTTP)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		failed <- err
	}()
	var err error
	waiting := 2
	select {
	case <-ctx.Done():
	case err = <-failed:
		waiting--
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if c.http.Shutdown(grace) != nil {
		c.http.Close()
	}
	if c.smtp.Shutdown(grace) != nil {
		c.smtp.Close()
	}
	for range waiting {
		err = errors.Join(err, <-failed)
	}
	c.store.Close()
	if err != nil {
		return fmt.Errorf("mail catcher: %w", err)
	}
	return nil
}

package smtp_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/mail"
	"entente.dev/invitation-svc/internal/smtp"
)

// server is a relay by the letter. It counts connections and mails, hangs up
// after some mails, and refuses recipients that say so.
type server struct {
	port         int
	lines, mails atomic.Int64
	hangUp       atomic.Int64 // mails per connection; 0 for no end
}

func serve(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{port: l.Addr().(*net.TCPAddr).Port}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.lines.Add(1)
			wg.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return s
}

func (s *server) talk(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	fmt.Fprint(c, "220 relay\r\n")
	for taken := int64(0); in.Scan(); {
		command := strings.ToUpper(in.Text())
		switch {
		case strings.HasPrefix(command, "RCPT") && strings.Contains(command, "NOBODY"):
			fmt.Fprint(c, "550 no such user\r\n")
		case strings.HasPrefix(command, "RCPT") && strings.Contains(command, "LATER"):
			fmt.Fprint(c, "451 later\r\n")
		case command == "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			for in.Scan() && in.Text() != "." {
			}
			s.mails.Add(1)
			fmt.Fprint(c, "250 taken\r\n")
			if taken++; taken == s.hangUp.Load() {
				return
			}
		case command == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func relay(t *testing.T, s *server) *smtp.Relay {
	t.Helper()
	r, err := smtp.New(smtp.Config{Host: "127.0.0.1", Port: s.port, TLS: "none", Hello: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func send(t *testing.T, r *smtp.Relay, to string) error {
	return r.Send(t.Context(), mail.Message{ID: "1@test", From: "a@test.example", To: to, Subject: "s", Text: "t", HTML: "<p>t</p>"}, time.Now())
}

// TestMailsShareAConnection also after refusals, which say nothing about the
// mails that follow.
func TestMailsShareAConnection(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := relay(t, s)
	for range 5 {
		if err := send(t, r, "x@test.example"); err != nil {
			t.Fatal(err)
		}
		var permanent smtp.Permanent
		if err := send(t, r, "nobody@test.example"); !errors.As(err, &permanent) {
			t.Fatalf("refused for good: %v", err)
		}
		if err := send(t, r, "later@test.example"); err == nil || errors.As(err, &permanent) {
			t.Fatalf("refused for now: %v", err)
		}
	}
	if s.lines.Load() != 1 || s.mails.Load() != 5 {
		t.Errorf("%d mails over %d connections", s.mails.Load(), s.lines.Load())
	}
}

// TestARelayMayHangUpBetweenMails: the next mail goes over a new connection,
// and none goes twice.
func TestARelayMayHangUpBetweenMails(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.hangUp.Store(2)
	r := relay(t, s)
	for range 6 {
		if err := send(t, r, "x@test.example"); err != nil {
			t.Fatal(err)
		}
	}
	if s.lines.Load() != 3 || s.mails.Load() != 6 {
		t.Errorf("%d mails over %d connections", s.mails.Load(), s.lines.Load())
	}
}

// TestABurstUsesAFewConnections.
func TestABurstUsesAFewConnections(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := relay(t, s)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := send(t, r, "x@test.example"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.lines.Load() > 4 || s.mails.Load() != 50 {
		t.Errorf("%d mails over %d connections", s.mails.Load(), s.lines.Load())
	}
}

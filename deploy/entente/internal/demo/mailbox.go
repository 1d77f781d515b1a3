package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// letter is a mail as the catcher answers it.
type letter struct {
	ID      string    `json:"id"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	Date    time.Time `json:"date"`
}

// mailLimit is how long a mail may take from its cause to the mailbox.
const mailLimit = 30 * time.Second

// errNoMail says that nothing fitting arrived in time.
var errNoMail = errors.New("the mail did not arrive")

// mailbox reads the mail of one address at the catcher.
type mailbox struct {
	at      Address
	address string
	seen    map[string]bool
}

// openMailbox remembers what is there already, so that only what comes later
// is found.
func openMailbox(ctx context.Context, at Address, address string) (*mailbox, error) {
	m := &mailbox{at: at, address: address, seen: make(map[string]bool)}
	letters, err := m.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range letters {
		m.seen[l.ID] = true
	}
	return m, nil
}

// await answers the part of the next new mail that the pattern's first group
// matches; mails it does not match are passed over.
func (m *mailbox) await(ctx context.Context, pattern *regexp.Regexp) (found string, in letter, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, mailLimit, errNoMail)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		letters, err := m.list(ctx)
		if err != nil {
			return "", letter{}, err
		}
		for _, l := range letters {
			if m.seen[l.ID] {
				continue
			}
			m.seen[l.ID] = true
			if match := pattern.FindStringSubmatch(l.Text); match != nil {
				return match[1], l, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", letter{}, fmt.Errorf("mail to %s: %w", m.address, context.Cause(ctx))
		case <-again.C:
		}
	}
}

func (m *mailbox) list(ctx context.Context) ([]letter, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.at.Mail+"/api/messages?to="+url.QueryEscape(m.address), nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	resp, err := m.at.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read mail: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read mail: status %d, %w", resp.StatusCode, err)
	}
	var letters []letter
	if err := json.Unmarshal(data, &letters); err != nil {
		return nil, fmt.Errorf("read mail: %w", err)
	}
	return letters, nil
}

package mailcatcher

import (
	"bytes"
	"fmt"
	"net/mail"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// DefaultLimit is how many mails a folder holds before the oldest go: enough
// for any session by hand, and a bound on what a load test leaves behind.
const DefaultLimit = 10_000

// Store keeps mails in one folder, in order of arrival. It is safe for
// concurrent use within one process.
type Store struct {
	dir   string
	limit int

	mu     sync.Mutex
	ids    []string            // oldest first
	places map[string]place    // by id
	to     map[string][]string // recipients by id, filled when first asked
	volume *volume             // that takes new mails; nil before the first
}

// OpenStore opens the folder, making it when it is missing, and indexes what
// it holds. limit 0 means DefaultLimit.
func OpenStore(dir string, limit int) (*Store, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open mail folder: %w", err)
	}
	s := &Store{dir: dir, limit: limit, places: make(map[string]place), to: make(map[string][]string)}
	err := readVolumes(dir, func(id string, at place) {
		s.ids = append(s.ids, id)
		s.places[id] = at
	})
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open mail folder: %w", err)
	}
	slices.Sort(s.ids) // v7 ids sort by time
	return s, nil
}

// Add keeps one mail and answers its id. The mail outlives the process from
// then on; it does not wait for the disk, which the database beside it needs.
func (s *Store) Add(from string, to []string, body []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("name mail: %w", err)
	}
	id := next.String()
	if s.volume == nil || s.volume.added == max(1, s.limit/volumesPerLimit) {
		if s.volume, err = newVolume(s.dir, id); err != nil {
			return "", fmt.Errorf("keep mail: %w", err)
		}
	}
	at, err := s.volume.add(id, slices.Concat(envelope(from, to), body))
	if err != nil {
		s.volume = nil // its end is not known
		return "", fmt.Errorf("keep mail: %w", err)
	}
	s.ids, s.places[id], s.to[id] = append(s.ids, id), at, slices.Clone(to)
	for len(s.ids) > s.limit {
		oldest := s.ids[0]
		if err := s.places[oldest].drop(); err != nil {
			return "", fmt.Errorf("drop oldest mail: %w", err)
		}
		s.ids = slices.Delete(s.ids, 0, 1)
		delete(s.to, oldest)
		delete(s.places, oldest)
	}
	return id, nil
}

// Close closes the files.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.places {
		_ = p.volume.Close()
	}
}

// read answers a mail as it was kept; ok is false when there is none.
func (s *Store) read(id string) (raw []byte, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.places[strings.ToLower(id)]
	if !ok {
		return nil, false, nil
	}
	raw, err = at.read()
	return raw, err == nil, err
}

// Query narrows a listing.
type Query struct {
	// To keeps mails with this recipient, compared without case; empty keeps all.
	To string
	// Newest keeps only that many of the latest mails; 0 keeps all.
	Newest int
}

// List answers the mails that match, oldest first.
func (s *Store) List(q Query) ([]Message, error) {
	s.mu.Lock()
	ids := slices.Clone(s.ids)
	s.mu.Unlock()
	out := make([]Message, 0, min(len(ids), 100))
	for _, id := range slices.Backward(ids) {
		if q.Newest > 0 && len(out) == q.Newest {
			break
		}
		if q.To != "" {
			match, err := s.isTo(id, q.To)
			if err != nil {
				return nil, err
			}
			if !match {
				continue
			}
		}
		m, ok, err := s.Message(id)
		if err != nil {
			return nil, err
		}
		if ok { // it may have been dropped meanwhile
			out = append(out, m)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// Message answers one mail; ok is false when there is none with this id.
func (s *Store) Message(id string) (m Message, ok bool, err error) {
	raw, ok, err := s.read(id)
	if !ok || err != nil {
		return Message{}, false, err
	}
	return parse(id, raw, arrival(id)), true, nil
}

// isTo says whether a mail is for the address, reading its recipients when
// they are not known yet, as after a restart.
func (s *Store) isTo(id, address string) (bool, error) {
	s.mu.Lock()
	to, known := s.to[id]
	s.mu.Unlock()
	if !known {
		raw, ok, err := s.read(id)
		if !ok || err != nil {
			return false, err
		}
		if parsed, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
			to = parsed.Header[fieldRecipient]
		}
		s.mu.Lock()
		s.to[id] = to
		s.mu.Unlock()
	}
	return slices.ContainsFunc(to, func(rcpt string) bool { return strings.EqualFold(rcpt, address) }), nil
}

// arrival reads the time of arrival out of a version 7 id.
func arrival(id string) time.Time {
	u, err := uuid.Parse(id)
	if err != nil {
		return time.Time{}
	}
	sec, nsec := u.Time().UnixTime()
	return time.Unix(sec, nsec)
}

package mailcatcher

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// DefaultLimit is how many mails a folder holds before the oldest go: enough
// for any session by hand, and a bound on what a load test leaves behind.
const DefaultLimit = 10_000

const suffix = ".eml"

// Store keeps mails as files in one folder, in order of arrival. It is safe
// for concurrent use within one process.
type Store struct {
	dir   string
	limit int

	mu  sync.Mutex
	ids []string            // oldest first
	to  map[string][]string // recipients by id, filled when first asked
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
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open mail folder: %w", err)
	}
	s := &Store{dir: dir, limit: limit, to: make(map[string][]string)}
	for _, e := range entries {
		id, isMail := strings.CutSuffix(e.Name(), suffix)
		if isMail && isID(id) {
			s.ids = append(s.ids, id)
		}
	}
	slices.Sort(s.ids) // v7 ids sort by time
	return s, nil
}

// Add keeps one mail and answers its id. The mail outlives the process from
// then on; it does not wait for the disk, which the database beside it needs.
func (s *Store) Add(from string, to []string, body []byte) (string, error) {
	next, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("name mail: %w", err)
	}
	id := next.String()
	if err := place(s.path(id), slices.Concat(envelope(from, to), body)); err != nil {
		return "", fmt.Errorf("keep mail: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Two mails may arrive at once and be written in either order.
	at, _ := slices.BinarySearch(s.ids, id)
	s.ids = slices.Insert(s.ids, at, id)
	s.to[id] = slices.Clone(to)
	for len(s.ids) > s.limit {
		oldest := s.ids[0]
		if err := os.Remove(s.path(oldest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("drop oldest mail: %w", err)
		}
		s.ids = slices.Delete(s.ids, 0, 1)
		delete(s.to, oldest)
	}
	return id, nil
}

// place writes a file that nobody ever sees in part.
func place(path string, data []byte) error {
	unfinished := path + ".new"
	if err := os.WriteFile(unfinished, data, 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
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
	if !isID(id) { // an id becomes a file name
		return Message{}, false, nil
	}
	raw, err := os.ReadFile(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return Message{}, false, nil
	}
	if err != nil {
		return Message{}, false, fmt.Errorf("read mail: %w", err)
	}
	return parse(id, raw, arrival(id)), true, nil
}

func isID(text string) bool { return uuid.Validate(text) == nil }

// isTo says whether a mail is for the address, reading its recipients when
// they are not known yet, as after a restart.
func (s *Store) isTo(id, address string) (bool, error) {
	s.mu.Lock()
	to, known := s.to[id]
	s.mu.Unlock()
	if !known {
		raw, err := os.ReadFile(s.path(id))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read mail: %w", err)
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

func (s *Store) path(id string) string { return filepath.Join(s.dir, strings.ToLower(id)+suffix) }

// arrival reads the time of arrival out of a version 7 id.
func arrival(id string) time.Time {
	u, err := uuid.Parse(id)
	if err != nil {
		return time.Time{}
	}
	sec, nsec := u.Time().UnixTime()
	return time.Unix(sec, nsec)
}

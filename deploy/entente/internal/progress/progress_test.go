package progress

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is a writer that tells when it was written to.
type screen struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.written <- struct{}{}:
	default:
	}
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestStepsPrintTheirResultAndFailuresAreMarked(t *testing.T) {
	t.Parallel()
	out := &screen{}
	p := New(out, false)
	if err := p.Step("start database", func(func(string, ...any)) (string, error) { return "port 5", nil }); err != nil {
		t.Fatal(err)
	}
	want := errors.New("boom")
	if err := p.Step("migrate", func(func(string, ...any)) (string, error) { return "", want }); !errors.Is(err, want) {
		t.Fatalf("got %v", err)
	}
	text := out.String()
	if !strings.Contains(text, "✓ start database: port 5 (") || !strings.Contains(text, "✗ migrate (") || strings.Contains(text, "\r") {
		t.Error(text)
	}
}

func TestALongStepGivesSignsOfLife(t *testing.T) {
	t.Parallel()
	for _, live := range []bool{false, true} {
		out := &screen{written: make(chan struct{}, 1)}
		p := New(out, live)
		p.every = time.Millisecond
		err := p.Step("seed", func(say func(string, ...any)) (string, error) {
			say("%d of %d", 3, 200)
			<-out.written
			<-out.written
			p.Line("a line between")
			return "", nil
		})
		if err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if !strings.Contains(text, "seed … ") || !strings.Contains(text, "3 of 200") || !strings.Contains(text, "a line between\n") {
			t.Errorf("live %v: %q", live, text)
		}
		if !strings.HasSuffix(strings.TrimRight(text, "\n"), ")") {
			t.Errorf("live %v: something is left behind the last line: %q", live, text)
		}
	}
}

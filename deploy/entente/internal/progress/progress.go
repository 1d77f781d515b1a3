package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Printer writes steps one after the other. Only one step runs at a time;
// lines may be printed from any goroutine.
type Printer struct {
	w     io.Writer
	live  bool          // redraw the running step
	every time.Duration // between signs of life

	mu      sync.Mutex
	current string // the line being redrawn, "" when none is
}

// New prints to w; live says whether w is a terminal.
func New(w io.Writer, live bool) *Printer {
	p := &Printer{w: w, live: live, every: 10 * time.Second}
	if live {
		p.every = 200 * time.Millisecond
	}
	return p
}

// IsTerminal says whether f shows to a person.
func IsTerminal(f *os.File) bool {
	stat, err := f.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}

// Line prints one line above the running step.
func (p *Printer) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
	p.redraw()
}

// Step runs fn under the title. fn answers the result in a few words, which is
// printed with the time it took; on an error the step is marked as failed and
// the error is answered as it is. fn may call say to tell how far it is.
func (p *Printer) Step(title string, fn func(say func(format string, args ...any)) (string, error)) error {
	began := time.Now()
	var (
		noteMu sync.Mutex
		note   string
	)
	text := func() string {
		noteMu.Lock()
		defer noteMu.Unlock()
		line := fmt.Sprintf("%s … %s", title, seconds(time.Since(began)))
		if note != "" {
			line += ", " + note
		}
		return line
	}
	stop := p.animate(text)
	result, err := fn(func(format string, args ...any) {
		noteMu.Lock()
		defer noteMu.Unlock()
		note = fmt.Sprintf(format, args...)
	})
	stop()
	took := seconds(time.Since(began))
	switch {
	case err != nil:
		p.Line("✗ %s (%s)", title, took)
	case result == "":
		p.Line("✓ %s (%s)", title, took)
	default:
		p.Line("✓ %s: %s (%s)", title, result, took)
	}
	return err
}

// animate shows text until the returned function is called.
func (p *Printer) animate(text func() string) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(p.every)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.show(text())
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clear()
	}
}

func (p *Printer) show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live {
		fmt.Fprintf(p.w, "  %s\n", line)
		return
	}
	p.clear()
	p.current = "  " + line
	p.redraw()
}

// clear removes the redrawn line; redraw puts it back.
func (p *Printer) clear() {
	if p.current != "" {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", len([]rune(p.current))))
	}
	p.current = ""
}

func (p *Printer) redraw() { fmt.Fprint(p.w, p.current) }

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

package smtp

import (
	"context"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// mostLines bounds the connections to the relay.
	mostLines = 4
	// idleLine is how long a connection waits for the next mail.
	idleLine = 10 * time.Second
)

// line is one connection to the relay.
type line struct {
	*smtp.Client
	used bool // it has carried a mail before, so the relay may have left
	free time.Time
}

// pool keeps the connections that nobody uses for a moment.
type pool struct {
	dial   func(context.Context) (*smtp.Client, error)
	tokens chan struct{} // one for each connection that is in use

	mu     sync.Mutex
	idle   []*line
	timer  *time.Timer
	closed bool
}

// take answers a connection, waiting while all are in use.
func (p *pool) take(ctx context.Context) (*line, error) {
	select {
	case p.tokens <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return l, nil
	}
	p.mu.Unlock()
	c, err := p.dial(ctx)
	if err != nil {
		<-p.tokens
		return nil, err
	}
	return &line{Client: c}, nil
}

// put gives a connection back for the next mail.
func (p *pool) put(l *line) {
	defer func() { <-p.tokens }()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = l.Quit()
		return
	}
	l.used, l.free = true, time.Now()
	p.idle = append(p.idle, l)
	if p.timer == nil {
		p.timer = time.AfterFunc(idleLine, p.expire)
	}
}

// drop ends a connection of which nobody knows where it stands, and with it
// those that wait: the relay may have left them as well.
func (p *pool) drop(l *line) {
	_ = l.Close()
	p.end(func(*line) bool { return true })
	<-p.tokens
}

// expire ends what has waited long enough.
func (p *pool) expire() {
	now := time.Now()
	p.end(func(l *line) bool { return now.Sub(l.free) >= idleLine })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer = nil; len(p.idle) > 0 {
		p.timer = time.AfterFunc(idleLine-now.Sub(p.idle[0].free), p.expire)
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	p.end(func(*line) bool { return true })
}

// end says good-bye on the idle connections that old picks.
func (p *pool) end(old func(*line) bool) {
	p.mu.Lock()
	var gone, stay []*line
	for _, l := range p.idle {
		if old(l) {
			gone = append(gone, l)
		} else {
			stay = append(stay, l)
		}
	}
	p.idle = stay
	p.mu.Unlock()
	for _, l := range gone {
		_ = l.UpdateDeadline(time.Second)
		_ = l.Quit()
	}
}

package limits

import (
	"math"
	"time"
)

// Rate is how often something may happen. The zero Rate has no limit.
type Rate struct {
	PerSecond float64
	Burst     float64
}

func (r Rate) limited() bool { return r.PerSecond > 0 }

// bucket is the classic token bucket: it holds up to Burst and fills at
// PerSecond.
type bucket struct {
	level float64
	at    time.Time
}

// fill brings the level up to date.
func (b *bucket) fill(r Rate, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.level = math.Min(r.Burst, b.level+d.Seconds()*r.PerSecond)
		b.at = now
	}
}

// wait is how long until one token is there, 0 if there is one now.
func (b *bucket) wait(r Rate) time.Duration {
	if b.level >= 1 {
		return 0
	}
	return time.Duration((1 - b.level) / r.PerSecond * float64(time.Second))
}

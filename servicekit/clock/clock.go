package clock

import "time"

// Clock tells the time, in UTC and to the microsecond, which is what the
// database keeps.
type Clock interface {
	Now() time.Time
}

// System is the clock of the machine.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

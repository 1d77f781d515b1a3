package load

import (
	"syscall"
	"time"
)

// pause blocks the thread for d, exact to some tens of microseconds.
func pause(d time.Duration) {
	if d <= 0 {
		return
	}
	left := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
		continue // a signal of the runtime; the rest is in left
	}
}

//go:build !linux

package load

import "time"

// pause blocks for d, as exactly as the runtime's timers are.
func pause(d time.Duration) { <-time.After(d) }

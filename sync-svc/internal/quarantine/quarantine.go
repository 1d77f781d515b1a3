package quarantine

import "time"

// Reasons, as the job's status names them.
const (
	Exception      = "EncounteredQuarantineException"
	Proportion     = "EncounteredEscrowProportionThreshold"
	BaseThreshold  = "EncounteredBaseEscrowThreshold"
	TotalThreshold = "EncounteredTotalEscrowThreshold"
	TooManyDeletes = "TooManyDeletes"
	OnDemand       = "QuarantinedOnDemand"
)

// Limits are the thresholds; the zero value has the defaults.
type Limits struct {
	// MinFailures is how many failures the proportion needs; 0 means 5000.
	MinFailures int64
}

// Counts are what a cycle has seen so far.
type Counts struct {
	// Failures are open escrows and failures of this cycle, without references.
	Failures int64
	// References are failures to resolve a reference.
	References int64
	// Succeeded are provisioning events without failure.
	Succeeded int64
	// Attempted are the exports of this cycle.
	Attempted int64
	// CompleteFailures are the cycles in a row, this one included, in which
	// every export failed.
	CompleteFailures int64
}

// Evaluate returns the reason for quarantine, or the empty text.
func Evaluate(c Counts, l Limits) string {
	least := l.MinFailures
	if least == 0 {
		least = 5000
	}
	switch {
	case c.Failures > 40_000:
		return BaseThreshold
	case c.Failures+c.References > 60_000:
		return TotalThreshold
	case c.Failures >= least && c.Failures*100 > 40*(c.Failures+c.Succeeded):
		return Proportion
	case c.Attempted >= 20 && c.CompleteFailures >= 3:
		return Proportion
	}
	return ""
}

// GivesUpAfter is how long a series of failed attempts lasts (SYN-148).
const GivesUpAfter = 28 * 24 * time.Hour

// NextAttempt is when a job in quarantine tries again: 6, 12 and 24 hours after
// the series began, then every 24 hours. The zero time means never.
func NextAttempt(began, now time.Time) time.Time {
	for _, d := range [...]time.Duration{6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		if at := began.Add(d); at.After(now) {
			return at
		}
	}
	next := began.Add(now.Sub(began).Truncate(24*time.Hour) + 24*time.Hour)
	if next.Sub(began) > GivesUpAfter {
		return time.Time{}
	}
	return next
}

// Retry is when a failed object is tried again: the next cycle first, then
// twice as late each time, at most a day (SYN-196).
func Retry(attempts int, interval time.Duration, now time.Time) time.Time {
	if attempts <= 1 {
		return now
	}
	wait := interval
	for range attempts - 1 {
		if wait *= 2; wait >= 24*time.Hour {
			return now.Add(24 * time.Hour)
		}
	}
	return now.Add(wait)
}

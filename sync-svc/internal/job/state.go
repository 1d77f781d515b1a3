package job

import (
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/quarantine"
)

// State is schedule.state. The numbers are stored.
type State int16

// The states of a schedule.
const (
	Active   State = 1
	Disabled State = 2
	Paused   State = 3
)

// Code is status.code. The numbers are stored.
type Code int16

// The codes of a status.
const (
	NotConfigured   Code = 1
	NotRun          Code = 2
	CodeActive      Code = 3
	CodePaused      Code = 4
	CodeQuarantined Code = 5
)

// Bounds of the interval (SYN-17).
const (
	DefaultInterval = 40 * time.Minute
	MinInterval     = time.Minute
	MaxInterval     = 24 * time.Hour
)

// Job is one synchronization job.
type Job struct {
	Tenant           tenant.ID
	ID               string
	Key              uuid.UUID // last part of the id
	ServicePrincipal uuid.UUID
	Application      uuid.UUID
	AppID            string
	DisplayName      string
	Target           tenant.ID // zero until settings name it
	State            State
	Code             Code
	Interval         time.Duration
	Settings         map[string]string // synchronizationJobSettings
	SchemaVersion    int
	// Generation rises with every change that a running cycle must notice.
	Generation int64
	// Watermark is the position in the change feed up to which everything was
	// handled; empty means an initial cycle is due.
	Watermark string
	// Cycle is the cycle that runs or was interrupted; nil between cycles.
	Cycle *Cycle
	// DueAt is when the next cycle begins.
	DueAt                          time.Time
	Last, LastSuccess, LastExports *Execution
	Quarantine                     *Quarantine
	SteadyFirst, SteadyLast        time.Time
	EscrowsPruned                  bool
	CompleteFailures               int64
	Synchronized                   int64
	// ForceDeletes lets the staged deletions run.
	ForceDeletes bool
}

// NewID makes the id of a job (WIRE-29).
func NewID(template string, t tenant.ID, key uuid.UUID) string {
	return template + "." + strings.ReplaceAll(t.String(), "-", "") + "." + key.String()
}

// Quarantine is the state of a job that failed too much.
type Quarantine struct {
	CurrentBegan time.Time `json:"currentBegan"`
	SeriesBegan  time.Time `json:"seriesBegan"`
	NextAttempt  time.Time `json:"nextAttempt"`
	SeriesCount  int64     `json:"seriesCount"`
	Reason       string    `json:"reason"`
	Code         string    `json:"code"`
	Message      string    `json:"message"`
}

// ActiveCode is the code of an active job that is not in quarantine.
func (j Job) ActiveCode() Code {
	switch {
	case j.Target.IsZero():
		return NotConfigured
	case j.LastSuccess == nil:
		return NotRun
	}
	return CodeActive
}

// Start makes a job active and due; a running one is left alone (SYN-140 to
// SYN-142, SYN-147).
func Start(j Job, now time.Time) (Job, bool) {
	if j.State == Active && j.Quarantine == nil {
		return j, false
	}
	j.State, j.Quarantine, j.DueAt = Active, nil, now
	j.Code = j.ActiveCode()
	j.Generation++
	return j, true
}

// Pause stops a job; its checkpoint stays (SYN-144).
func Pause(j Job) (Job, bool) {
	if j.State != Active {
		return j, false
	}
	j.State, j.Code = Paused, CodePaused
	j.Generation++
	return j, true
}

// Reset is a set of flags of resetScope.
type Reset uint8

// The flags (SYN-153 to SYN-159).
const (
	ResetLinks Reset = 1 << iota
	ResetEscrows
	ResetWatermark
	ResetQuarantine
	ResetForceDeletes
)

// ParseReset reads the comma-separated flags in any letter case; no text means
// the default.
func ParseReset(text string) (Reset, error) {
	if strings.TrimSpace(text) == "" {
		return ResetEscrows | ResetWatermark | ResetQuarantine, nil
	}
	var r Reset
	for _, flag := range strings.Split(text, ",") {
		switch strings.ToLower(strings.TrimSpace(flag)) {
		case "none":
		case "connectordatastore":
			r |= ResetLinks
		case "escrows":
			r |= ResetEscrows
		case "watermark":
			r |= ResetWatermark
		case "quarantinestate":
			r |= ResetQuarantine
		case "full":
			r |= ResetLinks | ResetEscrows | ResetWatermark | ResetQuarantine
		case "forcedeletes":
			r |= ResetForceDeletes
		default:
			return 0, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "Unknown value '%s' in resetScope.", strings.TrimSpace(flag))
		}
	}
	return r, nil
}

// Restart drops what the flags name and makes the job due (SYN-152). Links and
// escrows are rows; their owner drops them in the same transaction.
func Restart(j Job, r Reset, now time.Time) Job {
	if r&ResetWatermark != 0 {
		j.Watermark, j.Cycle = "", nil
	}
	if r&ResetLinks != 0 {
		j.Synchronized, j.Cycle = 0, nil
	}
	if r&ResetQuarantine != 0 {
		j.EscrowsPruned, j.CompleteFailures = false, 0
	}
	if r&ResetForceDeletes != 0 {
		j.ForceDeletes = true
	}
	keep := j.Quarantine
	j.State, j.DueAt = Active, now
	j.Code = j.ActiveCode()
	j.Quarantine = nil
	if keep != nil && r&(ResetQuarantine|ResetForceDeletes) == 0 && r != 0 {
		j.Quarantine, j.Code = keep, CodeQuarantined
	}
	j.Generation++
	return j
}

// Enter puts a job into quarantine, or notes another failed attempt of the
// series; after 28 days the job is switched off (SYN-148, SYN-205).
func Enter(j Job, reason, code, message string, now time.Time) Job {
	q := Quarantine{CurrentBegan: now, SeriesBegan: now, Reason: reason, Code: code, Message: message}
	if j.Quarantine != nil {
		q.SeriesBegan, q.SeriesCount = j.Quarantine.SeriesBegan, j.Quarantine.SeriesCount
		if j.Quarantine.Reason == reason {
			q.CurrentBegan = j.Quarantine.CurrentBegan
		}
	}
	q.SeriesCount++
	q.NextAttempt = quarantine.NextAttempt(q.SeriesBegan, now)
	j.Quarantine, j.Code = &q, CodeQuarantined
	j.DueAt = q.NextAttempt
	if q.NextAttempt.IsZero() {
		j.State = Disabled
	}
	return j
}

// Runnable reports whether a runner should hold the job.
func (j Job) Runnable() bool { return j.State == Active && !j.Target.IsZero() }

package job

import (
	"time"

	"github.com/google/uuid"
)

// Counts are the figures of a cycle (SYN-236).
type Counts struct {
	Imported         int64 `json:"imported"`
	ImportedDeltas   int64 `json:"importedDeltas"`
	ReferenceDeltas  int64 `json:"referenceDeltas"`
	Entitled         int64 `json:"entitled"`
	ForProvisioning  int64 `json:"forProvisioning"`
	Exports          int64 `json:"exports"`
	Exported         int64 `json:"exported"`
	Redundant        int64 `json:"redundant"`
	Skipped          int64 `json:"skipped"`
	Escrowed         int64 `json:"escrowed"`
	EscrowedRaw      int64 `json:"escrowedRaw"`
	ReferencesFailed int64 `json:"referencesFailed"`
	Staged           int64 `json:"staged"`
}

// Add sums the figures of a batch into those of its cycle.
func (c *Counts) Add(d Counts) {
	c.Imported += d.Imported
	c.ImportedDeltas += d.ImportedDeltas
	c.ReferenceDeltas += d.ReferenceDeltas
	c.Entitled += d.Entitled
	c.ForProvisioning += d.ForProvisioning
	c.Exports += d.Exports
	c.Exported += d.Exported
	c.Redundant += d.Redundant
	c.Skipped += d.Skipped
	c.Escrowed += d.Escrowed
	c.EscrowedRaw += d.EscrowedRaw
	c.ReferencesFailed += d.ReferencesFailed
	c.Staged += d.Staged
}

// Cycle is a cycle under way. It is stored with every batch, so that an
// interrupted cycle goes on where it was.
type Cycle struct {
	ID      uuid.UUID `json:"id"`
	Initial bool      `json:"initial"`
	Began   time.Time `json:"began"`
	// Position is the place in the feed at the beginning; it becomes the
	// watermark when the cycle ends.
	Position string `json:"position"`
	// After is the last object id an initial cycle has handled.
	After string `json:"after"`
	// Phase tells what was completed.
	Phase Phase `json:"phase"`
	// TotalObjects is how many objects are expected, for the progress.
	TotalObjects int64 `json:"total"`
	Counts
	// Observed is when the progress was last written.
	Observed time.Time `json:"observed"`
}

// Phase is how far a cycle has come.
type Phase int

// The phases in their order (SYN-166).
const (
	PhaseRemovals Phase = iota
	PhaseUsers
	PhaseReferences
	PhaseDone
)

// PageSize is the unit of progress (SYN-237).
const PageSize = 200

// Progress gives completed and total pages; completed never exceeds total.
func (c Cycle) Progress() (completed, total int64) {
	completed = (c.Imported + PageSize - 1) / PageSize
	total = max((c.TotalObjects+PageSize-1)/PageSize, completed, 1)
	if c.Phase < PhaseReferences && completed == total && total > 0 && c.Imported < c.TotalObjects {
		completed--
	}
	return completed, total
}

// Execution is what a finished cycle leaves behind.
type Execution struct {
	ID      uuid.UUID `json:"id"`
	Initial bool      `json:"initial"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
	State   string    `json:"state"` // Succeeded, Failed or EntryLevelErrors
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Counts
}

// Finish turns a cycle into its execution. A code means that it failed.
func (c Cycle) Finish(now time.Time, code, message string) Execution {
	e := Execution{ID: c.ID, Initial: c.Initial, Began: c.Began, Ended: now, State: "Succeeded", Code: "None", Counts: c.Counts}
	switch {
	case code != "":
		e.State, e.Code, e.Message = "Failed", code, message
	case c.Escrowed > 0:
		e.State = "EntryLevelErrors"
	}
	return e
}

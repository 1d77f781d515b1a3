package plan

// Bounds of the brake when an administrator set no threshold of its own.
const (
	DefaultThreshold = 500
	// smallest keeps the brake of a tenth from stopping every removal in a small tenant.
	smallest = 20
)

// Guard is the brake on removals of one cycle (SYN-208).
type Guard struct {
	// Enabled is DeleteThresholdEnabled.
	Enabled bool
	// Threshold is DeleteThresholdValue; 0 when none was set.
	Threshold int
}

// Limit is the largest number of removals that runs without being asked for:
// the threshold that was set, or a tenth of the linked users, at least 20 and
// at most 500.
func (g Guard) Limit(linked int) int {
	if g.Threshold > 0 {
		return g.Threshold
	}
	return min(DefaultThreshold, max(smallest, linked/10))
}

// Stops reports whether the removals of a cycle are staged instead of run.
// Removals are deletes and disables together.
func (g Guard) Stops(removals, linked int) bool { return g.Enabled && removals > g.Limit(linked) }

package plan

import (
	"testing"

	"entente.dev/sync-svc/internal/scope"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	entitled := Source{Enabled: true, Scope: scope.Decision{Entitled: true, Active: true}}
	disabled := Source{Scope: scope.Decision{Entitled: true, Reason: scope.NotActiveInSource}}
	out := Source{Enabled: true, Scope: scope.Decision{Reason: scope.NotEffectivelyEntitled}}
	all := Settings{Add: true, Update: true, Delete: true, DeprovisionDisabled: true, AdoptPending: true}
	with := func(change func(*Settings)) Settings { s := all; change(&s); return s }
	cases := []struct {
		name   string
		source Source
		target Target
		with   Settings
		want   Decision
	}{
		{"SYN-170: nobody there", entitled, Target{}, all, Decision{Action: Create}},
		{"SYN-171: the home key is there", entitled, Target{State: Live}, all, Decision{Action: Update}},
		{"SYN-172: a pending user with a verified address", entitled, Target{State: Pending, AddressVerified: true}, all, Decision{Action: Adopt}},
		{"SYN-173: a pending user with a foreign address", entitled, Target{State: Pending}, all, Decision{Action: Skip, Reason: AddressNotVerified}},
		{"SYN-174: several pending users", entitled, Target{State: PendingSeveral}, all, Decision{Action: Fail, Reason: DuplicateTargetEntries}},
		{"SYN-179: disabled and never synchronized", disabled, Target{}, all, Decision{Action: Skip, Reason: scope.NotActiveInSource}},
		{"SYN-180: disabled and linked", disabled, Target{State: Live, Linked: true}, all, Decision{Action: Update}},
		{"SYN-182: out of scope and linked", out, Target{State: Live, Linked: true}, all, Decision{Action: Delete}},
		{"SYN-182: disabled, then out of scope", Source{Scope: out.Scope}, Target{State: Live, Linked: true}, all, Decision{Action: Delete}},
		{"A32: disabled, then out of scope, kept", Source{Scope: out.Scope}, Target{State: Live, Linked: true},
			with(func(s *Settings) { s.DeprovisionDisabled = false }), Decision{Action: Release, Reason: OutOfScopeDeletionSkipped}},
		{"SYN-40: out of scope, kept", out, Target{State: Live, Linked: true},
			with(func(s *Settings) { s.SkipOutOfScopeDeletions = true }), Decision{Action: Release, Reason: OutOfScopeDeletionSkipped}},
		{"SYN-40: deleted at the source is not kept", Source{Deleted: true, Enabled: true, Scope: out.Scope}, Target{State: Live, Linked: true},
			with(func(s *Settings) { s.SkipOutOfScopeDeletions = true }), Decision{Action: Delete}},
		{"SYN-68: no deletes", out, Target{State: Live, Linked: true}, with(func(s *Settings) { s.Delete = false }), Decision{Action: Release, Reason: OutOfScopeDeletionSkipped}},
		{"SYN-68: no creates", entitled, Target{}, with(func(s *Settings) { s.Add = false }), Decision{Action: Skip, Reason: FlowTypeExcluded}},
		{"SYN-68: no updates", entitled, Target{State: Live, Linked: true}, with(func(s *Settings) { s.Update = false }), Decision{Action: Skip, Reason: FlowTypeExcluded}},
		{"SYN-183: out of scope and never linked", out, Target{}, all, Decision{Action: Skip, Reason: scope.NotEffectivelyEntitled}},
		{"SYN-183: out of scope, somebody's guest", out, Target{State: Live}, all, Decision{Action: Skip, Reason: scope.NotEffectivelyEntitled}},
		{"SYN-184: purged at the source", Source{Gone: true}, Target{State: Live, Linked: true}, all, Decision{Action: Delete, Unlink: true}},
		{"SYN-186: back in scope", entitled, Target{State: SoftDeleted, Linked: true, DeletedBySync: true}, all, Decision{Action: Restore}},
		{"SYN-187: deleted by the target", entitled, Target{State: SoftDeleted, Linked: true}, all, Decision{Action: Skip, Reason: TargetSoftDeleted}},
		{"SYN-189: purged in the target", entitled, Target{Linked: true}, all, Decision{Action: Fail, Reason: InvalidAnchor, Unlink: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Decide(c.source, c.target, c.with); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name             string
		guard            Guard
		removals, linked int
		stops            bool
	}{
		{"A55: as many as the threshold", Guard{true, 3}, 3, 100, false},
		{"A55: one more", Guard{true, 3}, 4, 100, true},
		{"A21: nine of ten by default", Guard{true, 0}, 9, 10, false},
		{"a tenth of a thousand", Guard{true, 0}, 100, 1000, false},
		{"more than a tenth", Guard{true, 0}, 101, 1000, true},
		{"never more than 500 by default", Guard{true, 0}, 501, 100_000, true},
		{"500 of many", Guard{true, 0}, 500, 100_000, false},
		{"switched off", Guard{false, 3}, 4, 100, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.guard.Stops(c.removals, c.linked); got != c.stops {
				t.Errorf("stops = %t, want %t", got, c.stops)
			}
		})
	}
}

package engine

import (
	"testing"

	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/quarantine"
)

const threshold3 = `{"DeleteThresholdEnabled":true,"DeleteThresholdValue":3}`

func (w *world) some(n int, prefix string) []uuid.UUID {
	var ids []uuid.UUID
	for i := range n {
		ids = append(ids, w.assigned(prefix+string(rune('a'+i))))
	}
	return ids
}

func (w *world) deleted(ids []uuid.UUID) (n int) {
	for _, id := range ids {
		if w.target(id).Deleted {
			n++
		}
	}
	return n
}

func TestA55A56A57TooManyDeletes(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncNotificationSettings": threshold3})
	ids := w.some(8, "u")
	w.cycle()
	for _, id := range ids[:3] {
		w.dir.Assign(w.from, w.sp, id, false)
	}
	w.cycle()
	if n := w.deleted(ids); n != 3 {
		t.Fatalf("A55: %d deleted, want the three that the threshold allows", n)
	}
	rest := ids[3:7]
	for _, id := range rest {
		w.dir.Assign(w.from, w.sp, id, false)
	}
	created := w.assigned("created")
	w.cycle()
	if n := w.deleted(rest); n != 0 {
		t.Fatalf("A55: %d deleted beyond the threshold", n)
	}
	if w.target(created) == nil {
		t.Error("A57: creates of the same cycle did not run")
	}
	j := w.job()
	if j.Code != job.CodeQuarantined || j.Quarantine == nil || j.Quarantine.Reason != quarantine.TooManyDeletes {
		t.Fatalf("A55: job %d %+v", j.Code, j.Quarantine)
	}
	staged := 0
	for _, r := range w.log() {
		if r.Action == actionStaged {
			staged++
		}
	}
	if staged != 4 {
		t.Errorf("A55: %d stagedDelete records", staged)
	}
	// While staged, cycles go on creating, and stage nothing twice.
	later := w.assigned("later")
	w.cycle()
	if w.target(later) == nil || w.deleted(rest) != 0 || w.job().Quarantine == nil {
		t.Error("SYN-209: a cycle while removals are staged")
	}
	w.dir.Assign(w.from, w.sp, rest[0], true)
	w.restart("ForceDeletes")
	w.cycle()
	if w.target(rest[0]).Deleted || w.deleted(rest) != 3 {
		t.Errorf("A56: %d deleted, want the three that are still out of scope", w.deleted(rest))
	}
	if j := w.job(); j.Quarantine != nil || j.Code != job.CodeActive || j.ForceDeletes {
		t.Errorf("A56: job %d %+v", j.Code, j.Quarantine)
	}
}

func TestRejectedDeletionsAreForgotten(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncNotificationSettings": threshold3})
	ids := w.some(5, "u")
	w.cycle()
	for _, id := range ids[:4] {
		w.dir.Assign(w.from, w.sp, id, false)
	}
	w.cycle()
	for _, id := range ids[:4] {
		w.dir.Assign(w.from, w.sp, id, true)
	}
	w.restart("")
	w.cycle()
	if w.deleted(ids) != 0 || w.job().Quarantine != nil {
		t.Errorf("SYN-209: %d deleted, quarantine %v after the scope was repaired", w.deleted(ids), w.job().Quarantine)
	}
}

func TestDisablesCountAsRemovals(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncNotificationSettings": threshold3, "SyncAll": "true"})
	ids := w.some(5, "u")
	w.cycle()
	for _, id := range ids[:4] {
		w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.AccountEnabled = new(bool) }, "accountEnabled")
	}
	w.cycle()
	for _, id := range ids {
		if !w.target(id).User.GetAccountEnabled() {
			t.Fatal("SYN-208: disabled beyond the threshold")
		}
	}
	w.restart("Watermark, QuarantineState")
	w.cycle()
	if w.job().Quarantine == nil {
		t.Error("SYN-208: an initial cycle does not count disables")
	}
	w.restart("ForceDeletes")
	w.cycle()
	off := 0
	for _, id := range ids {
		if !w.target(id).User.GetAccountEnabled() {
			off++
		}
	}
	if off != 4 {
		t.Errorf("%d disabled after ForceDeletes, want 4", off)
	}
}

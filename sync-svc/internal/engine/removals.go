package engine

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/store"
)

// scanSize is how many objects are read together to find removals.
const scanSize = 500

// removals finds out how many target users the cycle would delete or disable,
// before it writes anything (SYN-208). Within the limit they are written first;
// beyond it none is, and an administrator is asked. It returns the candidates
// that are left.
func (r *run) removals(ctx context.Context, c *job.Cycle, candidates []uuid.UUID) ([]uuid.UUID, error) {
	if c.Phase >= job.PhaseUsers {
		return candidates, r.resumeStaging(ctx)
	}
	found, err := r.findRemovals(ctx, c, candidates)
	if err != nil || len(found) == 0 {
		return candidates, err
	}
	if err := r.configured(ctx); err != nil {
		return nil, err
	}
	var linked int
	var staged []uuid.UUID
	err = r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if linked, err = tx.CountLinked(r.job.Key); err != nil {
			return err
		}
		staged, err = tx.Staged(r.job.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.allowed = map[uuid.UUID]bool{}
	for _, id := range staged {
		r.allowed[id] = r.job.ForceDeletes
	}
	var now, over []store.Staged
	if r.job.ForceDeletes {
		now = nil
		for _, s := range found {
			if r.allowed[s.Source] {
				now = append(now, s)
			} else {
				over = append(over, s)
			}
		}
	} else {
		over = found
	}
	if r.meaning.Guard.Stops(len(over), linked) {
		r.staging = true
		if err := r.stage(ctx, c, over); err != nil {
			return nil, err
		}
		if !r.job.ForceDeletes {
			now = nil
		}
	} else {
		now = found
	}
	if r.gathered != nil {
		// One batch for all: it begins with the removals anyway.
		return nil, nil
	}
	done := make(map[uuid.UUID]bool, len(now))
	list := make([]uuid.UUID, len(now))
	for i, s := range now {
		list[i], done[s.Source] = s.Source, true
	}
	rest := slices.DeleteFunc(candidates, func(id uuid.UUID) bool { return done[id] })
	return rest, r.some(ctx, c, list)
}

// resumeStaging restores the state of the brake for a cycle that goes on after
// its removals were decided.
func (r *run) resumeStaging(ctx context.Context) error {
	return r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
		staged, err := tx.Staged(r.job.Key)
		r.staging = len(staged) > 0 && !r.job.ForceDeletes
		return err
	})
}

// findRemovals evaluates the scope of everything that is connected and part of
// the cycle. It writes nothing.
func (r *run) findRemovals(ctx context.Context, c *job.Cycle, candidates []uuid.UUID) ([]store.Staged, error) {
	var found []store.Staged
	after := uuid.Nil
	whole := !c.Initial && len(candidates) <= r.BatchSize
	for {
		var ids []uuid.UUID
		if c.Initial {
			err := r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
				var err error
				ids, err = tx.LinkedSources(r.job.Key, after, scanSize)
				return err
			})
			if err != nil {
				return nil, err
			}
		} else {
			ids = candidates[:min(len(candidates), scanSize)]
			candidates = candidates[len(ids):]
		}
		if len(ids) == 0 {
			return found, nil
		}
		after = ids[len(ids)-1]
		list, err := r.gather(ctx, ids)
		if err != nil {
			return nil, err
		}
		if whole {
			r.gathered = list
		}
		for _, cand := range list {
			r.entitle(cand)
			if r.removes(cand) {
				found = append(found, store.Staged{Source: cand.id, DisplayName: cand.link.DisplayName})
			}
		}
	}
}

// stage stores removals that wait, and logs those that are new.
func (r *run) stage(ctx context.Context, c *job.Cycle, list []store.Staged) error {
	now := r.Clock.Now()
	next := *c
	next.Staged = int64(len(list))
	err := r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := r.unchanged(tx); err != nil {
			return err
		}
		tx.DropStagedExcept(r.job.Key, list)
		fresh, err := tx.SaveStaged(r.job.Key, list, now)
		if err != nil {
			return err
		}
		var records []store.Record
		for _, s := range list {
			if !fresh[s.Source] {
				continue
			}
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			records = append(records, store.Record{Header: r.header(c.ID), ID: id, ChangeID: uuid.New(), At: now, Action: actionStaged, Status: statusSkipped,
				ErrorCode: "TooManyDeletes", Reason: "The removal waits: the cycle would remove more users than the threshold allows. Restart the job with ForceDeletes to let it run, or repair the scope and restart the job.",
				Source: store.Identity{ID: s.Source.String(), Name: s.DisplayName}})
		}
		if err := tx.AppendLog(records); err != nil {
			return err
		}
		return tx.SaveCycle(r.job.ID, next, 0)
	})
	if err == nil {
		*c = next
	}
	return err
}

// auditQuarantine writes that a job entered or left quarantine.
func (r *run) auditQuarantine(tx *store.Tx, j job.Job) error {
	reason := "The job left quarantine."
	if j.Quarantine != nil {
		reason = "The job entered quarantine: " + j.Quarantine.Reason + "."
	}
	return tx.Audit(r.Clock, event("Quarantine", reason, j))
}

func event(activity, reason string, j job.Job) store.Event {
	return store.Event{Activity: activity, Category: "ProvisioningManagement", Operation: "Update", Reason: reason,
		ServicePrincipal: j.ServicePrincipal.String(), Name: j.DisplayName, Modified: []store.Modified{{Name: "JobId", New: &j.ID}}}
}

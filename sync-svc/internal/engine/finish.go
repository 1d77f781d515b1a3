package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/quarantine"
	"entente.dev/sync-svc/internal/store"
)

// finish ends a cycle: watermark, figures, quarantine or steady state commit
// together.
func (h *Held) finish(ctx context.Context, c *job.Cycle, found *findings) error {
	r := h.run
	var fresh job.Job
	err := r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := r.unchanged(tx); err != nil {
			return err
		}
		j, err := tx.JobID(r.job.ID)
		if err != nil {
			return err
		}
		open, err := tx.CountEscrows(j.Key)
		if err != nil {
			return err
		}
		fresh = r.completed(j, c, found, open)
		if r.staging {
			fresh = job.Enter(fresh, quarantine.TooManyDeletes, quarantine.TooManyDeletes,
				fmt.Sprintf("The cycle would have deleted or disabled %d users, more than the threshold allows.", c.Staged), r.Clock.Now())
		} else {
			tx.DropStaged(j.Key)
			fresh.ForceDeletes = false
		}
		if (j.Quarantine == nil) != (fresh.Quarantine == nil) {
			if err := r.auditQuarantine(tx, fresh); err != nil {
				return err
			}
		}
		return tx.SaveJob(fresh)
	})
	if err == nil {
		r.job = fresh
	}
	return err
}

// completed gives the job after a cycle.
func (r *run) completed(j job.Job, c *job.Cycle, found *findings, open int64) job.Job {
	now := r.Clock.Now()
	e := c.Finish(now, "", "")
	j.Cycle, j.Watermark = nil, c.Position
	j.Last, j.LastSuccess = &e, &e
	if c.Exported > 0 {
		j.LastExports = &e
	}
	j.DueAt = c.Began.Add(j.Interval)
	if found != nil && found.more {
		j.DueAt = now
	}
	if c.Exports >= 20 && c.Exported == 0 {
		j.CompleteFailures++
	} else {
		j.CompleteFailures = 0
	}
	if !c.Initial && c.Imported == 0 {
		if j.SteadyFirst.IsZero() {
			j.SteadyFirst = now
		}
		j.SteadyLast = now
	}
	reason := ""
	if !c.Initial {
		reason = quarantine.Evaluate(quarantine.Counts{Failures: open, References: c.ReferencesFailed, Succeeded: c.Exported + c.Redundant,
			Attempted: c.Exports, CompleteFailures: j.CompleteFailures}, quarantine.Limits{MinFailures: r.meaning.MinFailures})
	}
	if reason != "" {
		return job.Enter(j, reason, reason, "Too many objects could not be synchronized.", now)
	}
	j.Quarantine, j.Code = nil, job.CodeActive
	return j
}

// fail records a cycle that could not go on. Refusals by policy put the job
// into quarantine; anything else leaves the cycle to be taken up again.
func (h *Held) fail(ctx context.Context, cause error) error {
	r := h.run
	switch {
	case errors.Is(cause, errExpired):
		return h.expire(ctx)
	case errors.Is(cause, errUnconfigured):
		return h.disable(ctx)
	}
	code, ok := refused(cause)
	if !ok || ctx.Err() != nil {
		return cause
	}
	now := r.Clock.Now()
	var fresh job.Job
	err := r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := r.unchanged(tx); err != nil {
			return err
		}
		j, err := tx.JobID(r.job.ID)
		if err != nil {
			return err
		}
		c := job.Cycle{ID: uuid.New(), Began: now}
		if j.Cycle != nil {
			c = *j.Cycle
		}
		e := c.Finish(now, code, cause.Error())
		j.Last = &e
		entering := j.Quarantine == nil
		fresh = job.Enter(j, quarantine.Exception, code, cause.Error(), now)
		if entering {
			if err := r.auditQuarantine(tx, fresh); err != nil {
				return err
			}
		}
		return tx.SaveJob(fresh)
	})
	if err == nil {
		r.job = fresh
	}
	return err
}

// expire drops a watermark that the feed does not know any more: an initial
// cycle follows, links are kept (SYN-164).
func (h *Held) expire(ctx context.Context) error {
	r := h.run
	var fresh job.Job
	err := r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := r.unchanged(tx); err != nil {
			return err
		}
		j, err := tx.JobID(r.job.ID)
		if err != nil {
			return err
		}
		j.Watermark, j.Cycle = "", nil
		fresh = j
		if err := tx.Audit(r.Clock, event("Import", "The position in the change feed expired; all users are read again.", j)); err != nil {
			return err
		}
		return tx.SaveJob(j)
	})
	if err == nil {
		r.job = fresh
	}
	return err
}

// disable switches a job off whose configuration was deleted. Its links stay: a
// restored configuration goes on with them.
func (h *Held) disable(ctx context.Context) error {
	r := h.run
	var fresh job.Job
	err := r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := r.unchanged(tx); err != nil {
			return err
		}
		j, err := tx.JobID(r.job.ID)
		if err != nil {
			return err
		}
		j.State, j.Code, j.Quarantine = job.Disabled, job.CodePaused, nil
		j.Generation++
		fresh = j
		return tx.SaveJob(j)
	})
	if err == nil {
		r.job = fresh
	}
	return err
}

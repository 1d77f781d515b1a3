package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/store"
)

// maxCandidates bounds how many changed objects one incremental cycle takes;
// the rest is the next cycle's, which follows at once.
const maxCandidates = 20_000

// Held is a job held by a lease, ready to run.
type Held struct{ run *run }

// Hold loads the job of a lease and finishes what an earlier holder left.
func (e *Engine) Hold(ctx context.Context, l store.Lease) (*Held, error) {
	r, err := e.load(ctx, l.Tenant, l.JobID)
	if err != nil {
		return nil, err
	}
	r.lease, r.hold = l, true
	return &Held{r}, nil
}

// Job is the job as it was loaded.
func (h *Held) Job() job.Job { return h.run.job }

// Due reports whether a cycle should begin now without looking at the feed.
func (h *Held) Due(now time.Time) bool {
	j := h.run.job
	if j.Quarantine != nil {
		return !j.Quarantine.NextAttempt.IsZero() && !now.Before(j.Quarantine.NextAttempt)
	}
	return j.Watermark == "" || j.Cycle != nil || !now.Before(j.DueAt)
}

// Next is when a cycle becomes due by itself; zero for a job in quarantine that
// waits for an administrator.
func (h *Held) Next() time.Time {
	if q := h.run.job.Quarantine; q != nil {
		return q.NextAttempt
	}
	return h.run.job.DueAt
}

// Follow looks for changes since the watermark. It runs a cycle when one of
// them matters, and else moves the watermark; done is how many objects were
// evaluated. A job in quarantine does not follow.
func (h *Held) Follow(ctx context.Context) (done int64, err error) {
	r := h.run
	if r.job.Quarantine != nil {
		return 0, nil
	}
	found, err := r.changes(ctx)
	if err != nil {
		return 0, h.fail(ctx, err)
	}
	if !found.any() {
		if found.position != r.job.Watermark {
			return 0, h.advance(ctx, found.position)
		}
		return 0, nil
	}
	return h.cycle(ctx, found)
}

// Run runs one whole cycle: what was interrupted, an initial cycle when there
// is no watermark, or an incremental one.
func (h *Held) Run(ctx context.Context) (done int64, err error) {
	r := h.run
	var found *findings
	if r.job.Watermark != "" && (r.job.Cycle == nil || !r.job.Cycle.Initial) {
		if found, err = r.changes(ctx); err != nil {
			return 0, h.fail(ctx, err)
		}
	}
	return h.cycle(ctx, found)
}

// advance stores a watermark up to which nothing concerned the job.
func (h *Held) advance(ctx context.Context, position string) error {
	r := h.run
	err := r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := r.unchanged(tx); err != nil {
			return err
		}
		tx.SaveWatermark(r.job.ID, position)
		return nil
	})
	if err == nil {
		r.job.Watermark = position
	}
	return err
}

// cycle runs a cycle over the findings, or over everything when there are none.
func (h *Held) cycle(ctx context.Context, found *findings) (int64, error) {
	r := h.run
	began := r.Clock.Now()
	if err := r.prepare(ctx, found); err != nil {
		return 0, h.fail(ctx, err)
	}
	c := r.job.Cycle
	err := r.phases(ctx, c, found)
	if err != nil {
		return c.Imported, h.fail(ctx, err)
	}
	kind := "incremental"
	if c.Initial {
		kind = "initial"
	}
	r.Metrics.cycles.WithLabelValues(kind).Observe(r.Clock.Now().Sub(began).Seconds())
	if found != nil && !found.oldest.IsZero() {
		r.Metrics.lag.Observe(r.Clock.Now().Sub(found.oldest).Seconds())
	}
	return c.Imported, h.finish(ctx, c, found)
}

// prepare checks the connection, finishes a stored batch and makes sure that
// there is a cycle to go on with.
func (r *run) prepare(ctx context.Context, found *findings) error {
	if err := r.configured(ctx); err != nil {
		return err
	}
	if err := r.connection(ctx); err != nil {
		return err
	}
	if err := r.learn(ctx); err != nil {
		return err
	}
	if err := r.recover(ctx); err != nil {
		return err
	}
	if r.job.Cycle != nil {
		// The stored batch may have moved the checkpoint.
		return r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
			j, err := tx.JobID(r.job.ID)
			if err == nil && j.Cycle != nil {
				r.job.Cycle = j.Cycle
			}
			return err
		})
	}
	c := &job.Cycle{ID: uuid.New(), Initial: found == nil, Began: r.Clock.Now(), Observed: r.Clock.Now()}
	if found != nil {
		c.Position = found.position
		c.TotalObjects = int64(len(found.objects))
	} else {
		var err error
		if c.Position, err = r.position(ctx); err != nil {
			return err
		}
	}
	r.job.Cycle = c
	return r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := r.unchanged(tx); err != nil {
			return err
		}
		return tx.StartCycle(r.job.ID, *c)
	})
}

// phases does the work in the order of SYN-166: removals, users, references.
func (r *run) phases(ctx context.Context, c *job.Cycle, found *findings) error {
	candidates, err := r.candidates(ctx, c, found)
	if err != nil {
		return err
	}
	if candidates, err = r.removals(ctx, c, candidates); err != nil {
		return err
	}
	if c.Phase < job.PhaseUsers {
		c.Phase = job.PhaseUsers
	}
	if c.Phase == job.PhaseUsers {
		if c.Initial {
			err = r.everybody(ctx, c)
		} else {
			err = r.some(ctx, c, candidates)
		}
		if err != nil {
			return err
		}
		c.Phase = job.PhaseReferences
	}
	if err := r.references(ctx, c); err != nil {
		return err
	}
	c.Phase = job.PhaseDone
	return nil
}

// candidates lists the objects of an incremental cycle: changed ones, due
// escrows, staged removals, and on demand of the findings everybody whose
// assignment may have changed.
func (r *run) candidates(ctx context.Context, c *job.Cycle, found *findings) ([]uuid.UUID, error) {
	if c.Initial {
		return nil, nil
	}
	seen := map[uuid.UUID]bool{}
	var list []uuid.UUID
	add := func(ids []uuid.UUID) {
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				list = append(list, id)
			}
		}
	}
	if found != nil {
		add(found.objects)
	}
	err := r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
		due, err := tx.DueEscrows(r.job.Key, r.Clock.Now(), maxCandidates)
		if err != nil {
			return err
		}
		staged, err := tx.Staged(r.job.Key)
		if err != nil {
			return err
		}
		add(due)
		add(staged)
		if found != nil && len(found.targets) > 0 {
			sources, err := tx.SourcesOf(r.job.Key, found.targets)
			if err != nil {
				return err
			}
			add(sources)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found != nil && len(found.principals) > 0 && !found.rescope {
		users, groups, err := r.usersAmong(ctx, found.principals)
		if err != nil {
			return nil, err
		}
		add(users)
		found.rescope = groups
	}
	if found != nil && found.rescope && !r.meaning.SyncAll {
		moved, err := r.rescope(ctx)
		if err != nil {
			return nil, err
		}
		add(moved)
	}
	c.TotalObjects = max(c.TotalObjects, int64(len(list)))
	return list, nil
}

// usersAmong tells the users among principals; others are groups, whose members
// are for rescope to find.
func (r *run) usersAmong(ctx context.Context, principals []uuid.UUID) (users []uuid.UUID, groups bool, err error) {
	if len(principals) > scanSize {
		return nil, true, nil
	}
	request := &directorypb.ListSourceUsersRequest{TenantId: r.job.Tenant.String()}
	for _, id := range principals {
		request.Ids = append(request.Ids, id.String())
	}
	response, err := r.Source.ListSourceUsers(ctx, request)
	if err != nil {
		return nil, false, fmt.Errorf("read source users: %w", err)
	}
	for _, u := range response.GetUsers() {
		id, err := uuid.Parse(u.GetUser().GetId())
		if err != nil {
			return nil, false, fmt.Errorf("read source users: %w", err)
		}
		users = append(users, id)
	}
	return users, len(users) < len(principals), nil
}

// rescope compares who is assigned with who is connected, by ids alone.
func (r *run) rescope(ctx context.Context) ([]uuid.UUID, error) {
	var moved []uuid.UUID
	linked := &cursor{next: func(after uuid.UUID) ([]uuid.UUID, bool, error) {
		var ids []uuid.UUID
		err := r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
			var err error
			ids, err = tx.LinkedSources(r.job.Key, after, 5000)
			return err
		})
		return ids, len(ids) == 5000, err
	}}
	assigned := &cursor{next: func(after uuid.UUID) ([]uuid.UUID, bool, error) {
		return r.assignees(ctx, after, 5000)
	}}
	for {
		a, okA, err := assigned.peek()
		if err != nil {
			return nil, err
		}
		l, okL, err := linked.peek()
		if err != nil {
			return nil, err
		}
		if !okA && !okL {
			return moved, nil
		}
		var order int
		switch {
		case !okA:
			order = 1
		case !okL:
			order = -1
		default:
			order = bytes.Compare(a[:], l[:])
		}
		switch {
		case order < 0:
			moved = append(moved, a)
			assigned.step()
		case order > 0:
			moved = append(moved, l)
			linked.step()
		default:
			assigned.step()
			linked.step()
		}
	}
}

// cursor walks ordered ids page by page.
type cursor struct {
	next func(after uuid.UUID) ([]uuid.UUID, bool, error)
	page []uuid.UUID
	last uuid.UUID
	done bool
}

func (c *cursor) peek() (uuid.UUID, bool, error) {
	for len(c.page) == 0 && !c.done {
		ids, more, err := c.next(c.last)
		if err != nil {
			return uuid.Nil, false, err
		}
		c.page, c.done = ids, !more
		if len(ids) > 0 {
			c.last = ids[len(ids)-1]
		}
	}
	if len(c.page) == 0 {
		return uuid.Nil, false, nil
	}
	return c.page[0], true, nil
}

func (c *cursor) step() { c.page = c.page[1:] }

// assignees lists assigned users after an id; more tells whether others follow.
func (r *run) assignees(ctx context.Context, after uuid.UUID, limit int) (ids []uuid.UUID, more bool, err error) {
	request := &directorypb.ListAssigneesRequest{TenantId: r.job.Tenant.String(), ServicePrincipalId: r.job.ServicePrincipal.String(), Limit: int32(limit)}
	if after != uuid.Nil {
		request.AfterId = after.String()
	}
	response, err := r.Source.ListAssignees(ctx, request)
	if err != nil {
		return nil, false, fmt.Errorf("read assignments: %w", err)
	}
	for _, text := range response.GetUserIds() {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, false, fmt.Errorf("read assignments: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, response.GetNextAfterId() != "", nil
}

// some evaluates the candidates of an incremental cycle.
func (r *run) some(ctx context.Context, c *job.Cycle, candidates []uuid.UUID) error {
	if list := r.gathered; len(list) > 0 {
		r.gathered = nil
		return r.execute(ctx, &page{all: list}, c)
	}
	for len(candidates) > 0 {
		n := min(len(candidates), r.BatchSize)
		list, err := r.gather(ctx, candidates[:n])
		if err != nil {
			return err
		}
		if err := r.execute(ctx, &page{all: list}, c); err != nil {
			return err
		}
		candidates = candidates[n:]
	}
	return nil
}

package engine

import (
	"context"
	"fmt"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/store"
)

// references sets managers that became connected since their reports were
// written, and says once of the others that they are missing (SYN-193).
func (r *run) references(ctx context.Context, c *job.Cycle) error {
	if !r.program.Manager {
		return nil
	}
	for {
		var ready []store.Link
		err := r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
			var err error
			ready, err = tx.ResolvableManagers(r.job.Key, r.BatchSize)
			return err
		})
		if err != nil {
			return err
		}
		if len(ready) == 0 {
			return r.unresolved(ctx, c)
		}
		resolved, err := r.resolve(ctx, c, ready)
		if err != nil {
			return err
		}
		if resolved == 0 {
			// The target disagrees about who is there; a later cycle tries again.
			return r.unresolved(ctx, c)
		}
	}
}

// resolve sends the managers of connected users.
func (r *run) resolve(ctx context.Context, c *job.Cycle, links []store.Link) (resolved int, err error) {
	p := &page{}
	if err := r.permit(ctx, p); err != nil {
		return 0, err
	}
	request := &directorypb.ApplyExternalUsersRequest{ResourceTenantId: r.job.Target.String(), HomeTenantId: r.job.Tenant.String(),
		JobId: r.job.ID, FencingToken: r.lease.Fence, PolicyVersion: p.version, CorrelationId: c.ID.String()}
	var drafts []draft
	for _, l := range links {
		request.Items = append(request.Items, &directorypb.ApplyExternalUsersRequest_Item{Operation: directorypb.ApplyExternalUsersRequest_Item_update,
			HomeObjectId: l.Source.String(), TargetId: l.Target.String(), ManagerHomeObjectId: l.Manager.String(), Attributes: &directorypb.User{}})
		d, err := r.referenceDraft(c, l)
		if err != nil {
			return 0, err
		}
		manager := l.Manager.String()
		d.Action, d.Manager, d.Sent, d.Record.Action, d.Record.Status = plan.Update, manager, true, actionUpdate, statusSuccess
		d.Record.Modified = []store.Modified{{Name: "manager", New: &manager}}
		d.Record.Steps = map[string]string{"referenceResolution": "manager"}
		drafts = append(drafts, d)
	}
	before := c.ReferencesFailed
	if _, err := r.send(ctx, request, drafts, c, false); err != nil {
		return 0, err
	}
	c.ReferenceDeltas += int64(len(links))
	return len(links) - int(c.ReferencesFailed-before), nil
}

func (r *run) referenceDraft(c *job.Cycle, l store.Link) (draft, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return draft{}, fmt.Errorf("make id: %w", err)
	}
	return draft{Link: l, Log: true, Keep: true, Known: true, Entitled: true, Reference: true,
		Record: store.Record{Header: r.header(c.ID), ID: id, ChangeID: uuid.New(), At: r.Clock.Now(),
			Source: store.Identity{ID: l.Source.String(), Name: l.DisplayName, UPN: l.HomeUPN}, Target: store.Identity{ID: l.Target.String(), Name: l.DisplayName}}}, nil
}

// unresolved logs a warning for every manager that is still missing, once.
func (r *run) unresolved(ctx context.Context, c *job.Cycle) error {
	for {
		var links []store.Link
		err := r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
			var err error
			links, err = tx.UnreportedManagers(r.job.Key, r.BatchSize)
			return err
		})
		if err != nil || len(links) == 0 {
			return err
		}
		var o outcome
		for _, l := range links {
			l.ManagerState = store.ManagerReported
			d, err := r.referenceDraft(c, l)
			if err != nil {
				return err
			}
			d.Record.Action, d.Record.Status, d.Record.ErrorCode = actionOther, statusWarning, CodeUnresolved
			d.Record.Reason = "The manager of the user is not in the target. The reference is set as soon as the manager is synchronized."
			d.Record.Details = "manager " + l.Manager.String()
			d.Record.Steps = map[string]string{"referenceResolution": "manager"}
			o.links = append(o.links, l)
			o.records = append(o.records, d.Record)
		}
		if err := r.record(ctx, o, c, 0); err != nil {
			return err
		}
	}
}

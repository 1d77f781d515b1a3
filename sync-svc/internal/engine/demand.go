package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/store"
)

// Demand is the outcome of synchronizing one object on request.
type Demand struct {
	// Record is what the log has about it.
	Record store.Record
	Ended  time.Time
	// RuleID is the rule that was applied.
	RuleID string
	// Imported are the attributes of the source object.
	Imported map[string]string
	// Matched are the mapped properties of the target objects that were found.
	// Of pending users those alone whose address the source has verified.
	Matched []map[string]string
	// Entitled is whether all conditions of scope hold.
	Entitled, Active bool
	// Scoping are the conditions with their outcome.
	Scoping map[string]string
	// Connection is the failure of the connection test, or nil.
	Connection error
	// Code of that failure.
	ConnectionCode string
	Target         tenant.ID
}

// ProvisionOne synchronizes one source object completely, whatever the state
// of the job. Cycle, watermark and other objects' escrows are left alone.
func (e *Engine) ProvisionOne(ctx context.Context, t tenant.ID, jobID string, object uuid.UUID, origin Origin) (*Demand, error) {
	began := e.Clock.Now()
	r, err := e.load(ctx, t, jobID)
	if err != nil {
		return nil, err
	}
	r.origin, r.always = origin, true
	if r.meaning.Target.IsZero() {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The synchronization job has no saved credentials.")
	}
	d := &Demand{RuleID: r.program.RuleID, Target: r.job.Target, Record: store.Record{Header: r.header(uuid.Nil), ID: uuid.New(), ChangeID: uuid.New(), At: began,
		Source: store.Identity{ID: object.String()}}}
	if err := r.connection(ctx); err != nil {
		code, ok := refused(err)
		if !ok {
			return nil, err
		}
		d.Connection, d.ConnectionCode, d.Ended = err, code, e.Clock.Now()
		return d, nil
	}
	if err := r.learn(ctx); err != nil {
		return nil, err
	}
	if r.lease.Fence, err = e.Store.Fence(ctx, t, r.job.Key); err != nil {
		return nil, err
	}
	err = r.demand(ctx, object, d)
	if fault.Is(err, errorspb.Reason_FENCED) {
		// A runner took the job over in between; once more under its token.
		if r.lease.Fence, err = e.Store.Fence(ctx, t, r.job.Key); err == nil {
			err = r.demand(ctx, object, d)
		}
	}
	d.Ended = e.Clock.Now()
	e.Metrics.onDemand.Observe(d.Ended.Sub(began).Seconds())
	return d, err
}

func (r *run) demand(ctx context.Context, object uuid.UUID, d *Demand) error {
	list, err := r.gather(ctx, []uuid.UUID{object})
	if err != nil {
		return err
	}
	c := list[0]
	if c.source == nil || c.source.GetDeleted() {
		return fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource '%s' does not exist or one of its queried reference-property objects are not present.", object).WithMeta("key", object.String())
	}
	p := &page{all: list}
	if err := r.decide(ctx, p); err != nil {
		return err
	}
	d.describe(r, c)
	cycle := &job.Cycle{ID: uuid.New(), Began: r.Clock.Now()}
	if err := r.export(ctx, p, cycle); err != nil {
		return err
	}
	if len(r.written) != 1 {
		return errors.New("provision on demand: no record")
	}
	d.Record = r.written[0]
	if d.Record.Status == statusSuccess && c.decision.Action != plan.Delete {
		// Managers of others that waited for this object, and its own.
		return r.references(ctx, cycle)
	}
	return nil
}

// describe fills in what the steps show.
func (d *Demand) describe(r *run, c *candidate) {
	d.Entitled, d.Active = c.entitled.Entitled, c.entitled.Active
	view := r.view(c.source)
	d.Imported = properties(view, mapping.UserAttributes(false))
	d.Imported["appRoleAssignments"] = ""
	if c.assigned {
		d.Imported["appRoleAssignments"] = "msiam_access"
	}
	mapped := slices.DeleteFunc(mapping.UserAttributes(true), func(a mapping.AttributeDefinition) bool { return !r.program.Maps(a.Name) })
	if c.target != nil {
		d.Matched = append(d.Matched, properties(user{u: c.target.GetUser(), manager: c.target.GetManagerId(), deleted: c.target.GetDeleted()}, mapped))
	}
	for _, t := range c.pending {
		if r.facts.verified[domain(t.GetInvitedEmail())] {
			d.Matched = append(d.Matched, properties(user{u: t.GetUser()}, mapped))
		}
	}
	d.Scoping = map[string]string{"SkipReason": c.entitled.Reason, "IsActive": boolText(c.entitled.Active),
		"IsInProvisioningScope": boolText(c.entitled.Entitled), "ScopeEvaluationResult": r.program.Scope.Explain(view)}
	for _, row := range c.entitled.Rows {
		d.Scoping[row.Name] = boolText(row.OK)
	}
}

func boolText(b bool) string { return expression.BooleanValue(b).String() }

// properties lists the values of an object for attributes of the schema.
func properties(u user, attributes []mapping.AttributeDefinition) map[string]string {
	m := map[string]string{}
	for _, a := range attributes {
		if v := u.Attribute(a.Name); !v.IsEmpty() {
			m[a.Name] = v.String()
		}
	}
	return m
}

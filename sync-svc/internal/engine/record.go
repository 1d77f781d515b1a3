package engine

import (
	"slices"
	"strings"

	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/store"
)

// Numbers of the log, as the wire has them.
const (
	actionOther   = int16(syncpb.ProvisioningAction_other)
	actionCreate  = int16(syncpb.ProvisioningAction_create)
	actionDelete  = int16(syncpb.ProvisioningAction_delete)
	actionDisable = int16(syncpb.ProvisioningAction_disable)
	actionUpdate  = int16(syncpb.ProvisioningAction_update)
	actionStaged  = int16(syncpb.ProvisioningAction_stagedDelete)

	statusSuccess = int16(syncpb.ProvisioningResult_success)
	statusFailure = int16(syncpb.ProvisioningResult_failure)
	statusSkipped = int16(syncpb.ProvisioningResult_skipped)
	statusWarning = int16(syncpb.ProvisioningResult_warning)
)

var (
	actionNames = map[int16]string{actionOther: "other", actionCreate: "create", actionDelete: "delete", actionDisable: "disable", actionUpdate: "update", actionStaged: "stagedDelete"}
	statusNames = map[int16]string{statusSuccess: "success", statusFailure: "failure", statusSkipped: "skipped", statusWarning: "warning"}
)

// Redacted stands for values that logs must not show.
const Redacted = "[Redact]"

// header is what all records of a cycle have in common.
func (r *run) header(cycle uuid.UUID) store.Header {
	return store.Header{CycleID: cycle, JobID: r.job.ID, Type: "User", App: store.Identity{ID: r.job.ServicePrincipal.String(), Name: r.job.DisplayName},
		Initiator: store.Identity{ID: r.origin.ID, Name: r.origin.Name}, Kind: r.origin.Kind}
}

// draft prepares what is recorded about a candidate.
func (r *run) draft(c *candidate, cycle *job.Cycle) (draft, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return draft{}, err
	}
	u := c.source.GetUser()
	d := draft{Link: c.link, Escrow: c.escrow, Action: c.decision.Action, Unlink: c.decision.Unlink, Manager: c.manager, Known: c.link.Managed(), Log: true, Keep: true,
		Address: c.address}
	d.Record = store.Record{Header: r.header(cycle.ID), ID: id, ChangeID: uuid.New(), At: r.Clock.Now(), Status: statusSuccess,
		Source: store.Identity{ID: c.id.String(), Name: u.GetDisplayName(), UPN: u.GetUserPrincipalName()},
		Target: store.Identity{ID: c.target.GetUser().GetId(), Name: c.target.GetUser().GetDisplayName(), UPN: c.target.GetUser().GetUserPrincipalName()}}
	d.Entitled, d.Active = c.entitled.Entitled, c.entitled.Active
	if d.Record.Source.Name == "" {
		d.Record.Source.Name = c.link.DisplayName
	}
	if u != nil {
		d.Link.DisplayName = u.GetDisplayName()
	}
	if c.upn {
		d.Link.HomeUPN = u.GetUserPrincipalName()
	} else if d.Link.HomeUPN == "" && c.target != nil {
		d.Link.HomeUPN = u.GetUserPrincipalName()
	}
	d.Record.Modified = modified(c)
	if c.withheld != "" {
		d.Record.Details = withheldDetails(c.withheld)
	}
	switch c.decision.Action {
	case plan.Create:
		d.Record.Action = actionCreate
		d.Link.Disabled = u.AccountEnabled != nil && !u.GetAccountEnabled()
	case plan.Adopt:
		d.Record.Action = actionUpdate
		d.Record.Target.ID, d.Record.Target.Name = c.pending[0].GetUser().GetId(), c.pending[0].GetUser().GetDisplayName()
	case plan.Update, plan.Restore:
		d.Record.Action = actionUpdate
		if r.disables(c) {
			d.Record.Action = actionDisable
		}
		if r.program.Enabled {
			d.Link.Disabled = !u.GetAccountEnabled()
		}
		if c.decision.Action == plan.Restore {
			d.Record.Modified = append(d.Record.Modified, change("IsSoftDeleted", "True", "False"))
		}
	case plan.Delete:
		d.Record.Action = actionDelete
		d.Link.Reason = c.entitled.Reason // so that its absence from scope is not logged again
		d.Record.Modified = []store.Modified{change("IsSoftDeleted", "False", "True")}
	case plan.Fail:
		d.Record.Action = failedAction(c)
		d.Fault = c.decision.Reason
		if c.fault != nil {
			d.Record.Reason, d.Record.Details = c.fault.reason, c.fault.details
		}
	default:
		r.skip(c, &d)
	}
	return d, nil
}

func failedAction(c *candidate) int16 {
	if c.target == nil && !c.link.Managed() {
		return actionCreate
	}
	return actionUpdate
}

func (r *run) disables(c *candidate) bool {
	for _, w := range c.writes {
		if w.Attribute == mapping.AttrEnabled && !w.New.Bool() && !w.Forced {
			return true
		}
	}
	return false
}

// skip prepares the record of an object that is not written. The reason is
// logged when the object is first seen and when the reason changes.
func (r *run) skip(c *candidate, d *draft) {
	reason := c.decision.Reason
	d.Record.Action, d.Record.Status, d.Record.ErrorCode = actionOther, statusSkipped, reason
	d.Record.Reason = skipSentence(reason)
	d.Record.Modified = nil
	d.Record.Steps = map[string]string{"scoping": r.explain(c)}
	switch {
	case reason == plan.RedundantExport:
		// First connected without a difference, or healed: worth a record.
		d.Log = !c.link.Managed() || c.escrow != nil || c.link.Reason != ""
		d.Keep = d.Log || c.link.State != store.Linked
		d.Link.State = store.Linked
		if id, err := uuid.Parse(c.target.GetUser().GetId()); err == nil {
			d.Link.Target = id
		}
		if r.program.Enabled {
			d.Link.Disabled = !c.source.GetUser().GetAccountEnabled()
		}
		d.Link.Reason = plan.RedundantExport
		return
	case c.decision.Action == plan.Release:
		d.Link.State = store.Released
	case c.decision.Unlink:
		d.Link.State, d.Link.Target = store.Gone, uuid.Nil
	case !c.known && !c.assigned && !r.meaning.SyncAll:
		// Nobody asked for the object and nothing is connected to it.
		d.Log, d.Keep = false, false
		return
	case !c.link.Managed():
		d.Link.State = store.Skipped
	}
	d.Log = !c.known || c.link.Reason != reason || c.link.State != d.Link.State
	d.Keep = d.Log
	d.Link.Reason = reason
}

// explain is the detail of the scoping step (SYN-224).
func (r *run) explain(c *candidate) string {
	var b strings.Builder
	for i, row := range c.entitled.Rows {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(row.Name + ": " + expression.BooleanValue(row.OK).String())
	}
	if c.source != nil {
		b.WriteString("; ScopeEvaluationResult: " + r.program.Scope.Explain(r.view(c.source)))
	}
	return b.String()
}

// modified lists the written properties; redacted values are not shown.
func modified(c *candidate) []store.Modified {
	list := make([]store.Modified, 0, len(c.writes)+1)
	shown := func(v expression.Value, redacted bool) *string {
		if v.IsNull() {
			return nil
		}
		s := v.String()
		if redacted {
			s = Redacted
		}
		return &s
	}
	for _, w := range c.writes {
		if !w.Forced {
			list = append(list, store.Modified{Name: w.Attribute, Old: shown(w.Old, w.Redacted), New: shown(w.New, w.Redacted)})
		}
	}
	if c.upn {
		s := c.source.GetUser().GetUserPrincipalName()
		list = append(list, store.Modified{Name: mapping.AttrUPN, New: &s})
	}
	switch c.manager {
	case "":
	case "-":
		list = append(list, store.Modified{Name: mapping.AttrManager})
	default:
		s := c.manager
		list = append(list, store.Modified{Name: mapping.AttrManager, New: &s})
	}
	return list
}

func change(name, old, value string) store.Modified {
	return store.Modified{Name: name, Old: &old, New: &value}
}

func without(list []store.Modified, name string) []store.Modified {
	return slices.DeleteFunc(list, func(m store.Modified) bool { return m.Name == name })
}

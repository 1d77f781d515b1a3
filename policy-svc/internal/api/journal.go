package api

import (
	"context"
	"errors"
	"log/slog"

	"entente.dev/policy-svc/internal/patch"
	"entente.dev/policy-svc/internal/snapshot"
	"entente.dev/policy-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
)

// Categories of audit records; no other may contain the text CrossTenant
// (POL-124).
const (
	categoryAccess        = "CrossTenantAccessSettings"
	categorySync          = "CrossTenantIdentitySyncSettings"
	categoryAuthorization = "AuthorizationPolicy"
	categoryPolicy        = "Policy"
)

// operation is how an RPC appears in the audit log (POL-24 to POL-36).
type operation struct{ activity, category, kind string }

var (
	updateRoot      = operation{"Update the cross-tenant access setting cloud endpoints", categoryAccess, "Update"}
	updateDefault   = operation{"Update the company default cross-tenant access setting", categoryAccess, "Update"}
	resetDefault    = operation{"Reset the cross-tenant access default setting", categoryAccess, "Reset"}
	addPartner      = operation{"Add a partner to cross-tenant access setting", categoryAccess, "Add"}
	updatePartner   = operation{"Update a partner cross-tenant access setting", categoryAccess, "Update"}
	deletePartner   = operation{"Delete partner specific cross-tenant access setting", categoryAccess, "Delete"}
	createSync      = operation{"Create a partner cross-tenant identity sync setting", categorySync, "Add"}
	updateSync      = operation{"Update a partner cross-tenant identity sync setting", categorySync, "Update"}
	deleteSync      = operation{"Delete a partner cross-tenant identity sync setting", categorySync, "Delete"}
	updateAuth      = operation{"Update authorization policy", categoryAuthorization, "Update"}
	addDomainList   = operation{"Add policy", categoryPolicy, "Add"}
	changePolicy    = operation{"Update policy", categoryPolicy, "Update"}
	deleteDomain    = operation{"Delete policy", categoryPolicy, "Delete"}
	loggedBy        = audit.CoreDirectory
	targetPolicy    = "Policy"
	errNothingToDo  = errors.New("nothing changed")
	refusalsAudited = []errorspb.Reason{ // POL-123: 403, 409 and quota
		errorspb.Reason_ACCESS_DENIED, errorspb.Reason_FORBIDDEN, errorspb.Reason_QUOTA_EXCEEDED, errorspb.Reason_CONFLICT,
		errorspb.Reason_ALREADY_EXISTS, errorspb.Reason_PARTNER_EXISTS, errorspb.Reason_DOMAIN_LIST_EXISTS,
	}
)

// outcome is what a change did, for its audit record. No modified properties
// mean that nothing changed.
type outcome struct {
	op       operation
	targetID string
	modified []patch.Modified
}

// Journal makes changes: under the lock of the tenant's root, with the audit
// record in the transaction, and with the caches told afterwards.
type Journal struct {
	Store *store.Store
	Cache *snapshot.Cache
	Clock clock.Clock
	Log   *slog.Logger
	// WriteLimit bounds changes per tenant in ten seconds (POL-139); 0 is no
	// bound.
	WriteLimit int
}

// change runs one write of the caller's tenant. name is the display name of
// the tenant that the change is about, nil for the caller's own. op is what a
// refusal is recorded as.
func (j *Journal) change(ctx context.Context, op operation, name *string, fn func(*store.Tx, store.Root) (outcome, error)) error {
	c := caller.From(ctx)
	recording := false
	err := j.Store.Write(ctx, c.Tenant, func(tx *store.Tx) error {
		recording = false
		root, err := tx.LockRoot(j.Clock.Now(), j.WriteLimit)
		if err != nil {
			return err
		}
		done, err := fn(tx, root)
		if err != nil {
			return err
		}
		if len(done.modified) == 0 {
			return errNothingToDo
		}
		// The change goes first and alone, so that what fails after it is the
		// record or the commit.
		if err := tx.Flush(); err != nil {
			return err
		}
		recording = true
		if err := audit.Write(ctx, tx.Tx, j.Clock, done.event(name)); err != nil {
			return err
		}
		j.Store.Changed(tx, j.Cache.Invalidate)
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	if err != nil && recording {
		return unrecorded(err)
	}
	if err != nil {
		j.Refused(ctx, op, err)
	}
	return err
}

// unrecorded is the answer to a change that was undone because its audit
// record could not be stored (POL-6). What says more than that something went
// wrong, such as an expired deadline, stays.
func unrecorded(err error) error {
	if fault.From(err).Kind != fault.KindInternal {
		return err
	}
	return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "The audit log cannot be written at the moment, so nothing was changed.").WithCause(err)
}

func (o outcome) event(name *string) audit.Event {
	e := audit.Event{
		Activity: o.op.activity, Category: o.op.category, OperationType: o.op.kind, Service: loggedBy, Result: audit.Success,
		Targets: []audit.Target{{ID: o.targetID, Type: targetPolicy}},
	}
	if name != nil {
		e.Targets[0].DisplayName = *name
	}
	for _, m := range o.modified {
		e.Targets[0].Modified = append(e.Targets[0].Modified, audit.Modified{Name: m.Name, Old: m.Old, New: m.New})
	}
	return e
}

// Refused records a refusal that POL-123 wants recorded; the caller gets the
// refusal whether or not the record could be written.
func (j *Journal) Refused(ctx context.Context, op operation, refusal error) {
	f := fault.From(refusal)
	wanted := false
	for _, r := range refusalsAudited {
		wanted = wanted || f.Reason == r
	}
	c := caller.From(ctx)
	if !wanted || c.Tenant.IsZero() {
		return
	}
	err := j.Store.Write(ctx, c.Tenant, func(tx *store.Tx) error {
		root, _, err := tx.Root()
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx.Tx, j.Clock, audit.Event{
			Activity: op.activity, Category: op.category, OperationType: op.kind, Service: loggedBy,
			Result: audit.Failure, Reason: f.Message, Targets: []audit.Target{{ID: root.ID.String(), Type: targetPolicy}},
		})
	})
	if err != nil {
		j.Log.ErrorContext(ctx, "refusal not recorded", "activity", op.activity, "error", err)
	}
}

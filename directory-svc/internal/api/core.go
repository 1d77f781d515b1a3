package api

import (
	"context"
	"log/slog"
	"time"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/setting"
	"entente.dev/directory-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Core is what every handler needs.
type Core struct {
	Store     *store.Store
	Clock     clock.Clock
	Log       *slog.Logger
	Verifiers *password.Verifiers
	Tokens    *odata.Tokens
	// Suffix is the domain under which initial domains are made (DIR-21).
	Suffix string

	// Policy is policy-svc; without it every tenant has the default policy.
	Policy grpc.ClientConnInterface

	passwordRules fresh[tenant.ID, setting.Settings]
	policies      fresh[tenant.ID, access.Policy]
	// Resolver answers for the domains that tenants prove.
	Resolver Resolver
}

// now is the present to the microsecond, which is what the database keeps.
func (c *Core) now() time.Time { return c.Clock.Now().UTC().Truncate(time.Microsecond) }

// newID draws an id that sorts by time, which keeps indexes dense.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// home is the tenant of the caller, refused unless it is active, with what it
// lets users do.
func (c *Core) home(ctx context.Context) (caller.Caller, *store.Tenant, error) {
	who := caller.From(ctx)
	t, err := c.Store.Tenant(ctx, who.Tenant)
	if err != nil || who.Kind != caller.User {
		return who, t, err
	}
	own := *t
	own.Policy, err = c.policyOf(ctx, t.ID)
	return who, &own, err
}

// named is the tenant that a sibling service names, refused unless it is
// served.
func (c *Core) named(ctx context.Context, id string) (*store.Tenant, error) {
	key, err := tenant.Parse(id)
	if err != nil {
		return nil, property.NotFound(id)
	}
	t, err := c.Store.Tenant(ctx, key)
	if err != nil {
		return nil, err
	}
	if t.State != organization.Active {
		return nil, fault.Precondition(errorspb.Reason_TENANT_SUSPENDED, "The tenant is suspended.")
	}
	return t, nil
}

func rights(t *store.Tenant) access.Tenant {
	return access.Tenant{External: t.Type == organization.External, Policy: t.Policy}
}

// write runs fn in a transaction of t. When it refuses because of a right, a
// taken value or a quota, the refusal leaves the audit record that the event
// describes (DIR-14).
func (c *Core) write(ctx context.Context, t tenant.ID, ev audit.Event, fn func(*store.Tx) error) error {
	return c.writeAs(ctx, t, &ev, fn)
}

// writeAs is write for an event that fn completes.
func (c *Core) writeAs(ctx context.Context, t tenant.ID, ev *audit.Event, fn func(*store.Tx) error) error {
	also := alongOf(ctx)
	err := c.Store.Write(ctx, t, func(tx *store.Tx) error {
		if err := fn(tx); err != nil || also == nil {
			return err
		}
		return also(tx)
	})
	return c.failed(ctx, t, *ev, err)
}

// failed records a refusal and answers it.
func (c *Core) failed(ctx context.Context, t tenant.ID, ev audit.Event, err error) error {
	if err == nil {
		return nil
	}
	switch kind, _ := fault.Of(err); kind {
	case fault.KindExists, fault.KindDenied, fault.KindExhausted:
		if logErr := audit.WriteFailure(ctx, c.Store.DB(), t, c.Clock, ev, err); logErr != nil {
			return logErr // what cannot be recorded is not answered as if it were
		}
		return &recorded{err}
	}
	return err
}

func (c *Core) audit(ctx context.Context, tx *store.Tx, ev audit.Event) error {
	return audit.Write(ctx, tx.Tx, c.Clock, ev)
}

// refID reads the object id at the end of a reference (DIR-5, WIRE-50): the
// host and the collection do not matter.
func refID(reference string) (uuid.UUID, error) {
	end := len(reference)
	for end > 0 && (reference[end-1] == '/' || reference[end-1] == ')' || reference[end-1] == '\'') {
		end--
	}
	if end >= 36 {
		if id, err := uuid.Parse(reference[end-36 : end]); err == nil {
			return id, nil
		}
	}
	return uuid.Nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The reference '%s' is not valid.", clip(reference))
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most]
	}
	return s
}

// objectID reads an object id of the wire; anything else is unknown.
func objectID(s string) (uuid.UUID, error) {
	if len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil {
			return id, nil
		}
	}
	return uuid.Nil, property.NotFound(clip(s))
}

func stamp(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}

func momentOf(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	v := t.AsTime().Truncate(time.Microsecond)
	return &v
}

// optional is nil for the empty text, which means null on the wire (DIR-4).
func optional(s *string) *string {
	if s == nil || *s == "" {
		return nil
	}
	return s
}

func ptr[T any](v T) *T { return &v }

func isNotFound(err error) bool { return fault.Is(err, errorspb.Reason_NOT_FOUND) }

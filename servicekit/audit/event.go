package audit

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations make the table; put it among the service's sources.
var Migrations = pg.Source{Name: "audit", FS: migrations()}

func migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil { // the folder is part of the program
		panic(err)
	}
	return sub
}

// Results of an act.
const (
	Success = "success"
	Failure = "failure"
	Timeout = "timeout"
)

// Names of logging services (DIR-223).
const (
	CoreDirectory       = "Core Directory"
	InvitedUsers        = "Invited Users"
	AccountProvisioning = "Account Provisioning"
)

// Event is one audit record to be written.
type Event struct {
	// Activity is the display name of the act, for instance `Add user`.
	Activity string
	// Category, for instance `UserManagement`.
	Category string
	// Service is loggedByService; empty means Core Directory.
	Service string
	// OperationType is Add, Update, Delete, Assign, Unassign or Reset.
	OperationType string
	// Result is Success, Failure or Timeout; empty means Success.
	Result string
	// Reason is the message of a failure.
	Reason  string
	Targets []Target
	Details []KeyValue
	// Time is when it happened; the zero time means the clock's now.
	Time time.Time
	// Correlation is the correlation id; empty means the request id.
	Correlation string
	// InitiatedBy stands in for the caller of the context, where the one who
	// acts is known by other means than a token.
	InitiatedBy *caller.Caller
}

// Target is an object that was acted on.
type Target struct {
	ID                string     `json:"id,omitempty"`
	DisplayName       string     `json:"displayName,omitempty"`
	Type              string     `json:"type,omitempty"` // `User`, `Group`, `Policy`, ...
	UserPrincipalName string     `json:"userPrincipalName,omitempty"`
	GroupType         string     `json:"groupType,omitempty"` // `unifiedGroups` or `azureAD`
	Modified          []Modified `json:"modified,omitempty"`
}

// Modified is a property that changed. Old and New are JSON text, nil for
// none.
type Modified struct {
	Name string  `json:"name"`
	Old  *string `json:"old,omitempty"`
	New  *string `json:"new,omitempty"`
}

// KeyValue is a further fact.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// JSON is a value as modified properties hold it: a string in quotes, a list
// in brackets. A nil value is no value.
func JSON(v any) *string {
	if v == nil {
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // a value that is no JSON is a mistake in the program, not worth losing the change
		return nil
	}
	text := string(bytes.TrimRight(b.Bytes(), "\n"))
	if text == "null" {
		return nil
	}
	return &text
}

// initiator is who acted, as stored; one of both is set.
type initiator struct {
	User *userInitiator `json:"user,omitempty"`
	App  *appInitiator  `json:"app,omitempty"`
}

type userInitiator struct {
	ID                string `json:"id"`
	DisplayName       string `json:"displayName,omitempty"`
	UserPrincipalName string `json:"userPrincipalName,omitempty"`
	IPAddress         string `json:"ipAddress,omitempty"`
	UserType          string `json:"userType,omitempty"`
}

type appInitiator struct {
	AppID              string `json:"appId,omitempty"`
	DisplayName        string `json:"displayName,omitempty"`
	ServicePrincipalID string `json:"servicePrincipalId,omitempty"`
}

func initiatorOf(c caller.Caller) initiator {
	switch c.Kind {
	case caller.User:
		u := &userInitiator{ID: c.ObjectID.String(), DisplayName: c.DisplayName, UserPrincipalName: c.UserPrincipalName, UserType: "Member"}
		if c.IP.IsValid() {
			u.IPAddress = c.IP.String()
		}
		if c.Guest {
			u.UserType = "Guest"
		}
		return initiator{User: u}
	case caller.Application:
		name := c.AppDisplayName
		if name == "" {
			name = c.DisplayName
		}
		return initiator{App: &appInitiator{AppID: c.AppID.String(), DisplayName: name, ServicePrincipalID: c.ObjectID.String()}}
	case caller.Operator:
		return initiator{App: &appInitiator{DisplayName: "Operator"}}
	}
	if c.Service != "" {
		return initiator{App: &appInitiator{DisplayName: "Entente " + c.Service}}
	}
	return initiator{App: &appInitiator{DisplayName: "Entente"}}
}

const insert = `insert into audit_events (tenant_id, id, at, activity, category, service, operation, result, reason, correlation,
	initiator, targets, details, target_ids, target_names) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

// stored are the columns of insert behind the tenant, in its order.
var stored = []pg.Column{{Name: "id", Type: "uuid"}, {Name: "at", Type: "timestamptz"}, {Name: "activity", Type: "text"}, {Name: "category", Type: "text"},
	{Name: "service", Type: "text"}, {Name: "operation", Type: "text"}, {Name: "result", Type: "smallint"}, {Name: "reason", Type: "text"},
	{Name: "correlation", Type: "text"}, {Name: "initiator", Type: "jsonb"}, {Name: "targets", Type: "jsonb"}, {Name: "details", Type: "jsonb"},
	{Name: "target_ids", Type: "text[]"}, {Name: "target_names", Type: "text[]"}}

// Write adds the record to the transaction, in the transaction's tenant. It
// goes out with the next statement or the commit.
func Write(ctx context.Context, tx *pg.Tx, clk clock.Clock, e Event) error {
	values, err := row(ctx, clk, e)
	if err == nil {
		tx.Queue(insert, append([]any{[16]byte(tx.Tenant)}, values...)...)
	}
	return err
}

// WriteAll is Write for many records in one statement.
func WriteAll(ctx context.Context, tx *pg.Tx, clk clock.Clock, events []Event) error {
	rows := make([][]any, len(events))
	for i, e := range events {
		var err error
		if rows[i], err = row(ctx, clk, e); err != nil {
			return err
		}
	}
	tx.QueueRows("audit_events", stored, rows)
	return nil
}

// row gives the values of a record in the order of stored.
func row(ctx context.Context, clk clock.Clock, e Event) ([]any, error) {
	if e.Activity == "" || e.Category == "" {
		return nil, errors.New("an audit record needs an activity and a category")
	}
	who := caller.From(ctx)
	if e.Correlation == "" {
		e.Correlation = who.RequestID
	}
	if e.InitiatedBy != nil {
		who = *e.InitiatedBy
	}
	if e.Time.IsZero() {
		e.Time = clk.Now()
	}
	if e.Service == "" {
		e.Service = CoreDirectory
	}
	if e.Result == "" {
		e.Result = Success
	}
	result, ok := auditpb.OperationResult_Value_value[e.Result]
	if !ok || result == 0 {
		return nil, fmt.Errorf("audit record: result %q is not known", e.Result)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	ids, names := make([]string, len(e.Targets)), make([]string, len(e.Targets))
	for i, t := range e.Targets {
		ids[i], names[i] = odata.Fold(t.ID), odata.Fold(t.DisplayName)
	}
	docs, err := marshalAll(initiatorOf(who), orEmpty(e.Targets), orEmpty(e.Details))
	if err != nil {
		return nil, fmt.Errorf("audit record: %w", err)
	}
	var reason any
	if e.Reason != "" {
		reason = e.Reason
	}
	return []any{[16]byte(id), e.Time.UTC().Truncate(time.Microsecond), e.Activity, e.Category, e.Service, e.OperationType, int16(result), reason, e.Correlation,
		docs[0], docs[1], docs[2], ids, names}, nil
}

// WriteFailure records, in a transaction of its own, an act that was refused
// with cause and so left nothing behind (POL-123, DIR-14). Which refusals are
// recorded is the service's to say.
func WriteFailure(ctx context.Context, db *pg.DB, t tenant.ID, clk clock.Clock, e Event, cause error) error {
	e.Result, e.Reason = Failure, fault.From(cause).Message
	for i := range e.Targets {
		e.Targets[i].Modified = nil
	}
	return db.Write(ctx, t, func(tx *pg.Tx) error { return Write(ctx, tx, clk, e) })
}

func marshalAll(values ...any) ([]string, error) {
	out := make([]string, len(values))
	for i, v := range values {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[i] = string(text)
	}
	return out, nil
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

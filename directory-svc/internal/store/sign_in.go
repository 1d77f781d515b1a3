package store

import (
	"context"
	"errors"
	"time"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/usage"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SignIn is one row of the sign-in log. Empty text is no value.
type SignIn struct {
	ID                                                   uuid.UUID
	EventID                                              string
	At                                                   time.Time
	UserID                                               uuid.UUID
	UserPrincipalName, UserDisplayName                   string
	AppID, AppName, ResourceID, ResourceName             string
	HomeTenant, ResourceTenant, IP, UserAgent, ClientApp string
	Correlation, FailureReason, CrossTenant              string
	Interactive                                          bool
	ErrorCode                                            int32
	ConditionalAccess                                    int16 // 0 for none
}

const signInColumns = `id, created_at, user_id, user_principal_name, user_display_name, coalesce(app_id, ''), coalesce(app_display_name, ''), coalesce(resource_id, ''),
	coalesce(resource_display_name, ''), coalesce(home_tenant_id, ''), coalesce(resource_tenant_id, ''), coalesce(ip_address, ''), coalesce(user_agent, ''),
	coalesce(client_app_used, ''), coalesce(correlation_id, ''), coalesce(failure_reason, ''), coalesce(cross_tenant_access_type, ''), is_interactive, error_code,
	coalesce(conditional_access_status, 0::smallint)`

func (s *SignIn) scan(row scanner, more ...any) error {
	return row.Scan(append([]any{(*[16]byte)(&s.ID), &s.At, (*[16]byte)(&s.UserID), &s.UserPrincipalName, &s.UserDisplayName, &s.AppID, &s.AppName, &s.ResourceID,
		&s.ResourceName, &s.HomeTenant, &s.ResourceTenant, &s.IP, &s.UserAgent, &s.ClientApp, &s.Correlation, &s.FailureReason, &s.CrossTenant, &s.Interactive, &s.ErrorCode,
		&s.ConditionalAccess}, more...)...)
}

// InsertSignIn writes a sign-in; new is false when its event is in the log.
func (tx *Tx) InsertSignIn(s *SignIn) (isNew bool, err error) {
	tag, err := tx.Pgx().Exec(tx.Context(), `insert into sign_ins (tenant_id, id, event_id, created_at, user_id, user_principal_name, user_principal_name_key, user_display_name,
			user_display_name_key, app_id, app_display_name, resource_id, resource_display_name, home_tenant_id, resource_tenant_id, ip_address, user_agent, client_app_used,
			correlation_id, failure_reason, cross_tenant_access_type, is_interactive, error_code, conditional_access_status)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, ''), nullif($11, ''), nullif($12, ''), nullif($13, ''), nullif($14, ''), nullif($15, ''), nullif($16, ''),
			nullif($17, ''), nullif($18, ''), nullif($19, ''), nullif($20, ''), nullif($21, ''), $22, $23, nullif($24::smallint, 0)) on conflict do nothing`,
		[16]byte(tx.Tenant), [16]byte(s.ID), s.EventID, s.At, [16]byte(s.UserID), s.UserPrincipalName, odata.Fold(s.UserPrincipalName), s.UserDisplayName,
		odata.Fold(s.UserDisplayName), s.AppID, s.AppName, s.ResourceID, s.ResourceName, s.HomeTenant, s.ResourceTenant, s.IP, s.UserAgent, s.ClientApp,
		s.Correlation, s.FailureReason, s.CrossTenant, s.Interactive, s.ErrorCode, s.ConditionalAccess)
	return tag.RowsAffected() > 0, err
}

// SaveActivity queues what a sign-in means for the latest ones of the user.
func (tx *Tx) SaveActivity(s *SignIn) {
	id := s.ID.String()
	at := func(counts bool) (any, any) {
		if counts {
			return s.At, id
		}
		return nil, nil
	}
	interactiveAt, interactive := at(s.Interactive)
	otherAt, other := at(!s.Interactive)
	successAt, success := at(s.ErrorCode == 0)
	tx.Queue(`insert into sign_in_activity as a (tenant_id, user_id, interactive_at, interactive_id, non_interactive_at, non_interactive_id, successful_at, successful_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (tenant_id, user_id) do update set
			interactive_id = case when excluded.interactive_at >= coalesce(a.interactive_at, '-infinity') then excluded.interactive_id else a.interactive_id end,
			interactive_at = greatest(a.interactive_at, excluded.interactive_at),
			non_interactive_id = case when excluded.non_interactive_at >= coalesce(a.non_interactive_at, '-infinity') then excluded.non_interactive_id else a.non_interactive_id end,
			non_interactive_at = greatest(a.non_interactive_at, excluded.non_interactive_at),
			successful_id = case when excluded.successful_at >= coalesce(a.successful_at, '-infinity') then excluded.successful_id else a.successful_id end,
			successful_at = greatest(a.successful_at, excluded.successful_at)`,
		[16]byte(tx.Tenant), [16]byte(s.UserID), interactiveAt, interactive, otherAt, other, successAt, success)
}

// CountUser queues that a user counts in a month; the first word on it stays.
func (tx *Tx) CountUser(month time.Time, id uuid.UUID, kind usage.Kind, person string) {
	tx.Queue("insert into monthly_users (tenant_id, month, user_id, kind, person) values ($1, $2, $3, $4, $5) on conflict do nothing",
		[16]byte(tx.Tenant), month, [16]byte(id), int16(kind), person)
}

// ParseUUID reads an id that may be something else.
func ParseUUID(text string) (id uuid.UUID, ok bool) {
	id, err := uuid.Parse(text)
	return id, err == nil
}

// AppName finds the name under which an application is known in the tenant;
// empty for none.
func (tx *Tx) AppName(appID string) (string, error) {
	id, ok := ParseUUID(appID)
	if !ok {
		return "", nil // not the id of an application
	}
	var name string
	err := tx.Pgx().QueryRow(tx.Context(), `select display_name from service_principals where tenant_id = $1 and app_id >= $2 and app_id <= $2 and deleted_at is null
		order by app_id limit 1`, [16]byte(tx.Tenant), [16]byte(id)).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return name, err
}

func eq() *optionspb.Property { return &optionspb.Property{Eq: optionspb.Property_supportDefault} }

// SignInColumns says where the properties of sign-ins are stored, for queries.
var SignInColumns = odata.Columns{
	"id":                {SQL: "sign_ins.id", Type: odata.TypeUUID, NotNull: true},
	"createdDateTime":   {SQL: "sign_ins.created_at", NotNull: true},
	"userId":            {SQL: "sign_ins.user_id", Type: odata.TypeUUID, NotNull: true},
	"userPrincipalName": {SQL: "sign_ins.user_principal_name", Key: "sign_ins.user_principal_name_key", NotNull: true},
	"userDisplayName":   {SQL: "sign_ins.user_display_name", Key: "sign_ins.user_display_name_key", NotNull: true},
	"appId":             {SQL: "sign_ins.app_id"},
	"ipAddress":         {SQL: "sign_ins.ip_address"},
	"homeTenantId":      {SQL: "sign_ins.home_tenant_id"},
	"correlationId":     {SQL: "sign_ins.correlation_id"},
	"isInteractive":     {SQL: "sign_ins.is_interactive", NotNull: true},
	"status/errorCode":  {SQL: "sign_ins.error_code", NotNull: true, Support: eq()},
}

// SignInOrder is the order of the log: by time.
func SignInOrder(desc bool) odata.Order {
	return odata.DefaultOrder("sign_ins.created_at", "sign_ins.id", desc)
}

var signIns = source[*SignIn]{columns: signInColumns, from: "sign_ins", where: "sign_ins.tenant_id = ?", inOrder: true,
	scan: func(row scanner, key **string) (*SignIn, uuid.UUID, error) {
		s := &SignIn{}
		err := s.scan(row, key)
		return s, s.ID, err
	}}

// ListSignIns reads a page of the log.
func (s *Store) ListSignIns(ctx context.Context, t tenant.ID, l Listing) (Page[*SignIn], error) {
	return page(ctx, s, t, signIns, l)
}

// GetSignIn finds one sign-in.
func (s *Store) GetSignIn(ctx context.Context, t tenant.ID, id uuid.UUID) (*SignIn, error) {
	out := &SignIn{}
	batch := &pgx.Batch{}
	batch.Queue("select "+signInColumns+" from sign_ins where tenant_id = $1 and id = $2", [16]byte(t), [16]byte(id)).QueryRow(func(row pgx.Row) error {
		err := out.scan(row)
		if errors.Is(err, pgx.ErrNoRows) {
			out, err = nil, nil
		}
		return err
	})
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, property.NotFound(id.String())
	}
	return out, nil
}

// Activity is when a user signed in last, and by which sign-in.
type Activity struct {
	InteractiveAt, NonInteractiveAt, SuccessfulAt *time.Time
	InteractiveID, NonInteractiveID, SuccessfulID *string
}

// ActivityColumns say where the activity of a user is stored, for ActiveUsers.
var ActivityColumns = odata.Columns{"signInActivity/lastSignInDateTime": {SQL: "active.interactive_at", Support: UserColumns["signInActivity/lastSignInDateTime"].Support}}

// ActiveUsers is the condition on users that they have activity of which a
// condition over ActivityColumns holds.
func ActiveUsers(where odata.SQL) odata.SQL {
	return odata.SQL{Text: "exists (select from sign_in_activity active where active.tenant_id = users.tenant_id and active.user_id = users.id and " + where.Text + ")", Args: where.Args}
}

const activitiesOf = `select found.* from unnest($2::uuid[]) wanted (id)
	cross join lateral (select user_id, interactive_at, interactive_id, non_interactive_at, non_interactive_id, successful_at, successful_id from sign_in_activity a
		where tenant_id = $1 and a.user_id >= wanted.id and a.user_id <= wanted.id order by a.user_id limit 1) found`

// Activities reads the latest sign-ins of users.
func (s *Store) Activities(ctx context.Context, t tenant.ID, users []uuid.UUID) (map[uuid.UUID]Activity, error) {
	out := make(map[uuid.UUID]Activity, len(users))
	batch := &pgx.Batch{}
	batch.Queue(activitiesOf, [16]byte(t), ids(users)).Query(func(rows pgx.Rows) error {
		var id [16]byte
		var a Activity
		_, err := pgx.ForEachRow(rows, []any{&id, &a.InteractiveAt, &a.InteractiveID, &a.NonInteractiveAt, &a.NonInteractiveID, &a.SuccessfulAt, &a.SuccessfulID}, func() error {
			out[id] = a
			a = Activity{}
			return nil
		})
		return err
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

// MonthlyUsers counts the users of a month by kind.
func (s *Store) MonthlyUsers(ctx context.Context, t tenant.ID, month time.Time) (map[usage.Kind]int32, error) {
	out := make(map[usage.Kind]int32)
	batch := &pgx.Batch{}
	batch.Queue("select kind, count(*) from monthly_users where tenant_id = $1 and month = $2 group by kind", [16]byte(t), month).Query(func(rows pgx.Rows) error {
		var kind int16
		var n int32
		_, err := pgx.ForEachRow(rows, []any{&kind, &n}, func() error {
			out[usage.Kind(kind)] = n
			return nil
		})
		return err
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

// Persons calls fn for the person behind each user of a month.
func (s *Store) Persons(ctx context.Context, t tenant.ID, month time.Time, fn func(person string)) error {
	batch := &pgx.Batch{}
	batch.Queue("select person from monthly_users where tenant_id = $1 and month = $2", [16]byte(t), month).Query(func(rows pgx.Rows) error {
		var person string
		_, err := pgx.ForEachRow(rows, []any{&person}, func() error { fn(person); return nil })
		return err
	})
	return s.db.ReadBatch(ctx, t, batch)
}

// TenantsOfAccount lists the tenants of a billing account.
func (s *Store) TenantsOfAccount(ctx context.Context, account string) ([]tenant.ID, error) {
	var out []tenant.ID
	err := s.db.GlobalRead(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Pgx().Query(ctx, "select id from tenants where billing_account_id = $1 order by id", account)
		if err != nil {
			return err
		}
		var id [16]byte
		_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
			out = append(out, tenant.ID(id))
			return nil
		})
		return err
	})
	return out, err
}

// ForgetSignInLog ends sign-ins before a time and months before another, at
// most limit of each, and answers how many it ended.
func (tx *Tx) ForgetSignInLog(before, month time.Time, limit int) (int, error) {
	done := 0
	for query, at := range map[string]time.Time{
		"delete from sign_ins where tenant_id = $1 and ctid = any(array(select ctid from sign_ins where tenant_id = $1 and created_at < $2 order by created_at limit $3))": before,
		"delete from monthly_users where tenant_id = $1 and ctid = any(array(select ctid from monthly_users where tenant_id = $1 and month < $2 order by month limit $3))": month,
	} {
		tag, err := tx.Pgx().Exec(tx.Context(), query, [16]byte(tx.Tenant), at, limit)
		if err != nil {
			return done, err
		}
		done += int(tag.RowsAffected())
	}
	return done, nil
}

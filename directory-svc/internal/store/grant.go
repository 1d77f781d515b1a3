package store

import (
	"time"

	"entente.dev/directory-svc/internal/property"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// FederatedCredential lets tokens of another issuer stand for an application.
type FederatedCredential struct {
	ID, ApplicationID     uuid.UUID
	Name, Issuer, Subject string
	Audiences             []string
	Description           *string
	Created               time.Time
}

// InsertFederatedCredential queues a new credential.
func (tx *Tx) InsertFederatedCredential(c FederatedCredential) {
	tx.Queue(`insert into federated_credentials (tenant_id, id, application_id, name, issuer, subject, audiences, description, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, [16]byte(tx.Tenant), [16]byte(c.ID), [16]byte(c.ApplicationID), c.Name, c.Issuer, c.Subject, c.Audiences, c.Description, c.Created)
}

// SaveFederatedCredential queues what may change of a credential.
func (tx *Tx) SaveFederatedCredential(c FederatedCredential) {
	tx.Queue("update federated_credentials set issuer = $3, subject = $4, audiences = $5, description = $6 where tenant_id = $1 and id = $2",
		[16]byte(tx.Tenant), [16]byte(c.ID), c.Issuer, c.Subject, c.Audiences, c.Description)
}

// DeleteFederatedCredential queues the end of a credential.
func (tx *Tx) DeleteFederatedCredential(id uuid.UUID) {
	tx.Queue("delete from federated_credentials where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// FederatedCredentials lists those of an application.
func (tx *Tx) FederatedCredentials(application uuid.UUID) ([]FederatedCredential, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select id, application_id, name, issuer, subject, audiences, description, created_at from federated_credentials
		where tenant_id = $1 and application_id = $2 order by id`, [16]byte(tx.Tenant), [16]byte(application))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (FederatedCredential, error) {
		var c FederatedCredential
		return c, row.Scan((*[16]byte)(&c.ID), (*[16]byte)(&c.ApplicationID), &c.Name, &c.Issuer, &c.Subject, &c.Audiences, &c.Description, &c.Created)
	})
}

// Grant is delegated permissions of a client on a resource, for one principal
// or, without one, for everybody.
type Grant struct {
	ID, ClientID, ResourceID uuid.UUID
	PrincipalID              *uuid.UUID
	Scope                    string
	Created                  time.Time
}

// InsertGrant queues a new grant.
func (tx *Tx) InsertGrant(g Grant) {
	tx.Queue("insert into permission_grants (tenant_id, id, client_id, resource_id, principal_id, scope, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
		[16]byte(tx.Tenant), [16]byte(g.ID), [16]byte(g.ClientID), [16]byte(g.ResourceID), idOf(g.PrincipalID), g.Scope, g.Created)
}

// SaveGrant queues a new scope.
func (tx *Tx) SaveGrant(g Grant) {
	tx.Queue("update permission_grants set scope = $3 where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(g.ID), g.Scope)
}

// DeleteGrant queues the end of a grant.
func (tx *Tx) DeleteGrant(id uuid.UUID) {
	tx.Queue("delete from permission_grants where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// Grants lists those behind an id that meet the conditions, by id. Zero ids do
// not restrict; either finds grants that name an id as client or principal.
func (tx *Tx) Grants(client, resource, principal, either, after uuid.UUID, limit int) ([]Grant, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select id, client_id, resource_id, principal_id, scope, created_at from permission_grants
		where tenant_id = $1 and ($2::uuid is null or client_id = $2) and ($3::uuid is null or resource_id = $3) and ($4::uuid is null or principal_id = $4)
		and ($5::uuid is null or client_id = $5 or principal_id = $5) and id > $6 order by id limit $7`, [16]byte(tx.Tenant),
		orNullID(client), orNullID(resource), orNullID(principal), orNullID(either), [16]byte(after), limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanGrant)
}

func scanGrant(row pgx.CollectableRow) (Grant, error) {
	var g Grant
	return g, row.Scan((*[16]byte)(&g.ID), (*[16]byte)(&g.ClientID), (*[16]byte)(&g.ResourceID), &g.PrincipalID, &g.Scope, &g.Created)
}

// Grant finds one grant.
func (tx *Tx) Grant(id uuid.UUID) (*Grant, error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select id, client_id, resource_id, principal_id, scope, created_at from permission_grants where tenant_id = $1 and id = $2",
		[16]byte(tx.Tenant), [16]byte(id))
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, scanGrant)
	if err == nil && len(found) == 0 {
		err = property.NotFound(id.String())
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// SelfService is the delegation of an application to its owners (DIR-188).
type SelfService struct {
	Enabled, OwnersMayInvite bool
	GroupID                  *uuid.UUID
}

// SelfService reads the delegation of a service principal; none is off.
func (tx *Tx) SelfService(id uuid.UUID) (SelfService, error) {
	var s SelfService
	err := tx.Pgx().QueryRow(tx.Context(), "select enabled, group_id, owners_may_invite from self_service where tenant_id = $1 and service_principal_id = $2",
		[16]byte(tx.Tenant), [16]byte(id)).Scan(&s.Enabled, &s.GroupID, &s.OwnersMayInvite)
	return s, orNothing(err)
}

// SaveSelfService queues a delegation.
func (tx *Tx) SaveSelfService(id uuid.UUID, s SelfService) {
	tx.Queue(`insert into self_service (tenant_id, service_principal_id, enabled, group_id, owners_may_invite) values ($1, $2, $3, $4, $5)
		on conflict (tenant_id, service_principal_id) do update set enabled = excluded.enabled, group_id = excluded.group_id, owners_may_invite = excluded.owners_may_invite`,
		[16]byte(tx.Tenant), [16]byte(id), s.Enabled, idOf(s.GroupID), s.OwnersMayInvite)
}

package store

import (
	"context"
	"fmt"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/guestsettings"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// State is everything a decision reads of a tenant but its partners, as of one
// version.
type State struct {
	Policy        crosstenant.Policy
	Authorization guestsettings.Authorization
	Identities    guestsettings.ExternalIdentities
	// Domains are the enforced ones.
	Domains guestsettings.Domains
}

// One statement, so that version and values are of one moment.
const stateQuery = `
	select coalesce(r.version, 1), r.id, r.cloud_endpoints, d.tenant_id is not null, d.settings, d.redemption,
		a.tenant_id is not null, a.allow_invites_from, a.guest_user_role_id, a.create_apps, a.create_security_groups, a.read_other_users,
		l.definition, coalesce(e.may_leave, true)
	from (select $1::uuid as tenant_id) t
	left join roots r on r.tenant_id = t.tenant_id
	left join defaults d on d.tenant_id = t.tenant_id
	left join authorizations a on a.tenant_id = t.tenant_id
	left join domain_lists l on l.tenant_id = t.tenant_id and l.enforced
	left join external_identities e on e.tenant_id = t.tenant_id`

// State reads a tenant's policies in one round trip.
func (s *Store) State(ctx context.Context, t tenant.ID) (State, error) {
	out := State{Policy: crosstenant.Policy{Tenant: t}, Authorization: guestsettings.DefaultAuthorization()}
	batch := &pgx.Batch{}
	batch.Queue(stateQuery, t.UUID()).QueryRow(func(row pgx.Row) error {
		var id, guestRole *uuid.UUID
		var clouds, settings, redemption []byte
		var customized, authorized bool
		var invites *int16
		var createApps, createGroups, readUsers *bool
		var definition *string
		err := row.Scan(&out.Policy.Version, &id, &clouds, &customized, &settings, &redemption,
			&authorized, &invites, &guestRole, &createApps, &createGroups, &readUsers, &definition, &out.Identities.MayLeave)
		if err != nil {
			return err
		}
		if id != nil {
			out.Policy.ID = *id
		}
		if err := decode(clouds, &out.Policy.Clouds); err != nil {
			return err
		}
		if customized {
			if err := defaultFromRow(&out.Policy.Default, settings, redemption); err != nil {
				return err
			}
		}
		if authorized {
			a := &out.Authorization
			a.AllowInvitesFrom, a.GuestUserRole = guestsettings.AllowInvitesFrom(*invites), *guestRole
			a.UserRole.CreateApps, a.UserRole.CreateSecurityGroups, a.UserRole.ReadOtherUsers = *createApps, *createGroups, *readUsers
		}
		if definition != nil {
			out.Domains, err = guestsettings.ParseDomains(*definition)
		}
		return err
	})
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return State{}, fmt.Errorf("read policies: %w", err)
	}
	return out, nil
}

// PartnerAt reads the row toward another tenant, nil when there is none, and
// the version of which it is.
func (s *Store) PartnerAt(ctx context.Context, t, other tenant.ID) (*crosstenant.Partner, int64, error) {
	var partner *crosstenant.Partner
	var version int64
	batch := &pgx.Batch{}
	batch.Queue(`
		select coalesce(r.version, 1), p.tenant_id is not null, p.settings, p.is_service_provider, p.is_in_organization,
			coalesce(p.has_sync, false), p.sync_display_name, p.sync_users, p.sync_groups
		from (select $1::uuid as tenant_id) t
		left join roots r on r.tenant_id = t.tenant_id
		left join partners p on p.tenant_id = t.tenant_id and p.partner_tenant_id = $2 and p.deleted_at is null`,
		t.UUID(), other.UUID()).QueryRow(func(row pgx.Row) error {
		r := partnerRow{PartnerTenantID: other.UUID()}
		var there bool
		if err := row.Scan(&version, &there, &r.Settings, &r.IsServiceProvider, &r.IsInOrganization,
			&r.HasSync, &r.SyncDisplayName, &r.SyncUsers, &r.SyncGroups); err != nil || !there {
			return err
		}
		p, err := r.partner()
		partner = &p.Partner
		return err
	})
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return nil, 0, fmt.Errorf("read partner: %w", err)
	}
	return partner, version, nil
}

// Version is the present version of a tenant's policies.
func (s *Store) Version(ctx context.Context, t tenant.ID) (int64, error) {
	version := int64(FirstVersion)
	batch := &pgx.Batch{}
	batch.Queue(`select coalesce((select version from roots where tenant_id = $1), 1)`, t.UUID()).
		QueryRow(func(row pgx.Row) error { return row.Scan(&version) })
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return 0, fmt.Errorf("read policy version: %w", err)
	}
	return version, nil
}

package store

import (
	"errors"
	"fmt"

	"entente.dev/policy-svc/internal/guestsettings"
	"github.com/jackc/pgx/v5"
)

// ExternalIdentities reads the policy and the version that last changed it, 0
// while it is the default.
func (tx *Tx) ExternalIdentities() (guestsettings.ExternalIdentities, int64, error) {
	e := guestsettings.DefaultExternalIdentities()
	var revision int64
	err := tx.Pgx().QueryRow(tx.Context(), `select may_leave, revision from external_identities where tenant_id = $1`,
		tx.Tenant.UUID()).Scan(&e.MayLeave, &revision)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return e, 0, fmt.Errorf("read external identities policy: %w", err)
	}
	return e, revision, nil
}

// SaveExternalIdentities writes the policy.
func (tx *Tx) SaveExternalIdentities(e guestsettings.ExternalIdentities, version int64) {
	tx.Queue(`insert into external_identities (tenant_id, may_leave, revision) values ($1, $2, $3)
		on conflict (tenant_id) do update set may_leave = excluded.may_leave, revision = excluded.revision`,
		tx.Tenant.UUID(), e.MayLeave, version)
}

package store

import "github.com/google/uuid"

// CountAssignments counts the application roles that a principal has been
// given. It keeps others from giving it one until the transaction ends.
func (tx *Tx) CountAssignments(principal uuid.UUID) (n int, err error) {
	if _, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 184))", tx.Tenant.String()+principal.String()); err != nil {
		return 0, err
	}
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from app_role_assignments where tenant_id = $1 and principal_id = $2", [16]byte(tx.Tenant), [16]byte(principal)).Scan(&n)
	return n, err
}

// CountRoleGroups counts the groups that roles can be given to. It keeps others
// from making one until the transaction ends.
func (tx *Tx) CountRoleGroups() (n int, err error) {
	if _, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 138))", tx.Tenant.String()); err != nil {
		return 0, err
	}
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from groups where tenant_id = $1 and is_assignable_to_role and deleted_at is null", [16]byte(tx.Tenant)).Scan(&n)
	return n, err
}

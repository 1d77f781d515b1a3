package store

import (
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
)

// domainUses finds what uses a domain, $2, behind the id $3 (DIR-31). It reads
// the whole tenant: removing a domain is rare, and an index on the domain
// would cost every new user.
const domainUses = `select id, type from (` + usesOfDomain + `) used where id > $3 order by id limit $4`

const usesOfDomain = `
		select id, 1::smallint as type from users where tenant_id = $1 and deleted_at is null
			and (right(user_principal_name_key, length($2) + 1) = '@' || $2 or right(mail_key, length($2) + 1) = '@' || $2)
		union select owner_id, owner_type from addresses where tenant_id = $1 and live and right(address_key, length($2) + 1) = '@' || $2
		union select id, 4::smallint from applications where tenant_id = $1 and deleted_at is null
			and exists (select from unnest(identifier_uris) u where lower(u) ~ ('^[a-z]+://' || replace($2, '.', '\.') || '(/|$)'))
	`

// DomainUses lists live objects that use a domain, by id.
func (tx *Tx) DomainUses(name string, after uuid.UUID, limit int) ([]Link, error) {
	rows, err := tx.Pgx().Query(tx.Context(), domainUses, [16]byte(tx.Tenant), name, [16]byte(after), limit)
	if err != nil {
		return nil, err
	}
	return collectLinks(rows)
}

// NameFree reports whether no other live user has a name.
func (tx *Tx) NameFree(name string, except uuid.UUID) (bool, error) {
	var taken bool
	err := tx.Pgx().QueryRow(tx.Context(), "select exists (select from users where tenant_id = $1 and user_principal_name_key = $2 and deleted_at is null and id <> $3)",
		[16]byte(tx.Tenant), odata.Fold(name), [16]byte(except)).Scan(&taken)
	return !taken, err
}

// DeleteDomain ends a domain.
func (tx *Tx) DeleteDomain(name string) error {
	tx.tenantChanged()
	tag, err := tx.Pgx().Exec(tx.Context(), "delete from domains where tenant_id = $1 and name = $2", [16]byte(tx.Tenant), name)
	if err == nil && tag.RowsAffected() == 0 {
		err = property.NotFound(name)
	}
	return err
}

// CountDomainUses counts the live objects that use a domain.
func (tx *Tx) CountDomainUses(name string) (n int32, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), "select count(*) from ("+usesOfDomain+") used", [16]byte(tx.Tenant), name).Scan(&n)
	return n, err
}

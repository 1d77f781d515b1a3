package store

import "github.com/jackc/pgx/v5"

// Look-ups of many keys at once; $1 is the tenant, $2 the keys.
//
// Each key is a descent of its own into the index that fits it. `= any($2)`
// leaves the choice to estimates, and for a tenant that is newer than the
// statistics those prefer to read the tenant from end to end, once per batch.
// So does `=`: where every index seems to find one row, any that begins with
// the tenant will do. Bounds from both sides say the same as equality, and
// they leave an order to ask for, which one index alone has.
var (
	usersByID = "select " + wholeUser.sql + ` from unnest($2::uuid[]) with ordinality as wanted (id, place)
		cross join lateral (select * from users where tenant_id = $1 and users.id >= wanted.id and users.id <= wanted.id order by users.id limit 1) users`
	usersByHome = "select " + wholeUser.sql + ` from unnest($2::text[]) with ordinality as wanted (key, place)
		cross join lateral (select * from users where tenant_id = $1 and alternative_security_id >= wanted.key and alternative_security_id <= wanted.key
			order by alternative_security_id limit 8) users`
	pendingByAddress = "select " + wholeUser.sql + ` from unnest($2::text[]) as wanted (key)
		cross join lateral (select * from users where tenant_id = $1 and invited_email_key >= wanted.key and invited_email_key <= wanted.key
			and external_user_state = 1 and deleted_at is null order by invited_email_key limit 8) users`
)

const (
	addressesByKey = `select found.* from unnest($2::text[]) as wanted (key)
		cross join lateral (select address_key, owner_id, owner_type from addresses
			where tenant_id = $1 and address_key >= wanted.key and address_key <= wanted.key and live and kind = 'smtp' order by address_key limit 1) found`
	namesByKey = `select found.* from unnest($2::text[]) as wanted (key)
		cross join lateral (select user_principal_name_key, id from users
			where tenant_id = $1 and user_principal_name_key >= wanted.key and user_principal_name_key <= wanted.key and deleted_at is null
			order by user_principal_name_key limit 1) found`
)

// inOrder has the rest of the transaction walk an index that has the order
// asked for, instead of gathering all that matches and sorting it. For a table
// that the statistics do not know yet the second looks cheaper, whatever the
// limit.
const inOrder = "select set_config('enable_sort', 'off', true)"

// freshPlans has the statements of the transaction planned for the tables as
// they are: prepared plans are kept, and during a first synchronization tables
// grow from nothing to a hundred thousand rows between two of them.
const freshPlans = "set local plan_cache_mode = force_custom_plan"

// planAfresh applies freshPlans in a trip of its own.
func (tx *Tx) planAfresh() error {
	_, err := tx.Pgx().Exec(tx.Context(), freshPlans, pgx.QueryExecModeSimpleProtocol)
	return err
}

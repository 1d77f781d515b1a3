package store

// Look-ups of many keys at once; $1 is the tenant, $2 the keys.
//
// Each key is a descent of its own into the index that fits it. `= any($2)`
// leaves the choice to estimates, and for a tenant that is newer than the
// statistics those prefer to read the tenant from end to end, once per batch.
// The limits keep the planner from turning the descents into a join: live rows
// have at most one of each key, soft-deleted ones seldom more.
var (
	usersByID = "select " + wholeUser.sql + ` from unnest($2::uuid[]) with ordinality as wanted (id, place)
		cross join lateral (select * from users where tenant_id = $1 and users.id = wanted.id limit 1) users`
	usersByHome = "select " + wholeUser.sql + ` from unnest($2::text[]) with ordinality as wanted (key, place)
		cross join lateral (select * from users where tenant_id = $1 and alternative_security_id = wanted.key
			order by deleted_at desc nulls first limit 8) users`
)

const (
	addressesByKey = `select found.* from unnest($2::text[]) as wanted (key)
		cross join lateral (select address_key, owner_id, owner_type from addresses
			where tenant_id = $1 and address_key = wanted.key and live and kind = 'smtp' limit 1) found`
	namesByKey = `select found.* from unnest($2::text[]) as wanted (key)
		cross join lateral (select user_principal_name_key, id from users
			where tenant_id = $1 and user_principal_name_key = wanted.key and deleted_at is null limit 1) found`
	pendingByAddress = `cross join lateral (select * from users
			where tenant_id = $1 and invited_email_key = wanted.key and external_user_state = 1 and deleted_at is null order by id limit 8) users`
)

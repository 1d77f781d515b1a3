package store_test

import (
	"fmt"
	"testing"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/store/storetest"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"github.com/google/uuid"
)

// TestInvariantsOfTheDatabase writes by hand what the service never would, to
// a tenant with an accepted guest G, a member M, groups and units. Each
// statement is one that the constraint named, or a kind of error, refuses.
func TestInvariantsOfTheDatabase(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home, other := newTenant(t, s, "contoso"), newTenant(t, s, "fabrikam")
	guest, m := full(home.InitialDomain), member(home.InitialDomain, "m")
	insertGroup := func(id uuid.UUID, kind string) string { // kind: unified, dynamic, mail_enabled, is_assignable_to_role, rule
		return fmt.Sprintf("insert into groups (tenant_id, id, display_name, mail_nickname, unified, dynamic, mail_enabled, is_assignable_to_role, membership_rule, security_enabled, created_at) values ($1, '%s', 'g', '%s', %s, true, now())", id, id, kind)
	}
	plain, unified, forRoles, dynamic := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	write := func(sql ...string) error {
		return s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
			for _, q := range sql {
				tx.Queue(q, [16]byte(home.ID))
			}
			return nil
		})
	}
	if err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
		tx.InsertUser(guest, nil)
		tx.InsertUser(m, secret)
		return tx.InsertRoleAssignment(store.RoleAssignment{ID: uuid.New(), PrincipalID: m.ID, PrincipalType: object.User, RoleID: role.GlobalAdministratorID, Scope: role.TenantScope, Created: start}, uuid.New())
	}); err != nil {
		t.Fatal(err)
	}
	owner := func(object uuid.UUID, owner any) string {
		return fmt.Sprintf("insert into object_owners (tenant_id, object_id, owner_id, object_type, owner_type, added_at) values ($1, '%s', '%s', 2, 1, now())", object, owner)
	}
	if err := write(insertGroup(plain, "false, false, false, false, null"), insertGroup(unified, "true, false, true, false, null"),
		insertGroup(forRoles, "false, false, false, true, null"), insertGroup(dynamic, "false, true, false, false, 'r'"), owner(plain, m.ID)); err != nil {
		t.Fatal(err)
	}
	joins := func(group, member uuid.UUID, kind int) string {
		return fmt.Sprintf("insert into group_members (tenant_id, group_id, member_id, member_type, added_at) values ($1, '%s', '%s', %d, now())", group, member, kind)
	}
	values := func(object uuid.UUID) string {
		return fmt.Sprintf("with a as (insert into applications (tenant_id, id, app_id, display_name, document, created_at) values ($1, gen_random_uuid(), gen_random_uuid(), 'a', '{}', now()) returning id), p as (insert into extension_properties (tenant_id, id, application_id, name, data_type, target_objects, is_multi_valued, created_at) select $1, gen_random_uuid(), id, 'extension_x', 'String', '{User}', true, now() from a returning id) insert into extension_values (tenant_id, object_id, property_id, ordinal, value) select $1, '%s', id, n, '1' from p, generate_series(1, 101) n", object)
	}
	of := func(u *user.User) string { return fmt.Sprintf(" where tenant_id = $1 and id = '%s'", u.ID) }
	const notAllowed = "not allowed" // a right, not a constraint
	for name, c := range map[string]struct{ constraint, sql string }{
		"INV-1 a row of another tenant":                  {notAllowed, "insert into contacts (tenant_id, id, display_name, mail, mail_nickname, created_at) values ('" + other.ID.String() + "'::uuid, $1, 'c', 'c', 'c', now())"},
		"INV-2 the name is one user's":                   {"users_user_principal_name", "update users set user_principal_name_key = (select user_principal_name_key from users" + of(guest) + ")" + of(m)},
		"INV-3 an address has one holder":                {"addresses_unique", "insert into addresses (tenant_id, owner_id, ordinal, owner_type, kind, address, is_primary) values ($1, gen_random_uuid(), 0, 1, 'smtp', 'ADA@x.example', false)"},
		"INV-3 whatever its kind":                        {"addresses_unique", "insert into addresses (tenant_id, owner_id, ordinal, owner_type, kind, address, is_primary) values ($1, gen_random_uuid(), 0, 1, 'sip', 'ADA@x.example', true)"},
		"INV-4 one primary address":                      {"addresses_primary", fmt.Sprintf("insert into addresses (tenant_id, owner_id, ordinal, owner_type, kind, address, is_primary) values ($1, '%s', 9, 1, 'smtp', 'other@x.example', true)", guest.ID)},
		"INV-4 a member invited as such has none":        {"users_never_mail_enabled", "update users set never_mail_enabled = true, user_type = 1" + of(guest)},
		"INV-5 an account binds to one user":             {"users_alternative_security_id", "update users set alternative_security_id = (select alternative_security_id from users" + of(guest) + ")" + of(m)},
		"INV-6 one initial domain":                       {"domains_initial", "insert into domains (tenant_id, name, is_verified, is_initial, created_at) values ($1, 'x.example', true, true, now())"},
		"INV-6 an initial domain":                        {"domains_complete", "update domains set is_initial = false where tenant_id = $1"},
		"INV-6 a default domain":                         {"domains_complete", "update domains set is_default = false where tenant_id = $1"},
		"INV-7 the initial domain never changes":         {"tenants_immutable", "update tenants set initial_domain = 'x.example' where id = $1"},
		"INV-8 a pending user has no federated identity": {"users_external_state", "update users set external_user_state = 1" + of(guest)},
		"INV-8 the time of the state goes with it":       {"users_external_state", "update users set external_user_state_changed_at = null" + of(guest)},
		"INV-9 an accepted user has no password here":    {"users_external_state", "update users set password_scheme = 1, password_verifier = 'x'" + of(guest)},
		"INV-9 nor one with identities elsewhere alone":  {"users_password", "update users set identities = '[{\"type\": 2, \"issuer\": \"google.com\"}]'" + of(m)},
		"INV-9 an internal user has one":                 {"users_password", "update users set password_verifier = null" + of(m)},
		"INV-10 the time of creation never changes":      {"users_immutable", "update users set created_at = now()" + of(guest)},
		"INV-10 the origin never changes":                {"users_immutable", "update users set creation_type = null" + of(guest)},
		"INV-11 a group is not in itself":                {"group_members_acyclic", joins(plain, plain, 2)},
		"INV-11 nor in what it holds":                    {"group_members_acyclic", ""},
		"INV-11 no group in a Microsoft 365 group":       {"group_members_kind", joins(unified, plain, 2)},
		"INV-11 no Microsoft 365 group in a group":       {"group_members_kind", joins(plain, unified, 2)},
		"INV-11 no group in one for roles":               {"group_members_kind", joins(forRoles, plain, 2)},
		"INV-11 a link stays what it is":                 {"links_immutable", fmt.Sprintf("with made as (select 1) update role_assignments set principal_id = '%s' where tenant_id = $1", guest.ID)},
		"INV-12 a rule makes a group dynamic":            {"groups_rule", insertGroup(uuid.New(), "false, false, false, false, 'r'")},
		"INV-12 the rule alone adds members":             {"members_by_rule", joins(dynamic, m.ID, 1)},
		"INV-13 a group keeps an owner":                  {"last_owner", fmt.Sprintf("delete from object_owners where tenant_id = $1 and object_id = '%s'", plain)},
		"INV-13 at most a hundred owners":                {"object_owners_limit", fmt.Sprintf("insert into object_owners (tenant_id, object_id, owner_id, object_type, owner_type, added_at) select $1, '%s', gen_random_uuid(), 2, 1, now() from generate_series(1, 100)", plain)},
		"INV-14 a role-assignable group is assigned":     {"groups_role_assignable", insertGroup(uuid.New(), "false, true, false, true, 'r'")},
		"INV-14 a group keeps its kind":                  {"groups_immutable", fmt.Sprintf("update groups set is_assignable_to_role = true where tenant_id = $1 and id = '%s'", plain)},
		"INV-15 one assignment of a kind":                {"role_assignments_unique", fmt.Sprintf("insert into role_assignments (tenant_id, id, principal_id, principal_type, role_id, scope, created_at) values ($1, gen_random_uuid(), '%s', 1, '%s', '/', now())", m.ID, role.GlobalAdministratorID)},
		"INV-15 the last administrator stays":            {"last_administrator", "delete from role_assignments where tenant_id = $1"},
		"INV-17 at most thirty units":                    {"unit_members_limit", fmt.Sprintf("with u as (insert into administrative_units (tenant_id, id, display_name, created_at) select $1, gen_random_uuid(), 'u', now() from generate_series(1, 31) returning id) insert into unit_members (tenant_id, unit_id, member_id, member_type, added_at) select $1, id, '%s', 1, now() from u", m.ID)},
		"INV-17 at most a hundred restricted units":      {"administrative_units_restricted_limit", "insert into administrative_units (tenant_id, id, display_name, restricted, created_at) select $1, gen_random_uuid(), 'u', true, now() from generate_series(1, 101)"},
		"INV-18 at most five sponsors":                   {"users_sponsors", "update users set sponsor_ids = array_fill(gen_random_uuid(), array[6])" + of(m)},
		"INV-18 one business phone":                      {"users_business_phones", "update users set business_phones = '{1,2}'" + of(m)},
		"INV-19 a live user is not purged":               {"purge_of_live_object", "delete from users" + of(m)},
		"INV-19 keys sleep with the user":                {"users_live_keys", "update users set deleted_at = now()" + of(guest)},
		"INV-20 the feed is append-only":                 {notAllowed, "delete from change_log where tenant_id = $1"},
		"INV-20 the audit log is append-only":            {notAllowed, "delete from audit_events where tenant_id = $1"},
		"INV-22 one nickname of Microsoft 365 groups":    {"groups_mail_nickname", fmt.Sprintf("insert into groups (tenant_id, id, display_name, mail_nickname, unified, dynamic, mail_enabled, security_enabled, created_at) values ($1, gen_random_uuid(), 'g', '%s', true, false, true, true, now())", unified)},
		"INV-23 at most a hundred values":                {"extension_values_limit", values(m.ID)},
		"INV-23 the organization, too":                   {"extension_values_limit", values(home.ID.UUID())},
	} {
		sql := []string{c.sql}
		if c.sql == "" {
			nested := uuid.New()
			sql = []string{insertGroup(nested, "false, false, false, false, null"), joins(plain, nested, 2), joins(nested, plain, 2)}
		}
		if name == "INV-3 whatever its kind" { // the same account may have an address of two kinds
			if err := write(fmt.Sprintf("insert into addresses (tenant_id, owner_id, ordinal, owner_type, kind, address, is_primary) values ($1, '%s', 8, 1, 'sip', 'ada@x.example', true)", guest.ID)); err != nil {
				t.Error(err)
			}
		}
		err := write(sql...)
		switch {
		case err == nil:
			t.Errorf("%s: the database let it pass", name)
		case c.constraint == notAllowed && pg.SQLState(err) != "42501":
			t.Errorf("%s: %v", name, err)
		case c.constraint != notAllowed && pg.Constraint(err) != c.constraint:
			t.Errorf("%s: refused for another reason: %v", name, err)
		}
	}
}

// TestChangesAreRecordedWithTheirRows: a change commits with its row in the
// feed and its record in the audit log, or not at all (INV-20).
func TestChangesAreRecordedWithTheirRows(t *testing.T) {
	t.Parallel()
	clock := clocktest.New(start)
	s := store.New(pgtest.OpenService(t, storetest.Services(t)), clock)
	home := newTenant(t, s, "contoso")
	for what, c := range map[string]struct{ fed, audited bool }{"neither": {}, "the feed": {fed: true}, "the log": {audited: true}, "both": {true, true}} {
		u := member(home.InitialDomain, uuid.NewString())
		err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
			tx.InsertUser(u, secret)
			if c.fed {
				tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Created})
			}
			if !c.audited {
				return nil
			}
			return audit.Write(t.Context(), tx.Tx, clock, audit.Event{Activity: "Add user", Category: "UserManagement", OperationType: "Add", InitiatedBy: lifecycle,
				Targets: []audit.Target{{ID: u.ID.String(), Type: "User"}}})
		})
		if whole := c.fed && c.audited; whole != (err == nil) || !whole && pg.Constraint(err) != "changes_recorded" {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil {
			continue
		}
		var same bool
		err = s.Read(t.Context(), home.ID, func(tx *store.Tx) error {
			return tx.Pgx().QueryRow(t.Context(), "select a.xid = c.xid from audit_events a join change_log c using (tenant_id) where a.tenant_id = $1", [16]byte(home.ID)).Scan(&same)
		})
		if err != nil || !same {
			t.Errorf("the rows are of two transactions: %v", err)
		}
	}
}

var lifecycle = &caller.Caller{Kind: caller.Application, AppDisplayName: "Test"}

package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/store/storetest"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// volume is how many users plans are asked for: ENTENTE_PLAN_USERS, for instance
// 1000000 as `make plans` sets it, or few enough for every test run.
var volume = func() int {
	if n, err := strconv.Atoi(os.Getenv("ENTENTE_PLAN_USERS")); err == nil {
		return n
	}
	return 50000
}()

// crowd is a tenant with many users beside smaller ones, with statistics.
func crowd(t testing.TB, users int) (*Store, tenant.ID) {
	t.Helper()
	service := storetest.Services(t)
	s := New(pgtest.OpenWith(t, service, storetest.Unrecorded), clock.System())
	now := time.Now().UTC().Truncate(time.Microsecond)
	var big tenant.ID
	for _, part := range []struct {
		prefix string
		n      int
	}{{"small", users / 20}, {"crowd", users}} {
		domain := part.prefix + ".onentente.example"
		made := &Tenant{Country: "NL", Tenant: organization.Tenant{ID: tenant.New(), DisplayName: part.prefix, Type: organization.Workforce, State: organization.Active, InitialDomain: domain, Created: now,
			Domains: []organization.Domain{{Name: domain, Verified: true, Default: true, Initial: true, Services: []string{"Email"}, Created: now}}}}
		if err := s.Write(t.Context(), made.ID, func(tx *Tx) error { return tx.InsertTenant(made) }); err != nil {
			t.Fatal(err)
		}
		const step = 10000
		for from := 0; from < part.n; from += step {
			err := s.Write(t.Context(), made.ID, func(tx *Tx) error {
				tx.Queue(`insert into users (tenant_id, id, account_enabled, display_name, display_name_key, display_name_words, user_principal_name, user_principal_name_key, mail_nickname, mail_nickname_key,
						mail, mail_key, department, department_key, surname, surname_key, invited_email, invited_email_key, user_type, external_user_state, external_user_state_changed_at, password_scheme, password_verifier, created_at)
					select $1, md5($2::text || n)::uuid, true, 'User ' || n, 'user ' || n, array['user', n::text], 'u' || n || '@' || $2::text, 'u' || n || '@' || $2::text, 'u' || n, 'u' || n,
						'u' || n || '@mail.example', 'u' || n || '@mail.example', 'dep' || n % 50, 'dep' || n % 50, 'sur' || n % 997, 'sur' || n % 997, case when n % 20 = 0 then 'i' || n || '@home.example' end, case when n % 20 = 0 then 'i' || n || '@home.example' end,
						case when n % 20 = 0 then 2 else 1 end, case when n % 200 = 0 then 1 end, case when n % 200 = 0 then now() end, 2, 'x', now()
					from generate_series($3::int, $4::int) n`, [16]byte(made.ID), domain, from, min(from+step, part.n)-1)
				tx.Queue(`insert into addresses (tenant_id, owner_id, ordinal, owner_type, kind, address, is_primary)
					select $1, md5($2::text || n)::uuid, 0, 1, 'smtp', 'u' || n || '@mail.example', true from generate_series($3::int, $4::int) n`, [16]byte(made.ID), domain, from, min(from+step, part.n)-1)
				tx.Queue(`insert into user_words (tenant_id, user_id, word)
					select $1, md5($2::text || n)::uuid, unnest(array['user', n::text]) from generate_series($3::int, $4::int) n`, [16]byte(made.ID), domain, from, min(from+step, part.n)-1)
				tx.Queue(`insert into mail_keys (tenant_id, user_id, key, live)
					select $1, md5($2::text || n)::uuid, 'other-u' || n || '@mail.example', true from generate_series($3::int, $4::int) n`, [16]byte(made.ID), domain, from, min(from+step, part.n)-1)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		big = made.ID
	}
	owner, err := pgx.Connect(t.Context(), service.OwnerDSN)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	if _, err := owner.Exec(t.Context(), "analyze directory.users, directory.addresses, directory.mail_keys"); err != nil {
		t.Fatal(err)
	}
	return s, big
}

var userMessage = (&pb.User{}).ProtoReflect().Descriptor()

func listing(t testing.TB, filter, orderby string) Listing {
	t.Helper()
	e, err := odata.ParseFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	where, err := odata.Compile(userMessage, UserColumns, e, true)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := odata.ParseOrderBy(orderby)
	if err != nil {
		t.Fatal(err)
	}
	order, err := odata.CompileOrderBy(userMessage, UserColumns, keys, filter != "", true)
	if err != nil {
		t.Fatal(err)
	}
	return Listing{Where: []odata.SQL{where}, Order: order, Limit: 100}
}

// TestPlansUseIndexes runs each kind of list at volume, as the service's own
// role: no plan reads the table from end to end, and selective filters go by
// their own index.
func TestPlansUseIndexes(t *testing.T) {
	t.Parallel()
	s, id := crowd(t, volume)
	somewhere := &odata.Position{ID: uuid.NewString()}
	for _, c := range []struct {
		name, filter, orderby string
		after                 *odata.Position
		index                 string
	}{
		{"the first page", "", "", nil, "users_pkey"},
		{"a page in the middle", "", "", somewhere, "users_pkey"},
		{"by name", "userPrincipalName eq 'U77@crowd.onentente.example'", "", nil, "users_user_principal_name"},
		{"by mail", "mail eq 'u77@mail.example'", "", nil, "users_mail"},
		{"by mail nickname", "mailNickname eq 'u77'", "", nil, "users_mail_nickname"},
		{"by display name", "displayName eq 'user 77'", "", nil, "users_display_name"},
		{"by the beginning of a display name", "startswith(displayName,'User 4999')", "", nil, ""},
		{"pending guests", "userType eq 'Guest' and externalUserState eq 'PendingAcceptance'", "", nil, "users_pending"},
		{"by department", "department eq 'dep7'", "", nil, ""},
		{"ordered by display name", "", "displayName", nil, "users_display_name"},
		{"ordered and filtered", "accountEnabled eq true", "displayName desc", nil, "users_display_name"},
		{"by ids", "id in ('" + uuid.NewString() + "','" + uuid.NewString() + "')", "", nil, "users_pkey"},
		{"other mails", "otherMails/any(m:m eq 'x@y.example')", "", nil, ""},
	} {
		l := listing(t, c.filter, c.orderby)
		l.After = c.after
		list, _ := userProperties(nil).source(liveUsers).statements(id, l)
		plan := explain(t, s, id, list)
		if strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, c.index) {
			t.Errorf("%s:\n%s", c.name, plan)
		}
	}
	for search, index := range map[string]string{`"displayName:4999"`: "user_words_pkey", `"displayName:use"`: "users_pkey", `"displayName:use 4999"`: "user_words_pkey", `"mail:u4999"`: "users_mail"} {
		terms, err := odata.ParseSearch(search)
		if err != nil {
			t.Fatal(err)
		}
		where, err := odata.CompileSearch(userMessage, UserColumns, terms, true)
		if err != nil {
			t.Fatal(err)
		}
		l := listing(t, "", "")
		l.Where = append(l.Where, where)
		list, _ := userProperties(nil).source(liveUsers).statements(id, l)
		if plan := explain(t, s, id, list); strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, index) {
			t.Errorf("%s:\n%s", search, plan)
		}
	}
}

// TestBatchPlansInANewTenant asks for what a bulk write looks up in a tenant
// that the statistics do not know yet: each look-up goes by its own index.
func TestBatchPlansInANewTenant(t *testing.T) {
	t.Parallel()
	s, _ := crowd(t, 5000)
	fresh := tenant.New()
	err := s.Write(t.Context(), fresh, func(tx *Tx) error {
		tx.Queue(`insert into users (tenant_id, id, account_enabled, display_name, display_name_key, user_principal_name, user_principal_name_key, user_type, alternative_security_id, password_scheme, password_verifier, created_at)
			select $1, gen_random_uuid(), true, 'x', 'x', 'n' || n, 'n' || n, 1, 'k' || n, 2, 'x', now() from generate_series(1, 6000) n`, [16]byte(fresh))
		tx.Queue(`insert into addresses (tenant_id, owner_id, ordinal, owner_type, kind, address, is_primary) select $1, gen_random_uuid(), 0, 1, 'smtp', 'a' || n, true from generate_series(1, 6000) n`, [16]byte(fresh))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, list := make([]string, 500), make([]uuid.UUID, 500)
	for i := range keys {
		keys[i], list[i] = fmt.Sprint("k", i), uuid.New()
	}
	for _, c := range []struct {
		query string
		arg   any
		index string
	}{
		{usersByHome, keys, "users_"},
		{usersByID, ids(list), "users_pkey"},
		{namesByKey, keys, "users_user_principal_name"},
		{addressesByKey, keys, "addresses_unique"},
	} {
		text := strings.NewReplacer("$1", "'"+fresh.String()+"'", "$2", "?").Replace(c.query)
		plan := explain(t, s, fresh, odata.SQL{Text: text, Args: []any{c.arg}})
		if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "users_display_name") || !strings.Contains(plan, c.index) {
			t.Errorf("%s:\n%.1500s", c.query, plan)
		}
	}
}

// TestMailLookupsReadFewPages finds users by an address among many: what is
// read does not follow the size of the tenant, for addresses that somebody has
// and for those that nobody has, also while the statistics know nothing of the
// tenant.
func TestMailLookupsReadFewPages(t *testing.T) {
	t.Parallel()
	const mostPages = 60
	s, id := crowd(t, volume)
	few := func(name, plan string) {
		t.Helper()
		pages := 0
		if _, buffers, ok := strings.Cut(plan, "Buffers: shared "); ok {
			for field := range strings.FieldsSeq(strings.SplitN(buffers, "\n", 2)[0]) {
				_, n, _ := strings.Cut(field, "=")
				read, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				pages += read
			}
		}
		if strings.Contains(plan, "Seq Scan on users") || strings.Contains(plan, "Seq Scan on addresses") || strings.Contains(plan, "Seq Scan on mail_keys") || pages > mostPages {
			t.Errorf("%s: %d pages\n%.3000s", name, pages, plan)
		}
	}
	for name, query := range map[string]string{"conflicts": conflicting, "by e-mail": userByEmail, "home accounts": homeAccounts,
		"by invitation": userByInvitation, "by home account": userByHome, "by proxy address": byProxy} {
		for _, key := range []string{"nobody@nowhere.example", "u77@mail.example", "i80@home.example", "other-u77@mail.example", "u77@crowd.onentente.example"} {
			text := strings.NewReplacer("$1", "'"+id.String()+"'", "$2", "'"+key+"'").Replace(query)
			few(name+" of "+key, explainBy(t, s, id, "explain (analyze, buffers) ", odata.SQL{Text: text}))
			few(name+" of "+key+", one plan for all", explainGeneric(t, s, id, query, key))
		}
	}
	found, err := s.InviteConflicts(t.Context(), id, "Other-U77@mail.example")
	if err != nil || len(found) != 1 || found[0].User.UserPrincipalName != "u77@crowd.onentente.example" {
		t.Errorf("%+v %v", found, err)
	}
}

func explain(t testing.TB, s *Store, id tenant.ID, q odata.SQL) string {
	t.Helper()
	return explainBy(t, s, id, "explain ", q)
}

func explainBy(t testing.TB, s *Store, id tenant.ID, how string, q odata.SQL) string {
	t.Helper()
	var plan strings.Builder
	err := s.Read(t.Context(), id, func(tx *Tx) error {
		rows, err := tx.Pgx().Query(tx.Context(), how+q.Numbered(1), q.Args...)
		if err != nil {
			return err
		}
		var line string
		_, err = pgx.ForEachRow(rows, []any{&line}, func() error { plan.WriteString(line + "\n"); return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// explainGeneric runs a query by the plan that does not look at its values.
func explainGeneric(t testing.TB, s *Store, id tenant.ID, query, key string) string {
	t.Helper()
	var lines []string
	err := s.Read(t.Context(), id, func(tx *Tx) error {
		for _, text := range []string{"set local plan_cache_mode = force_generic_plan", "prepare generic (uuid, text) as " + query} {
			if _, err := tx.Pgx().Exec(tx.Context(), text, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		rows, err := tx.Pgx().Query(tx.Context(), "explain (analyze, buffers) execute generic ('"+id.String()+"', '"+key+"')", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		if lines, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		_, err = tx.Pgx().Exec(tx.Context(), "deallocate generic", pgx.QueryExecModeSimpleProtocol)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// BenchmarkListUsers reads a page of 100 with the default properties from
// tenants of different sizes: the cost must not follow the size.
func BenchmarkListUsers(b *testing.B) {
	properties := []string{"id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userPrincipalName"}
	for _, size := range []int{1000, volume} {
		s, id := crowd(b, size)
		l := listing(b, "", "")
		l.After = &odata.Position{ID: "80000000-0000-4000-8000-000000000000"}
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found, err := s.ListUsers(b.Context(), id, l, properties)
				if err != nil || len(found.Items) != 100 {
					b.Fatal(len(found.Items), err)
				}
			}
		})
	}
}

package evaluator_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/evaluator"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/store/storetest"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	t     testing.TB
	store *store.Store
	clock *clocktest.Fake
	home  tenant.ID
}

func open(t testing.TB, users int) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: clocktest.New(begin), home: tenant.New()}
	f.store = store.New(storetest.Open(t), f.clock)
	home := &store.Tenant{Country: "NL", Tenant: organization.Tenant{ID: f.home, DisplayName: "Contoso", Type: organization.Workforce, State: organization.Active,
		InitialDomain: "contoso.onentente.example", Created: begin}}
	f.write(func(tx *store.Tx) error { return tx.InsertTenant(home) })
	f.write(func(tx *store.Tx) error {
		tx.Queue(`insert into users (tenant_id, id, account_enabled, display_name, display_name_key, user_principal_name, user_principal_name_key, department, department_key, user_type, password_scheme, password_verifier, created_at)
			select $1, gen_random_uuid(), true, 'User ' || n, 'user ' || n, 'u' || n, 'u' || n, 'dep' || n % 2, 'dep' || n % 2, 1, 2, 'x', now() from generate_series(1, $2::int) n`, [16]byte(f.home), users)
		return nil
	})
	return f
}

func (f *fixture) write(fn func(*store.Tx) error) {
	f.t.Helper()
	if err := f.store.Write(f.t.Context(), f.home, fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) evaluator() *evaluator.Evaluator {
	return evaluator.New(f.store, f.clock, slog.New(slog.DiscardHandler))
}

func (f *fixture) group(rule string) uuid.UUID {
	f.t.Helper()
	on := "On"
	g := &group.Group{ID: uuid.Must(uuid.NewV7()), DisplayName: "g", MailNickname: "g", Dynamic: true, SecurityEnabled: true, Rule: &rule, RuleState: &on, Created: begin}
	f.write(func(tx *store.Tx) error {
		tx.Change(store.Change{Type: object.Group, ID: g.ID, Kind: store.Created})
		return tx.InsertGroup(g)
	})
	return g.ID
}

func (f *fixture) members(id uuid.UUID) int {
	f.t.Helper()
	var n int32
	err := f.store.Read(f.t.Context(), f.home, func(tx *store.Tx) error {
		var err error
		n, err = tx.CountTransitiveMembers(nil, id, nil)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return int(n)
}

func (f *fixture) evaluation(id uuid.UUID) (e store.Evaluation) {
	f.t.Helper()
	err := f.store.Read(f.t.Context(), f.home, func(tx *store.Tx) error {
		var err error
		e, _, err = tx.Evaluation(id)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

// settle steps until nothing is left to do.
func (f *fixture) settle(e *evaluator.Evaluator) int {
	f.t.Helper()
	for steps := 1; ; steps++ {
		state, err := e.Step(f.t.Context(), f.home)
		if err != nil {
			f.t.Fatal(err)
		}
		if state == evaluator.Done {
			return steps
		}
	}
}

// move changes the department of some users, with rows in the feed.
func (f *fixture) move(n int, department string) {
	f.t.Helper()
	f.write(func(tx *store.Tx) error {
		rows, err := tx.Pgx().Query(f.t.Context(), "select id from users where tenant_id = $1 and department is distinct from $2 order by id desc limit $3", [16]byte(f.home), department, n)
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
		for _, id := range list {
			tx.Queue("update users set department = $3, department_key = $3 where tenant_id = $1 and id = $2", [16]byte(f.home), id, department)
			tx.Change(store.Change{Type: object.User, ID: id, Kind: store.Updated, Properties: []string{"department"}})
		}
		return err
	})
}

func TestANewRuleSurvivesRestartsAndLosesNoChange(t *testing.T) {
	t.Parallel()
	const users = 3500
	f := open(t, users)
	id := f.group(`user.department -eq "dep1"`)
	e := f.evaluator()
	for range 2 { // begins, then looks at the first page
		if state, err := e.Step(t.Context(), f.home); err != nil || state != evaluator.More {
			t.Fatalf("%v %v", state, err)
		}
	}
	if got := f.evaluation(id); got.After == nil || got.Evaluated != 1000 || got.Total != users {
		t.Errorf("%+v", got)
	}
	// Users before and behind the page change meanwhile; the process dies and
	// another goes on.
	f.move(users, "dep1")
	f.move(100, "dep2")
	f.settle(f.evaluator())
	if n := f.members(id); n != users-100 {
		t.Errorf("%d members", n)
	}
	if got := f.evaluation(id); got.After != nil || got.Evaluated < users || got.Updated == nil {
		t.Errorf("%+v", got)
	}
}

func TestMembersByRuleAreNobodyElsesToWrite(t *testing.T) {
	t.Parallel()
	f := open(t, 4)
	id := f.group(`user.department -eq "dep1"`)
	f.settle(f.evaluator())
	for _, sql := range []string{"delete from group_members where tenant_id = $1 and group_id = $2",
		"insert into group_members (tenant_id, group_id, member_id, member_type, added_at) select $1, $2, id, 1, now() from users where tenant_id = $1 and department = 'dep0'"} {
		err := f.store.Write(t.Context(), f.home, func(tx *store.Tx) error { tx.Queue(sql, [16]byte(f.home), [16]byte(id)); return nil })
		if err == nil {
			t.Errorf("%s: written", sql)
		}
	}
	if n := f.members(id); n != 2 {
		t.Errorf("%d members", n)
	}
}

func BenchmarkNewRule(b *testing.B) {
	for _, users := range []int{20_000, 100_000} {
		b.Run(fmt.Sprint(users), func(b *testing.B) {
			f := open(b, users)
			b.ResetTimer()
			for i := range b.N {
				f.group(fmt.Sprintf(`user.department -eq "dep1" -and user.displayName -ne "x%d"`, i))
				f.settle(f.evaluator())
			}
			b.ReportMetric(float64(users)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
		})
	}
}

func BenchmarkOneChangeAmongManyRules(b *testing.B) {
	f := open(b, 100_000)
	f.write(func(tx *store.Tx) error {
		tx.Queue(`insert into groups (tenant_id, id, display_name, mail_nickname, unified, dynamic, mail_enabled, security_enabled, membership_rule, membership_rule_processing_state, created_at)
			select $1, gen_random_uuid(), 'g' || n, 'g' || n, false, true, false, true, 'user.department -eq "none' || n || '"', 'On', now() from generate_series(1, 1000) n`, [16]byte(f.home))
		return nil
	})
	e := f.evaluator()
	f.settle(e)
	b.ResetTimer()
	for i := range b.N {
		f.move(1, fmt.Sprint("none", i%1000+1))
		f.settle(e)
	}
}

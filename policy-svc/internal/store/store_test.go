package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/guestsettings"
	"entente.dev/policy-svc/internal/migrations"
	"entente.dev/policy-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB) (*store.Store, *pg.DB) {
	t.Helper()
	db := pgtest.Open(t, "policy", migrations.Source)
	return store.New(db), db
}

// write runs fn under the lock of the tenant's root.
func write(t testing.TB, s *store.Store, of tenant.ID, fn func(*store.Tx, store.Root) error) {
	t.Helper()
	err := s.Write(t.Context(), of, func(tx *store.Tx) error {
		root, err := tx.LockRoot(now, 0)
		if err != nil {
			return err
		}
		return fn(tx, root)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func addPartner(t testing.TB, s *store.Store, of tenant.ID, p crosstenant.Partner) {
	t.Helper()
	write(t, s, of, func(tx *store.Tx, root store.Root) error {
		return tx.AddPartner(store.Partner{Partner: p, ID: uuid.New(), Revision: root.Version, CreatedAt: now})
	})
}

func TestConcurrentWritesRaiseTheVersionOneByOne(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	of := tenant.New()
	const writers = 8
	seen := make([]store.Root, writers)
	var wait sync.WaitGroup
	for i := range writers {
		wait.Go(func() {
			err := s.Write(t.Context(), of, func(tx *store.Tx) (err error) {
				seen[i], err = tx.LockRoot(now, 0)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	versions := make(map[int64]bool)
	for _, r := range seen {
		versions[r.Version] = true
		if r.ID != seen[0].ID {
			t.Errorf("two roots: %s and %s", r.ID, seen[0].ID)
		}
	}
	if len(versions) != writers {
		t.Errorf("versions %v", versions)
	}
	if v, err := s.Version(t.Context(), of); err != nil || v != store.FirstVersion+writers {
		t.Errorf("version %d, %v", v, err)
	}
}

func TestMakingARootChangesNoVersion(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	of := tenant.New()
	before, err := s.Version(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Write(t.Context(), of, func(tx *store.Tx) error { return tx.MakeRoot(now) }); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := s.Version(t.Context(), of); err != nil || after != before {
		t.Errorf("version %d became %d, %v", before, after, err)
	}
}

func TestWritesAreThrottledByTheWindow(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	of := tenant.New()
	lock := func(at time.Time) error {
		return s.Write(t.Context(), of, func(tx *store.Tx) error {
			_, err := tx.LockRoot(at, 2)
			return err
		})
	}
	for range 2 {
		if err := lock(now); err != nil {
			t.Fatal(err)
		}
	}
	err := lock(now.Add(4 * time.Second))
	if f := fault.From(err); f.Reason != errorspb.Reason_THROTTLED || f.RetryAfter != 6*time.Second {
		t.Errorf("third write: %v, retry after %v", err, f.RetryAfter)
	}
	if err := lock(now.Add(11 * time.Second)); err != nil {
		t.Errorf("in the next window: %v", err)
	}
}

func TestWhatIsStoredIsReadBack(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	of, other := tenant.New(), tenant.New()
	yes, text := true, "toward them"
	half := crosstenant.TargetConfiguration{Access: crosstenant.Blocked, Targets: []crosstenant.Target{{Target: uuid.NewString(), Type: crosstenant.TargetGroup}}}
	settings := crosstenant.Settings{
		CollaborationInbound: &crosstenant.Setting{UsersAndGroups: &half},
		Trust:                &crosstenant.Trust{MFA: &yes},
		Consent:              &crosstenant.Consent{Outbound: &yes},
		Restrictions:         &crosstenant.Restrictions{Setting: crosstenant.Setting{UsersAndGroups: &half}, Devices: &crosstenant.Devices{Mode: crosstenant.Allowed, Rule: "x"}},
	}
	partner := crosstenant.Partner{
		TenantID: other, Settings: settings, ServiceProvider: &yes,
		Sync: &crosstenant.SyncPolicy{DisplayName: &text, UserSync: &yes},
	}
	dflt := crosstenant.Default{
		Customized: true, Settings: crosstenant.Settings{CollaborationOutbound: &crosstenant.Setting{UsersAndGroups: &half, Applications: &half}},
		Redemption: &crosstenant.RedemptionOrder{Primary: []crosstenant.Provider{crosstenant.ExternalFederation}, Fallback: crosstenant.MicrosoftAccount},
	}
	auth := guestsettings.DefaultAuthorization()
	auth.AllowInvitesFrom, auth.UserRole.CreateTenants = guestsettings.AdminsAndGuestInviters, nil
	addPartner(t, s, of, partner)
	write(t, s, of, func(tx *store.Tx, root store.Root) error {
		root.Clouds, root.DisplayName = []string{"microsoftonline.us"}, &text
		if err := tx.SaveRoot(root); err != nil {
			return err
		}
		if err := tx.SaveDefault(dflt, root.Version); err != nil {
			return err
		}
		if err := tx.SaveAuthorization(auth, root.Version); err != nil {
			return err
		}
		return tx.AddDomainList(store.DomainList{ID: uuid.New(), Revision: root.Version, DomainList: guestsettings.DomainList{
			DisplayName: "list", Enforced: true,
			Definition: `{"B2BManagementPolicy":{"InvitationsAllowedAndBlockedDomainsPolicy":{"BlockedDomains":["fabrikam.com"]}}}`,
		}})
	})
	err := s.Read(t.Context(), of, func(tx *store.Tx) error {
		root, there, err := tx.Root()
		if err != nil || !there || root.Version != 3 || root.Revision != 3 || *root.DisplayName != text || len(root.Clouds) != 1 {
			t.Errorf("root %+v, %v, %v", root, there, err)
		}
		d, revision, err := tx.Default()
		if diff := cmp.Diff(dflt, d); diff != "" || err != nil || revision != 3 {
			t.Errorf("default %s, revision %d, %v", diff, revision, err)
		}
		p, err := tx.Partner(other)
		if err != nil || p == nil {
			t.Fatalf("partner %v, %v", p, err)
		}
		if diff := cmp.Diff(partner, p.Partner); diff != "" {
			t.Error(diff)
		}
		a, _, err := tx.Authorization()
		if diff := cmp.Diff(auth, a); diff != "" || err != nil {
			t.Errorf("authorization %s, %v", diff, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	state, err := s.State(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dflt, state.Policy.Default); diff != "" || state.Policy.Version != 3 {
		t.Errorf("state default %s, version %d", diff, state.Policy.Version)
	}
	if state.Authorization.AllowInvitesFrom != guestsettings.AdminsAndGuestInviters || state.Domains.Admits("u@fabrikam.com") {
		t.Errorf("state %+v", state)
	}
	got, version, err := s.PartnerAt(t.Context(), of, other)
	if diff := cmp.Diff(&partner, got); diff != "" || version != 3 || err != nil {
		t.Errorf("partner at %d: %s, %v", version, diff, err)
	}
}

func TestARemovedPartnerIsKeptForThirtyDays(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	of, other := tenant.New(), tenant.New()
	remove := func(at time.Time) {
		t.Helper()
		addPartner(t, s, of, crosstenant.Partner{TenantID: other})
		write(t, s, of, func(tx *store.Tx, _ store.Root) error {
			p, err := tx.Partner(other)
			if err != nil {
				return err
			}
			tx.DeletePartner(*p, at)
			return nil
		})
	}
	count := func() (n int) {
		t.Helper()
		err := db.Read(t.Context(), of, func(tx *pg.Tx) error {
			return tx.Pgx().QueryRow(t.Context(), "select count(*) from partners").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	remove(now)
	remove(now.Add(29 * 24 * time.Hour))
	if n := count(); n != 2 {
		t.Errorf("%d rows after 29 days", n)
	}
	remove(now.Add(31 * 24 * time.Hour))
	if n := count(); n != 2 {
		t.Errorf("%d rows after 31 days", n)
	}
}

func TestTenantsSeeTheirOwnRowsOnly(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	mine, theirs, other := tenant.New(), tenant.New(), tenant.New()
	addPartner(t, s, theirs, crosstenant.Partner{TenantID: other})
	err := s.Read(t.Context(), mine, func(tx *store.Tx) error {
		if p, err := tx.Partner(other); p != nil || err != nil {
			t.Errorf("partner of another tenant: %v, %v", p, err)
		}
		// The second layer alone: no condition on the tenant at all.
		for _, table := range []string{"roots", "defaults", "partners", "authorizations", "domain_lists"} {
			var n int
			if err := tx.Pgx().QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s: %d rows, %v", table, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), mine, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(t.Context(), `insert into defaults (tenant_id, settings, revision) values ($1, '{}', 1)`, theirs.UUID())
		return err
	})
	if pg.SQLState(err) != "42501" {
		t.Errorf("a row for another tenant: %v", err)
	}
}

// TestPlansUseAnIndex reads the plans as the serving role, with ten thousand
// partners in the tenant.
func TestPlansUseAnIndex(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	of := tenant.New()
	fill(t, db, of, 10_000)
	other := tenant.ID(uuid.UUID{15: 77})
	for name, statement := range map[string]string{
		"point read":        fmt.Sprintf("select * from partners where tenant_id = '%s' and partner_tenant_id = '%s' and deleted_at is null", of, other),
		"first page":        listPlan(""),
		"page":              listPlan(fmt.Sprintf(" and partner_tenant_id > '%s'", other)),
		"by tenant":         listPlan(fmt.Sprintf(" and partner_tenant_id = '%s'", other)),
		"service providers": listPlan(" and is_service_provider = true"),
		"mto members":       listPlan(" and is_in_organization = true"),
		"purge":             fmt.Sprintf("delete from partners where tenant_id = '%s' and deleted_at < now()", of),
	} {
		err := s.Write(t.Context(), of, func(tx *store.Tx) error {
			rows, err := tx.Pgx().Query(t.Context(), "explain "+statement)
			if err != nil {
				return err
			}
			defer rows.Close()
			var plan strings.Builder
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					return err
				}
				plan.WriteString(line + "\n")
			}
			if strings.Contains(plan.String(), "Seq Scan") || strings.Contains(plan.String(), "Sort") && name != "purge" {
				t.Errorf("%s:\n%s", name, plan.String())
			}
			return rows.Err()
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := s.Read(t.Context(), of, func(tx *store.Tx) error {
		page, err := tx.Partners(store.PartnerList{Limit: 10, After: other})
		if err != nil || len(page) != 10 || page[0].TenantID != tenant.ID(uuid.UUID{15: 78}) {
			t.Errorf("page %v, %v", page, err)
		}
		n, err := tx.CountPartners(store.PartnerList{Where: "is_service_provider = $1", Args: []any{true}})
		if err != nil || n != 10 {
			t.Errorf("%d providers, %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func listPlan(where string) string {
	return "select * from partners where tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid and deleted_at is null" +
		where + " order by partner_tenant_id limit 101"
}

// fill inserts partners 1 to n.
func fill(t testing.TB, db *pg.DB, of tenant.ID, n int) {
	t.Helper()
	err := db.Write(t.Context(), of, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(t.Context(), `
			insert into partners (tenant_id, id, partner_tenant_id, settings, is_service_provider, revision, created_at)
			select $1, gen_random_uuid(), lpad(to_hex(i), 32, '0')::uuid, '{}', case when i % 1000 = 0 then true end, 1, now()
			from generate_series(1, $2::int) i`, of.UUID(), n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

package api_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"entente.dev/policy-svc/internal/crosstenant"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// manyPartners gives Contoso n partners, the last of them Fabrikam with a
// listed user, so that the decision reads both halves.
func manyPartners(b *testing.B, e *env, n int) {
	b.Helper()
	e.addPartner(contoso, fabrikam, `{"b2bCollaborationInbound":{"usersAndGroups":{"accessType":"allowed","targets":[{"target":"`+u1+`","targetType":"user"}]},
		"applications":{"accessType":"allowed","targets":[{"target":"`+a1+`","targetType":"application"}]}}}`)
	err := e.db.Write(b.Context(), contoso, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(b.Context(), `
			insert into partners (tenant_id, id, partner_tenant_id, settings, revision, created_at)
			select $1, gen_random_uuid(), lpad(to_hex(i), 32, '0')::uuid,
				(select settings from partners where partner_tenant_id = $3), 1, now() from generate_series(1, $2::int) i`,
			contoso.UUID(), n, fabrikam.UUID())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDecide decides about both tenants inside the process: reading the
// compiled policies and evaluating them.
func BenchmarkDecide(b *testing.B) {
	for _, partners := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("partners=%d", partners), func(b *testing.B) {
			e := start(b)
			manyPartners(b, e, partners)
			u := crosstenant.User{ID: uuid.MustParse(u1)}
			a := crosstenant.Application{Resource: uuid.MustParse(a1)}
			b.ReportAllocs()
			for b.Loop() {
				p, _, err := e.cache.Pair(b.Context(), fabrikam, contoso)
				if err != nil || !p.SignIn(u, a).Allowed() {
					b.Fatal("denied", err)
				}
			}
		})
	}
}

// BenchmarkDecideCold decides about another pair of tenants each time.
func BenchmarkDecideCold(b *testing.B) {
	e := start(b)
	manyPartners(b, e, 10_000)
	for i := 0; b.Loop(); i++ {
		other := tenant.ID(uuid.UUID{14: byte(i >> 8), 15: byte(i%255 + 1)})
		e.cache.Invalidate(contoso)
		if _, _, err := e.cache.Pair(b.Context(), other, contoso); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecideGRPC is a whole call of CheckB2B; p99 is reported beside the
// mean.
func BenchmarkDecideGRPC(b *testing.B) {
	e := start(b)
	manyPartners(b, e, 10_000)
	req := &policypb.CheckB2BRequest{
		ResourceTenantId: contoso.String(), HomeTenantId: fabrikam.String(), Subject: &policypb.Subject{UserId: u1}, AppIds: []string{a1},
	}
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		d, err := e.invitations.CheckB2B(b.Context(), req)
		if err != nil || d.GetOutcome() != policypb.Decision_allow {
			b.Fatal(d, err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

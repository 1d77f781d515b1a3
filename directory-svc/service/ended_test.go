package service_test

import (
	"slices"
	"testing"
	"time"

	"entente.dev/directory-svc/service"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestEndedTenantsAreListedToServices(t *testing.T) {
	t.Parallel()
	db := pgtest.Services(t, pgtest.Schema{Name: service.Schema, Sources: service.Sources()})[service.Schema]
	fake := clocktest.New(time.Now().UTC().Truncate(time.Second))
	s := startOn(t, db.DSN, fake, fake)
	s.tenant("contoso", pb.Tenant_workforce) // has not ended
	first := time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC)
	ids := []string{"00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}
	err := pgtest.OpenService(t, db).Global(t.Context(), func(tx *pg.Tx) error {
		for i, id := range ids {
			tx.Queue("insert into deleted_tenants values ($1, 'x', 'x.example', $2)", id, first.Add(time.Duration((i+1)/2)*time.Second))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tenants := pb.NewTenantDirectoryServiceClient(s.dial("sync-svc"))
	list := func(req *pb.ListEndedTenantsRequest) (ids []string) {
		t.Helper()
		resp, err := tenants.ListEndedTenants(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range resp.Tenants {
			ids = append(ids, e.TenantId)
		}
		return ids
	}
	if got := list(&pb.ListEndedTenantsRequest{}); !slices.Equal(got, ids) {
		t.Errorf("all: %v", got)
	}
	if got := list(&pb.ListEndedTenantsRequest{Limit: 2}); !slices.Equal(got, ids[:2]) {
		t.Errorf("the first two: %v", got)
	}
	second := timestamppb.New(first.Add(time.Second))
	if got := list(&pb.ListEndedTenantsRequest{Since: second}); !slices.Equal(got, ids[1:]) {
		t.Errorf("since the second: %v", got)
	}
	if got := list(&pb.ListEndedTenantsRequest{Since: second, AfterId: ids[1]}); !slices.Equal(got, ids[2:]) {
		t.Errorf("after the second: %v", got)
	}
	_, err = tenants.ListEndedTenants(t.Context(), &pb.ListEndedTenantsRequest{AfterId: "x"})
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	_, err = pb.NewTenantDirectoryServiceClient(s.gateway).ListEndedTenants(s.operatorContext(), &pb.ListEndedTenantsRequest{})
	if err == nil {
		t.Error("the gateway may list the tenants that ended")
	}
}

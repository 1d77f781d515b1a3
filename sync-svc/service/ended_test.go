package service_test

import (
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/ended/endedtest"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"google.golang.org/grpc"

	"entente.dev/sync-svc/service"
)

func TestDIR20NoRowOfAnEndedTenantStays(t *testing.T) {
	t.Parallel()
	db := pgtest.Services(t, pgtest.Schema{Name: "sync", Sources: service.Sources()})["sync"]
	gone := tenant.New()
	directory := sibling(t, "directory-svc", func(r grpc.ServiceRegistrar) {
		directorypb.RegisterTenantDirectoryServiceServer(r, endedtest.Directory{Ended: gone})
	})
	svc, err := service.New(t.Context(), service.Config{DSN: db.DSN, Schema: db.Schema, MaxConns: 4, MasterKey: master},
		service.Deps{Directory: directory, Policy: sibling(t, "policy-svc")})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	endedtest.Check(t, pgtest.OpenService(t, db), gone, svc.Run)
}

package service_test

import (
	"testing"

	"entente.dev/policy-svc/service"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/ended/endedtest"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"google.golang.org/grpc"
)

func TestDIR20NoRowOfAnEndedTenantStays(t *testing.T) {
	t.Parallel()
	db, gone := database(t), tenant.New()
	dir := serve(t, "directory-svc", rpc.ServerConfig{}, func(r grpc.ServiceRegistrar) {
		directorypb.RegisterTenantDirectoryServiceServer(r, endedtest.Directory{Ended: gone})
	})
	svc, err := service.New(t.Context(), service.Config{DSN: db.DSN, Schema: db.Schema, MaxConns: 4}, service.Deps{Directory: dir(service.Name)})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	endedtest.Check(t, pgtest.OpenService(t, db), gone, svc.Run)
}

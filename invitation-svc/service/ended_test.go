package service_test

import (
	"strings"
	"testing"

	"entente.dev/invitation-svc/service"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/ended/endedtest"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
)

func TestDIR20NoRowOfAnEndedTenantStays(t *testing.T) {
	t.Parallel()
	db := pgtest.Services(t, pgtest.Schema{Name: "invitation", Sources: service.Sources()})["invitation"]
	gone := tenant.New()
	siblings := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc"})
	directorypb.RegisterTenantDirectoryServiceServer(siblings, endedtest.Directory{Ended: gone})
	conn := connect(t, serve(t, siblings, "directory-svc"), service.Name)
	svc, err := service.New(t.Context(), service.Config{DSN: db.DSN, OwnerDSN: db.OwnerDSN, ServeRole: db.Role, LoginOrigin: "https://login.entente.example",
		MailFrom: "invites@mail.entente.example", SMTPHost: "127.0.0.1", SMTPPort: 25, SMTPTLS: "none", Key: strings.Repeat("k", 32)},
		service.Deps{Directory: conn, Policy: conn})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	endedtest.Check(t, pgtest.OpenService(t, db), gone, svc.Run)
}

package service_test

import (
	"context"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"entente.dev/policy-svc/service"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/config"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg/cluster"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

var (
	home  = tenant.New()
	other = tenant.New()
)

// directory knows every tenant.
type directory struct {
	directorypb.UnimplementedTenantDirectoryServiceServer
}

func (directory) LookupTenant(_ context.Context, req *directorypb.LookupTenantRequest) (*directorypb.TenantFacts, error) {
	return &directorypb.TenantFacts{TenantId: req.GetTenantId(), DisplayName: "Other"}, nil
}

// administrator verifies every token as an application of the home tenant.
type administrator struct{}

func (administrator) Verify(context.Context, string) (caller.Caller, error) {
	return caller.Caller{Kind: caller.Application, Tenant: home, Permissions: []string{"Policy.ReadWrite.CrossTenantAccess"}}, nil
}

// serve runs an in-process server and answers connections to it.
func serve(t *testing.T, name string, cfg rpc.ServerConfig, register func(grpc.ServiceRegistrar)) func(as string) *rpc.Conn {
	t.Helper()
	cfg.Service = name
	srv := rpc.NewServer(cfg)
	register(srv)
	l, dial := rpc.Local(name)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return func(as string) *rpc.Conn {
		conn, err := dial(as, rpc.ClientConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

func database(t *testing.T) cluster.Service {
	t.Helper()
	return pgtest.Services(t, pgtest.Schema{Name: "policy", Sources: service.Sources()})["policy"]
}

// replica runs one policy-svc on a database.
func replica(t *testing.T, db cluster.Service) func(as string) *rpc.Conn {
	t.Helper()
	dir := serve(t, "directory-svc", rpc.ServerConfig{Verifier: administrator{}}, func(r grpc.ServiceRegistrar) {
		directorypb.RegisterTenantDirectoryServiceServer(r, directory{})
	})
	svc, err := service.New(t.Context(), service.Config{DSN: db.DSN, Schema: db.Schema, MaxConns: 4}, service.Deps{Directory: dir(service.Name)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- svc.Run(ctx) }()
	connect := serve(t, service.Name, rpc.ServerConfig{Verifier: administrator{}, Refused: svc.Refused}, svc.Register)
	t.Cleanup(func() { stop(); <-ran; svc.Close() })
	return connect
}

// TestAChangeReachesTheOtherReplicaInASecond asks one replica for decisions
// while the other changes the policy.
func TestAChangeReachesTheOtherReplicaInASecond(t *testing.T) {
	t.Parallel()
	db := database(t)
	here, there := replica(t, db), replica(t, db)
	policies := policypb.NewCrossTenantAccessPolicyServiceClient(here("gateway"))
	decisions := policypb.NewDecisionServiceClient(there("sync-svc"))
	version := func(ctx context.Context) int64 {
		t.Helper()
		v, err := decisions.GetPolicyVersion(ctx, &policypb.GetPolicyVersionRequest{TenantId: home.String()})
		if err != nil {
			t.Fatal(err)
		}
		return v.GetPolicyVersion()
	}
	before := version(t.Context())
	id := other.String()
	admin := metadata.AppendToOutgoingContext(t.Context(), rpc.MDAuthorization, "Bearer x")
	if _, err := policies.CreatePartner(admin, &policypb.CreatePartnerRequest{
		Partner: &policypb.CrossTenantAccessPolicyConfigurationPartner{TenantId: &id}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for version(ctx) == before {
		// The deadline of ctx ends the wait with an error.
	}
}

func TestAnOutdatedSchemaIsNotServed(t *testing.T) {
	t.Parallel()
	db := pgtest.Services(t, pgtest.Schema{Name: "policy", Sources: service.Sources()[:1]})["policy"]
	cfg := service.Config{DSN: db.DSN, OwnerDSN: db.OwnerDSN, Schema: db.Schema, ServeRole: db.Role}
	dir := serve(t, "directory-svc", rpc.ServerConfig{}, func(grpc.ServiceRegistrar) {})
	_, err := service.New(t.Context(), cfg, service.Deps{Directory: dir(service.Name)})
	if f := fault.From(err); f == nil || f.Reason != errorspb.Reason_SCHEMA_OUTDATED {
		t.Fatalf("before migrate: %v", err)
	}
	for range 2 {
		if err := service.Migrate(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	svc, err := service.New(t.Context(), cfg, service.Deps{Directory: dir(service.Name)})
	if err != nil {
		t.Fatal(err)
	}
	svc.Close()
}

func TestSettings(t *testing.T) {
	t.Parallel()
	var cfg service.Config
	if err := config.Load("", &cfg, []string{"-suite-apps", "x"}, []string{"ENTENTE_DSN=postgres://", "ENTENTE_PAGE_KEY=short"}); err != nil {
		t.Fatal(err)
	}
	err := cfg.Validate()
	if err == nil || !strings.Contains(err.Error(), "32 bytes") || !strings.Contains(err.Error(), "GUID") {
		t.Errorf("bad settings: %v", err)
	}
	if strings.Contains(err.Error(), "short") {
		t.Error("the secret is in the error")
	}
	if (service.Config{DSN: "postgres://", WriteLimit: -1}).Validate() == nil || (service.Config{}).Validate() == nil {
		t.Error("bad settings are accepted")
	}
	if err := config.Load("", &cfg, nil, []string{"ENTENTE_DNS=x"}); err == nil {
		t.Error("an unknown variable is accepted")
	}
}

// layers are the packages of the module by rank: an import points to a lower
// rank, rule packages aside, which import each other's parts only.
var layers = map[string]int{
	"": 5, "service": 4, "internal/api": 3, "internal/snapshot": 2, "internal/access": 2, "internal/store": 1, "internal/migrations": 1,
	"internal/crosstenant": 0, "internal/guestsettings": 0, "internal/patch": -1,
}

// forbidden are imports that a rule package must not have.
var forbidden = []string{"google.golang.org/grpc", "gorm.io", "jackc", "context", "time", "entente.dev/servicekit/pg", "entente.dev/proto/gen/entente/policy"}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	const module = "entente.dev/policy-svc"
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		from := strings.TrimPrefix(strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), ".."), "/")
		rank, known := layers[from]
		if !known {
			t.Errorf("package %s has no rank", from)
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			to := strings.Trim(i.Path.Value, `"`)
			if inside, ok := strings.CutPrefix(to, module); ok {
				if layers[strings.TrimPrefix(inside, "/")] >= rank {
					t.Errorf("%s imports %s", path, to)
				}
				continue
			}
			if strings.HasPrefix(to, "entente.dev/") && !strings.HasPrefix(to, "entente.dev/proto/") && !strings.HasPrefix(to, "entente.dev/servicekit/") {
				t.Errorf("%s imports another service: %s", path, to)
			}
			for _, bad := range forbidden {
				if rank <= 0 && (to == bad || strings.Contains(to, "/") && strings.HasPrefix(to, bad)) {
					t.Errorf("rule file %s imports %s", path, to)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

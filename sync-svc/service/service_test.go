package service_test

import (
	"encoding/base64"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/config"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"

	"entente.dev/sync-svc/service"
)

var master = base64.StdEncoding.EncodeToString(make([]byte, 32))

// sibling is a connection to a service that answers nothing but what is offered.
func sibling(t *testing.T, name string, offers ...func(grpc.ServiceRegistrar)) grpc.ClientConnInterface {
	t.Helper()
	srv := rpc.NewServer(rpc.ServerConfig{Service: name})
	for _, offer := range offers {
		offer(srv)
	}
	l, dial := rpc.Local(name)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	conn, err := dial(service.Name, rpc.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestAnOutdatedSchemaIsNotServed(t *testing.T) {
	t.Parallel()
	db := pgtest.Services(t, pgtest.Schema{Name: "sync", Sources: service.Sources()[1:]})["sync"]
	cfg := service.Config{DSN: db.DSN, OwnerDSN: db.OwnerDSN, Schema: db.Schema, ServeRole: db.Role, MasterKey: master}
	deps := service.Deps{Directory: sibling(t, "directory-svc"), Policy: sibling(t, "policy-svc")}
	_, err := service.New(t.Context(), cfg, deps)
	if f := fault.From(err); f == nil || f.Reason != errorspb.Reason_SCHEMA_OUTDATED {
		t.Fatalf("before migrate: %v", err)
	}
	for range 2 {
		if err := service.Migrate(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	svc, err := service.New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	svc.Close()
}

func TestSettings(t *testing.T) {
	t.Parallel()
	var cfg service.Config
	if err := config.Load("", &cfg, nil, []string{"ENTENTE_DSN=postgres://", "ENTENTE_MASTER_KEY=short", "ENTENTE_PAGE_KEY=brief"}); err != nil {
		t.Fatal(err)
	}
	err := cfg.Validate()
	if err == nil || !strings.Contains(err.Error(), "master key") || !strings.Contains(err.Error(), "page tokens") || strings.Contains(err.Error(), "brief") {
		t.Errorf("bad settings: %v", err)
	}
	bad := service.Config{DSN: "postgres://", MasterKey: master, Batch: 500, LeaseLife: time.Second, LogRetention: time.Hour}
	if err := bad.Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("bad settings: %v", err)
	}
}

// layers are the packages of the module by rank: an import points to a lower
// rank.
var layers = map[string]int{
	"": 9, "service": 8, "internal/api": 7, "internal/jobs": 7, "internal/engine": 6, "internal/access": 5, "internal/store": 5, "internal/migrations": 4,
	"internal/directorytest": 4, "internal/job": 3, "internal/plan": 2, "internal/mapping": 2, "internal/scope": 1, "internal/quarantine": 1, "internal/expression": 0,
}

// pure are rule packages, and what they must not import.
var (
	pure      = []string{"internal/expression", "internal/scope", "internal/mapping", "internal/plan", "internal/quarantine", "internal/job"}
	forbidden = []string{"context", "google.golang.org/grpc", "gorm.io", "jackc", "entente.dev/servicekit/pg", "entente.dev/proto/gen/entente/sync", "entente.dev/proto/gen/entente/directory"}
)

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	const module = "entente.dev/sync-svc"
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
			if inside, ok := strings.CutPrefix(to, module); ok && layers[strings.TrimPrefix(inside, "/")] >= rank {
				t.Errorf("%s imports %s", path, to)
			}
			for _, p := range pure {
				for _, no := range forbidden {
					if from == p && strings.HasPrefix(to, no) {
						t.Errorf("%s, a rule, imports %s", path, to)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

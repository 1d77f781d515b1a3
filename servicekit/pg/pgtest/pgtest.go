package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/cluster"
	"github.com/jackc/pgx/v5"
)

// Schema is what one service keeps in a test database.
type Schema struct {
	Name    string
	Sources []pg.Source
}

// Open clones a migrated database for the test and opens it as the serving
// role of the schema. Everything ends with the test.
func Open(t testing.TB, schema string, sources ...pg.Source) *pg.DB {
	t.Helper()
	s := Services(t, Schema{schema, sources})[schema]
	return OpenService(t, s)
}

// OpenService opens the serving side of a provided schema for the test.
func OpenService(t testing.TB, s cluster.Service) *pg.DB { return OpenWith(t, s, nil) }

// OpenWith is OpenService with parameters of the server for each connection.
func OpenWith(t testing.TB, s cluster.Service, params map[string]string) *pg.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Config{DSN: s.DSN, Schema: s.Schema, MaxConns: 8, Params: params}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// Services clones a database that holds all the schemas and answers by name
// how each is reached, for tests that start whole services.
func Services(t testing.TB, schemas ...Schema) map[string]cluster.Service {
	t.Helper()
	srv, err := theServer()
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	tmpl, err := srv.template(schemas)
	if err != nil {
		t.Fatalf("migrate the test template: %v", err)
	}
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), srv.clones.Add(1))
	if err := srv.exec(fmt.Sprintf("create database %s template %s", name, tmpl.database)); err != nil {
		t.Fatalf("clone test database: %v", err)
	}
	t.Cleanup(func() {
		if err := srv.exec("drop database if exists " + name + " with (force)"); err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	out := make(map[string]cluster.Service, len(tmpl.services))
	for k, s := range tmpl.services {
		s.OwnerDSN, s.DSN = inDatabase(s.OwnerDSN, name), inDatabase(s.DSN, name)
		out[k] = s
	}
	return out
}

// Empty makes a database without schemas and answers a connection string of
// the server's administrator, for tests of provisioning and migration.
func Empty(t testing.TB) (adminDSN string) {
	t.Helper()
	srv, err := theServer()
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	name := fmt.Sprintf("empty_%d_%d", os.Getpid(), srv.clones.Add(1))
	if err := srv.exec("create database " + name); err != nil {
		t.Fatalf("make test database: %v", err)
	}
	t.Cleanup(func() { _ = srv.exec("drop database if exists " + name + " with (force)") })
	return inDatabase(srv.admin, name)
}

// server is the PostgreSQL of this test process.
type server struct {
	admin  string
	key    []byte
	clones atomic.Int64

	// making lets one template be made at a time: roles belong to the server,
	// and two that make the same one collide.
	making    sync.Mutex
	mu        sync.Mutex
	templates map[string]func() (template, error)
}

type template struct {
	database string
	services map[string]cluster.Service
}

var theServer = sync.OnceValues(start)

func start() (*server, error) {
	s := &server{templates: make(map[string]func() (template, error)), key: []byte("tests")}
	if dsn := os.Getenv("ENTENTE_TEST_DSN"); dsn != "" {
		s.admin = dsn
		return s, nil
	}
	dir, err := os.MkdirTemp("", "entente-pg-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // the server may run under another account
		return nil, err
	}
	c, err := cluster.Start(context.Background(), cluster.Config{Dir: dir + "/c", Disposable: true})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	s.admin = c.AdminDSN("postgres")
	return s, removeAfterExit(dir, c.PID())
}

// template migrates once per set of schemas; tests that come meanwhile wait.
func (s *server) template(schemas []Schema) (template, error) {
	h := sha256.New()
	for _, schema := range schemas {
		print, err := pg.Fingerprint(schema.Sources...)
		if err != nil {
			return template{}, err
		}
		fmt.Fprintf(h, "%s\x00%s\x00", schema.Name, print)
	}
	key := hex.EncodeToString(h.Sum(nil))[:16]
	s.mu.Lock()
	made, ok := s.templates[key]
	if !ok {
		made = sync.OnceValues(func() (template, error) { return s.migrate(key, schemas) })
		s.templates[key] = made
	}
	s.mu.Unlock()
	return made()
}

func (s *server) migrate(key string, schemas []Schema) (template, error) {
	s.making.Lock()
	defer s.making.Unlock()
	ctx := context.Background()
	t := template{database: fmt.Sprintf("template_%d_%s", os.Getpid(), key), services: make(map[string]cluster.Service)}
	if err := s.exec("create database " + t.database); err != nil {
		return t, err
	}
	for _, schema := range schemas {
		svc, err := cluster.Provide(ctx, inDatabase(s.admin, t.database), schema.Name, s.key)
		if err != nil {
			return t, err
		}
		if err := pg.Migrate(ctx, svc.OwnerDSN, schema.Name, svc.Role, schema.Sources...); err != nil {
			return t, err
		}
		t.services[schema.Name] = svc
	}
	return t, nil
}

func (s *server) exec(sql string) error {
	ctx := context.Background() // cleanups run after the test's context has ended
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// inDatabase is a connection string with another database.
func inDatabase(dsn, name string) string {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		u.Path = "/" + name
		return u.String()
	}
	return dsn + " dbname='" + name + "'"
}

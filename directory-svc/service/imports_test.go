package service_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "entente.dev/directory-svc"

// rules are the packages that compute and touch nothing: no messages, no
// database, no clock of their own.
var rules = []string{"access", "address", "application", "bulk", "contact", "delta", "dynamic", "extension", "group", "identity", "lockout", "object", "organization", "password", "property", "quota", "role", "rule", "setting", "token", "unit", "usage", "user", "vault"}

// layers says which packages of the module each other package may import.
var layers = map[string][]string{
	"":                    {"service"},
	"service":             {"internal/api", "internal/evaluator", "internal/jobs", "internal/store", "internal/migrations", "rules"},
	"internal/api":        {"internal/purge", "internal/store", "rules"},
	"internal/evaluator":  {"internal/store", "rules"},
	"internal/jobs":       {"internal/purge", "internal/store", "rules"},
	"internal/purge":      {"internal/store", "rules"},
	"internal/store":      {"rules"},
	"internal/migrations": {},
	// What tests open a database with.
	"internal/store/storetest": {"internal/migrations"},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(os.DirFS(".."), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := path.Dir(file)
		if from == "." {
			from = ""
		}
		for _, spec := range parsed.Imports {
			if to := strings.Trim(spec.Path.Value, `"`); !allowed(from, to) {
				t.Errorf("%s imports %s", file, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func isRule(name string) bool {
	return strings.HasPrefix(name, "internal/") && slices.Contains(rules, strings.TrimPrefix(name, "internal/"))
}

func allowed(from, to string) bool {
	own, inside := strings.CutPrefix(to, module+"/")
	if isRule(from) {
		if inside {
			return isRule(own)
		}
		for _, forbidden := range []string{"gorm.io/", "github.com/jackc/", "google.golang.org/grpc", "google.golang.org/protobuf", "entente.dev/proto/gen/entente/directory", "database/sql", "entente.dev/servicekit/pg"} {
			if strings.HasPrefix(to, forbidden) {
				return false
			}
		}
		return to != "context"
	}
	if !inside {
		// SQL is known to the store alone, and gRPC to the layers above it.
		if strings.HasPrefix(to, "gorm.io/") || strings.HasPrefix(to, "github.com/jackc/") {
			return from == "internal/store"
		}
		return from != "internal/store" || !strings.HasPrefix(to, "google.golang.org/grpc") && !strings.HasPrefix(to, "entente.dev/proto/gen/entente/directory")
	}
	permitted, known := layers[from]
	return known && (slices.Contains(permitted, own) || isRule(own) && slices.Contains(permitted, "rules"))
}

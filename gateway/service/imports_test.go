package service

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows are the imports that packages of the gateway may have among
// themselves. Everything knows graph, which knows nobody.
var arrows = map[string][]string{
	"":                {"service"},
	"service":         {"internal/batch", "internal/edge", "internal/limits", "internal/oauth", "internal/pages", "internal/route"},
	"internal/edge":   {"internal/graph", "internal/oauth", "internal/pages"},
	"internal/batch":  {"internal/graph"},
	"internal/limits": {"internal/graph"},
	"internal/oauth":  {"internal/graph"},
	"internal/pages":  {"internal/graph"},
	"internal/route":  {"internal/graph"},
	"internal/graph":  nil,
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	const module = "entente.dev/gateway"
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("..", filepath.Dir(path))
		if err != nil {
			return err
		}
		from := strings.TrimPrefix(filepath.ToSlash(rel), ".")
		allowed, known := arrows[from]
		if !known {
			t.Errorf("package %q is not in the table of arrows", from)
		}
		seen[from] = true
		for _, spec := range file.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			to, own := strings.CutPrefix(target, module)
			switch {
			case own && !slices.Contains(allowed, strings.TrimPrefix(to, "/")):
				t.Errorf("%q imports %s", from, target)
			case !own && strings.HasPrefix(target, "entente.dev/") && !strings.HasPrefix(target, "entente.dev/proto") && !strings.HasPrefix(target, "entente.dev/servicekit/"):
				t.Errorf("%q imports another service: %s", from, target)
			case target == "database/sql" || strings.HasPrefix(target, "gorm.io/") || strings.HasPrefix(target, "github.com/jackc/"):
				t.Errorf("%q imports %s: the gateway has no database", from, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for from := range arrows {
		if !seen[from] {
			t.Errorf("package %q of the table does not exist", from)
		}
	}
}

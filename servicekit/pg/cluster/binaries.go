package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ErrNoBinaries is wrapped by errors that say where the server's programs
// were searched and how to install them. Processes exit with 78 on it.
var ErrNoBinaries = errors.New("no PostgreSQL found")

// binaries finds the directory with initdb and postgres: the given one, else
// the one on the PATH, else the newest where packages put it.
func binaries(given string) (string, error) {
	var searched []string
	has := func(dir string) bool {
		searched = append(searched, dir)
		for _, name := range []string{"initdb", "postgres"} {
			if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.IsDir() {
				return false
			}
		}
		return true
	}
	if given != "" {
		if has(given) {
			return given, nil
		}
		return "", fmt.Errorf("%w: %s has no initdb and postgres", ErrNoBinaries, given)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		// Debian and others put links on the PATH; the server sits beside their target.
		if resolved, err := filepath.EvalSymlinks(path); err == nil && has(filepath.Dir(resolved)) {
			return filepath.Dir(resolved), nil
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"} {
		dirs, _ := filepath.Glob(pattern)
		slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		for _, dir := range dirs {
			if has(dir) {
				return dir, nil
			}
		}
		if len(dirs) == 0 {
			searched = append(searched, pattern)
		}
	}
	return "", fmt.Errorf("%w; searched the PATH and %s.\nInstall it (%s), name its directory, or name a running server with --dsn",
		ErrNoBinaries, strings.Join(searched, ", "), installHint())
}

var digits = regexp.MustCompile(`[0-9]+`)

func versionIn(path string) int {
	n, _ := strconv.Atoi(digits.FindString(path))
	return n
}

func installHint() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql"
	}
	return "Debian, Ubuntu: apt install postgresql; Fedora: dnf install postgresql-server"
}

// checkVersion refuses a data directory that another major version made.
func checkVersion(ctx context.Context, bin, data string) error {
	made, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return fmt.Errorf("read the version of %s: %w", data, err)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "-V").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", bin, err)
	}
	if want, have := versionIn(string(made)), versionIn(string(out)); want != have {
		return fmt.Errorf("%s was made by PostgreSQL %d, the programs in %s are version %d; install version %d or upgrade the folder with pg_upgrade",
			data, want, bin, have, want)
	}
	return nil
}

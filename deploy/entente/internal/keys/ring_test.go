package keys_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"entente.dev/deploy/entente/internal/keys"
)

func open(t *testing.T, dir string) *keys.Ring {
	t.Helper()
	r, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSecretsAreMadeOnceAndDifferFromFolderToFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	first := open(t, dir)
	master, database := read(t, first.MasterKeyFile()), string(first.DatabaseKey())
	again := open(t, dir)
	if read(t, again.MasterKeyFile()) != master || string(again.DatabaseKey()) != database || !again.Operator().Equal(first.Operator()) {
		t.Error("a secret changed on the second opening")
	}
	other := open(t, t.TempDir())
	if read(t, other.MasterKeyFile()) == master || other.Operator().Equal(first.Operator()) || string(other.DatabaseKey()) == database {
		t.Error("two folders share a secret")
	}
}

func TestSecretsAreReadableByTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	open(t, dir)
	for _, name := range []string{".", "master.key", "operator-key.pem", "database.key"} {
		stat, err := os.Stat(filepath.Join(dir, name))
		if err != nil || stat.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, stat.Mode(), err)
		}
	}
}

func TestADamagedSecretIsRefusedNotReplaced(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"master.key", "operator-key.pem", "database.key"} {
		dir := t.TempDir()
		open(t, dir)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if read(t, path) != "damaged" {
			t.Errorf("%s was replaced", name)
		}
	}
}

func TestThePublicFileBelongsToTheOperatorKey(t *testing.T) {
	t.Parallel()
	r := open(t, t.TempDir())
	if !strings.Contains(read(t, r.OperatorPublicKeyFile()), "PUBLIC KEY") {
		t.Error("no public key in the file")
	}
	key, err := keys.ReadOperatorKey(r.OperatorKeyFile())
	if err != nil || !key.Equal(r.Operator()) {
		t.Errorf("the file holds another key: %v", err)
	}
}

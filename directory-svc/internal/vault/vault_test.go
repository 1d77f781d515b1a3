package vault_test

import (
	"bytes"
	"testing"

	"entente.dev/directory-svc/internal/vault"
)

func TestSealOpens(t *testing.T) {
	t.Parallel()
	master := bytes.Repeat([]byte{7}, vault.KeyLength)
	a, err := vault.Derive(master, "a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := vault.Derive(master, "b")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := vault.Seal(a, []byte("secret"), "name")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := vault.Open(a, sealed, "name"); err != nil || string(plain) != "secret" {
		t.Errorf("%q %v", plain, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"the key of another purpose": func() ([]byte, error) { return vault.Open(b, sealed, "name") },
		"another name":               func() ([]byte, error) { return vault.Open(a, sealed, "other") },
		"a changed byte": func() ([]byte, error) {
			return vault.Open(a, append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "name")
		},
		"nothing": func() ([]byte, error) { return vault.Open(a, nil, "name") },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s opened it", name)
		}
	}
	if _, err := vault.Derive(master[:16], "a"); err == nil {
		t.Error("a short master key was accepted")
	}
}

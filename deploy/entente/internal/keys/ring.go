package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"entente.dev/deploy/entente/internal/atomicfile"
)

// keyBytes is the length of an AES-256 key.
const keyBytes = 32

// Ring is the folder of an installation's secrets.
type Ring struct {
	dir      string
	operator *ecdsa.PrivateKey
	master   []byte
	database []byte
	page     []byte

	invitation []byte
}

// Open loads the secrets of the folder and makes those that are missing.
func Open(dir string) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open key folder: %w", err)
	}
	r := &Ring{dir: dir}
	var err error
	if r.master, err = ensureKey(r.MasterKeyFile(), "what the database encrypts is lost"); err != nil {
		return nil, err
	}
	if r.database, err = ensureKey(filepath.Join(dir, "database.key"), "the services cannot log in to the database"); err != nil {
		return nil, err
	}
	if r.page, err = ensureKey(filepath.Join(dir, "page.key"), "links to next pages stop working"); err != nil {
		return nil, err
	}
	if r.invitation, err = ensureKey(filepath.Join(dir, "invitation.key"), "open invitations and passcodes are void"); err != nil {
		return nil, err
	}
	if err := r.ensureOperator(); err != nil {
		return nil, err
	}
	return r, nil
}

// MasterKeyFile holds the master key in base64, for the services' setting.
func (r *Ring) MasterKeyFile() string { return filepath.Join(r.dir, "master.key") }

// MasterKey is the master key in base64.
func (r *Ring) MasterKey() string { return base64.StdEncoding.EncodeToString(r.master) }

// OperatorKeyFile holds the private key that signs operator tokens, in PEM.
func (r *Ring) OperatorKeyFile() string { return OperatorKeyFile(r.dir) }

// OperatorKeyFile is where the key folder dir has the operator's private key.
func OperatorKeyFile(dir string) string { return filepath.Join(dir, "operator-key.pem") }

// OperatorPublicKeyFile holds the key that verifies operator tokens, in PEM;
// it is all that the services need of the pair.
func (r *Ring) OperatorPublicKeyFile() string { return filepath.Join(r.dir, "operator.pem") }

// Operator is the private key that signs operator tokens.
func (r *Ring) Operator() *ecdsa.PrivateKey { return r.operator }

// DatabaseKey decides the passwords of the services' database roles.
func (r *Ring) DatabaseKey() []byte { return r.database }

// InvitationKey is the key from which invitation-svc derives its own, in base64.
func (r *Ring) InvitationKey() string { return base64.StdEncoding.EncodeToString(r.invitation) }

// PageKey seals the gateway's page tokens, in base64.
func (r *Ring) PageKey() string { return base64.StdEncoding.EncodeToString(r.page) }

// ensureKey reads a key of keyBytes in base64, or makes it. loss says what
// could not be read any more without it.
func ensureKey(path, loss string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, keyBytes)
		if _, err := rand.Read(key); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		return key, atomicfile.Write(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s is not a key: %d bytes in base64 are expected; restore it from a backup, without it %s", path, keyBytes, loss)
	}
	return key, nil
}

func (r *Ring) ensureOperator() error {
	key, err := ReadOperatorKey(r.OperatorKeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = newOperatorKey(r.OperatorKeyFile()); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	r.operator = key
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("write operator key: %w", err)
	}
	// Written each time: it costs little and heals a lost or stale copy.
	return atomicfile.Write(r.OperatorPublicKeyFile(), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

func newOperatorKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make operator key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make operator key: %w", err)
	}
	return key, atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// ReadOperatorKey reads the private key of the operator from a PEM file. The
// error is fs.ErrNotExist when there is none.
func ReadOperatorKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read operator key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("read operator key: %s is not PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read operator key: %s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("read operator key: %s is not a P-256 key", path)
	}
	return key, nil
}

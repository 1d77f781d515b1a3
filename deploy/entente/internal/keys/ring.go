package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"entente.dev/deploy/entente/internal/atomicfile"
)

// masterKeyBytes is the length of an AES-256 key.
const masterKeyBytes = 32

// Ring is the folder of an installation's secrets.
type Ring struct {
	dir       string
	operator  *ecdsa.PrivateKey
	passwords map[string]string
}

// Open loads the secrets of the folder and makes those that are missing.
func Open(dir string) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open key folder: %w", err)
	}
	r := &Ring{dir: dir, passwords: make(map[string]string)}
	if err := r.ensureMaster(); err != nil {
		return nil, err
	}
	if err := r.ensureOperator(); err != nil {
		return nil, err
	}
	if err := r.loadPasswords(); err != nil {
		return nil, err
	}
	return r, nil
}

// MasterKeyFile holds the master key in base64, for the services' setting.
func (r *Ring) MasterKeyFile() string { return filepath.Join(r.dir, "master.key") }

// OperatorKeyFile holds the private key that signs operator tokens, in PEM.
func (r *Ring) OperatorKeyFile() string { return OperatorKeyFile(r.dir) }

// OperatorKeyFile is where the key folder dir has the operator's private key.
func OperatorKeyFile(dir string) string { return filepath.Join(dir, "operator-key.pem") }

// OperatorPublicKeyFile holds the key that verifies operator tokens, in PEM;
// it is all that the services need of the pair.
func (r *Ring) OperatorPublicKeyFile() string { return filepath.Join(r.dir, "operator.pem") }

// Operator is the private key that signs operator tokens.
func (r *Ring) Operator() *ecdsa.PrivateKey { return r.operator }

// Password answers the password of a database role, making one when the role
// is new. It is on disk before it is answered. Not safe for concurrent use.
func (r *Ring) Password(role string) (string, error) {
	if p, ok := r.passwords[role]; ok {
		return p, nil
	}
	p, err := random(24)
	if err != nil {
		return "", err
	}
	r.passwords[role] = p
	data, err := json.MarshalIndent(r.passwords, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write database passwords: %w", err)
	}
	if err := atomicfile.Write(r.passwordFile(), append(data, '\n'), 0o600); err != nil {
		delete(r.passwords, role)
		return "", err
	}
	return p, nil
}

func (r *Ring) passwordFile() string { return filepath.Join(r.dir, "database-passwords.json") }

func (r *Ring) loadPasswords() error {
	data, err := os.ReadFile(r.passwordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read database passwords: %w", err)
	}
	if err := json.Unmarshal(data, &r.passwords); err != nil {
		return fmt.Errorf("read database passwords: %s: %w", r.passwordFile(), err)
	}
	return nil
}

func (r *Ring) ensureMaster() error {
	data, err := os.ReadFile(r.MasterKeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, masterKeyBytes)
		if _, err := rand.Read(key); err != nil {
			return fmt.Errorf("make master key: %w", err)
		}
		return atomicfile.Write(r.MasterKeyFile(), []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("read master key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(string(trimNewline(data)))
	if err != nil || len(key) != masterKeyBytes {
		return fmt.Errorf("%s is not a master key: %d bytes in base64 are expected; restore it from a backup, what the database encrypts is lost without it",
			r.MasterKeyFile(), masterKeyBytes)
	}
	return nil
}

func trimNewline(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
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

func random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

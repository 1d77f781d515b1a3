package suitetest

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// issuer signs tokens with the installation's own key, which it opens as the
// directory does: with the master key of the data folder.
type issuer struct {
	id  string
	key *rsa.PrivateKey
}

// As returns a client that acts for a signed-in user: the token says what the
// login page would have put into it. The user's roles come from the directory.
func (s *Suite) As(t testing.TB, tenant Tenant, userID string, scopes ...string) *Graph {
	t.Helper()
	i, err := s.issuer()
	if err != nil {
		t.Fatalf("signing key: %v", err)
	}
	now := time.Now()
	token, err := i.sign(Object{
		"iss": s.LoginURL + "/" + tenant.ID + "/v2.0", "aud": s.GraphURL, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"tid": tenant.ID, "oid": userID, "sub": userID, "appid": uuid.NewString(), "app_displayname": "Portal", "uti": uuid.NewString(),
		"scp": strings.Join(scopes, " "), "ver": "2.0",
	})
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return s.Bearer(t, token)
}

func (i *issuer) sign(claims Object) (string, error) {
	part := func(v any) (string, error) {
		text, err := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text), err
	}
	header, err := part(Object{"alg": "RS256", "typ": "JWT", "kid": i.id})
	if err != nil {
		return "", err
	}
	payload, err := part(claims)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(header + "." + payload))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	return header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// openIssuer reads the newest signing key of a data folder's database.
func openIssuer(dir string) func() (*issuer, error) {
	return sync.OnceValues(func() (*issuer, error) {
		conn, err := connect(dir)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		defer func() { _ = conn.Close(ctx) }()
		var i issuer
		var sealed []byte
		err = conn.QueryRow(ctx, "select kid, private_key from directory.signing_keys where retired_at > now() order by created_at desc limit 1").Scan(&i.id, &sealed)
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(filepath.Join(dir, "keys", "master.key"))
		if err != nil {
			return nil, err
		}
		der, err := unseal(strings.TrimSpace(string(text)), sealed, i.id)
		if err != nil {
			return nil, err
		}
		i.key, err = x509.ParsePKCS1PrivateKey(der)
		return &i, err
	})
}

// connect opens the private database of a data folder as its superuser.
func connect(dir string) (*pgx.Conn, error) {
	password, err := os.ReadFile(filepath.Join(dir, "postgres", "superuser"))
	if err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "postgres", User: url.UserPassword("entente_admin", strings.TrimSpace(string(password))), Path: "/entente"}
	dsn.RawQuery = url.Values{"host": {filepath.Join(dir, "postgres", "run")}, "port": {"5432"}, "sslmode": {"disable"}}.Encode()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return pgx.Connect(ctx, dsn.String())
}

// unseal opens a value that is sealed with AES-GCM under the key for signing
// keys, which derives from the master key in base64.
func unseal(master string, sealed []byte, name string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(master)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	key, err := hkdf.Key(sha256.New, raw, nil, "entente directory signing keys", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, fmt.Errorf("signing key %s is too short", name)
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(name))
}

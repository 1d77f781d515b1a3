package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Times of a signing key (security ground rules, 4.4).
const (
	// Rotation is how long a key signs.
	Rotation = 90 * 24 * time.Hour
	// Overlap is how long a key is still published afterwards: longer than any
	// token it signed.
	Overlap = 24 * time.Hour

	keyBits = 2048
)

// Algorithm is the one algorithm tokens are signed with.
const Algorithm = "RS256"

// Key is one signing key. Private is nil where only verification is needed.
type Key struct {
	ID       string
	Private  *rsa.PrivateKey
	Public   *rsa.PublicKey
	Created  time.Time
	Retired  time.Time // signs nothing from then on
	NotAfter time.Time // the last token signed with it has expired

	header string // encoded JOSE header
}

// NewKey makes a key that signs from now on.
func NewKey(now time.Time) (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	der := x509.MarshalPKCS1PublicKey(&private.PublicKey)
	sum := sha256.Sum256(der)
	return &Key{
		ID: base64.RawURLEncoding.EncodeToString(sum[:16]), Private: private, Public: &private.PublicKey,
		Created: now, Retired: now.Add(Rotation), NotAfter: now.Add(Rotation + Overlap),
	}, nil
}

// Signs reports whether the key may sign at now.
func (k *Key) Signs(now time.Time) bool {
	return k.Private != nil && !now.Before(k.Created) && now.Before(k.Retired)
}

// Active picks the key to sign with: the newest that may. It is nil when all
// are retired.
func Active(keys []*Key, now time.Time) *Key {
	var active *Key
	for _, k := range keys {
		if k.Signs(now) && (active == nil || k.Created.After(active.Created)) {
			active = k
		}
	}
	return active
}

// Prepare computes what signing needs each time. It is called once, before
// the key is shared.
func (k *Key) Prepare() error {
	header, err := json.Marshal(map[string]string{"typ": "JWT", "alg": Algorithm, "kid": k.ID})
	if err != nil {
		return err
	}
	k.header = base64.RawURLEncoding.EncodeToString(header) + "."
	if k.Private != nil {
		k.Private.Precompute()
	}
	return nil
}

// Sign makes the compact JWS of a payload.
func (k *Key) Sign(payload []byte) (string, error) {
	encoding := base64.RawURLEncoding
	size := len(k.header) + encoding.EncodedLen(len(payload))
	out := make([]byte, 0, size+1+encoding.EncodedLen(keyBits/8))
	out = append(out, k.header...)
	out = encoding.AppendEncode(out, payload)
	digest := sha256.Sum256(out)
	signature, err := rsa.SignPKCS1v15(nil, k.Private, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	out = append(out, '.')
	return string(encoding.AppendEncode(out, signature)), nil
}

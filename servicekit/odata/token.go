package odata

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

// Tokens seals positions of lists into opaque tokens. They are encrypted,
// since positions hold property values, and bound to their Scope.
type Tokens struct {
	aead  cipher.AEAD
	clock clock.Clock
}

// Scope is what a token is good for. A token of one scope is refused in any
// other.
type Scope struct {
	Tenant tenant.ID
	Caller string // caller.Caller.ID()
	Route  string // full name of the RPC, or another name of the list
	Query  []byte // hash of the options that decide which rows there are
}

const (
	tokenVersion = 1
	// maxToken bounds what Open looks at; positions are a value and an id.
	maxToken = 8 << 10
)

// NewTokens takes a secret of at least 32 bytes, shared by the replicas of
// the service.
func NewTokens(key []byte, clk clock.Clock) (*Tokens, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("the key of page tokens has %d bytes, it needs 32", len(key))
	}
	derived := sha256.Sum256(append([]byte("entente page tokens\x00"), key...))
	block, err := aes.NewCipher(derived[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Tokens{aead, clk}, nil
}

// Seal makes a token of a position that is good for ttl.
func (t *Tokens) Seal(s Scope, position []byte, ttl time.Duration) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(t.clock.Now().Add(ttl).Unix()))
	plain = append(plain, position...)
	out := make([]byte, 1+t.aead.NonceSize(), 1+t.aead.NonceSize()+len(plain)+t.aead.Overhead())
	out[0] = tokenVersion
	_, _ = rand.Read(out[1:]) // never fails
	return base64.RawURLEncoding.EncodeToString(t.aead.Seal(out, out[1:], plain, s.bytes()))
}

// Open answers the position in a token. Every refusal, whatever the cause, is
// the same INVALID_PAGE_TOKEN.
func (t *Tokens) Open(s Scope, token string) ([]byte, error) {
	refused := fault.Invalid(errorspb.Reason_INVALID_PAGE_TOKEN, "The specified page token value has expired and can no longer be included in your request.")
	if len(token) > maxToken {
		return nil, refused
	}
	// Strict: several spellings of one token would be a token with changed bytes.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	head := 1 + t.aead.NonceSize()
	if err != nil || len(raw) < head || raw[0] != tokenVersion {
		return nil, refused
	}
	plain, err := t.aead.Open(nil, raw[1:head], raw[head:], s.bytes())
	if err != nil || len(plain) < 8 {
		return nil, refused
	}
	if t.clock.Now().Unix() > int64(binary.BigEndian.Uint64(plain)) {
		return nil, refused
	}
	return plain[8:], nil
}

// bytes joins the parts with their lengths, so that no two scopes are alike.
func (s Scope) bytes() []byte {
	out := append([]byte{tokenVersion}, s.Tenant[:]...)
	for _, part := range [][]byte{[]byte(s.Caller), []byte(s.Route), s.Query} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}

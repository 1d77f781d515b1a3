package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// secretBytes is the entropy of a client secret. With 256 random bits a plain
// SHA-256 is a safe verifier: there is nothing to guess at.
const secretBytes = 32

// NewSecret makes a client secret, its verifier, and the first characters by
// which people recognize it.
func NewSecret() (secret string, verifier []byte, hint string) {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails
	secret = base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(secret))
	return secret, sum[:], secret[:3]
}

// Credential is one password or certificate of an application.
type Credential struct {
	KeyID       uuid.UUID
	Verifier    []byte // SHA-256 of a secret; nil for certificates
	Certificate []byte // DER; nil for secrets
	Start, End  time.Time
}

// CheckSecret decides whether secret proves the client with the credentials.
func CheckSecret(credentials []Credential, secret, appID string, now time.Time) error {
	sum := sha256.Sum256([]byte(secret))
	expired := false
	for _, c := range credentials {
		if len(c.Verifier) != len(sum) || subtle.ConstantTimeCompare(c.Verifier, sum[:]) != 1 {
			continue
		}
		if !now.Before(c.End) {
			expired = true
			continue
		}
		if !now.Before(c.Start) {
			return nil
		}
	}
	if expired {
		return fault.Unauthenticated(errorspb.Reason_OAUTH_EXPIRED_SECRET,
			"AADSTS7000222: The provided client secret keys for app '%s' are expired.", appID)
	}
	return invalidClient(appID)
}

func invalidClient(appID string) error {
	return fault.Unauthenticated(errorspb.Reason_OAUTH_INVALID_CLIENT,
		"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
			"not the client secret ID, for a secret added to app '%s'.", appID)
}

package operator

import (
	"crypto/ecdsa"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// What an operator token says about itself; the services check both.
const (
	Issuer   = "entente-operator"
	Audience = "entente-admin"
)

// MaxLife bounds how long a token may hold: the key is at hand wherever a
// token is made, so a long-lived one has no use but being stolen.
const MaxLife = 24 * time.Hour

// Token signs an operator token that holds from now on for life. subject says
// who acts, for the audit ("cli", a person's name).
func Token(key *ecdsa.PrivateKey, subject string, now time.Time, life time.Duration) (string, error) {
	if life <= 0 || life > MaxLife {
		return "", fmt.Errorf("an operator token lives at most %s, not %s", MaxLife, life)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign operator token: %w", err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer:    Issuer,
		Audience:  jwt.Audience{Audience},
		Subject:   subject,
		IssuedAt:  jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now),
		Expiry:    jwt.NewNumericDate(now.Add(life)),
		ID:        uuid.NewString(),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign operator token: %w", err)
	}
	return token, nil
}

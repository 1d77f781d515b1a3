package token

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// AssertionType is the one client_assertion_type that is known.
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	clockSkew    = time.Minute
	maxAssertion = 24 * time.Hour
)

// CheckAssertion decides whether a signed JWT proves the client: signed with
// one of its certificates, issued by and about the client, for one of the
// audiences, within its time (RFC 7523).
func CheckAssertion(credentials []Credential, assertion, appID string, audiences []string, now time.Time) error {
	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256})
	if err != nil || len(parsed.Headers) != 1 {
		return badAssertion("the assertion is malformed or uses another algorithm")
	}
	header := parsed.Headers[0]
	var body jwt.Claims
	verified := false
	for _, c := range credentials {
		if c.Certificate == nil || now.Before(c.Start) || !now.Before(c.End) {
			continue
		}
		certificate, err := x509.ParseCertificate(c.Certificate)
		if err != nil || !names(header, certificate, c) {
			continue
		}
		if err := parsed.Claims(certificate.PublicKey, &body); err == nil {
			verified = true
			break
		}
	}
	switch {
	case !verified:
		return badAssertion("the key was not found")
	case !strings.EqualFold(body.Issuer, appID), !strings.EqualFold(body.Subject, appID):
		return badAssertion("issuer and subject must be the client")
	case !slices.ContainsFunc(body.Audience, func(a string) bool { return slices.Contains(audiences, a) }):
		return badAssertion("the audience is another one")
	case body.Expiry == nil, now.After(body.Expiry.Time().Add(clockSkew)), body.Expiry.Time().After(now.Add(maxAssertion)):
		return badAssertion("the assertion is not within its valid time range")
	case body.NotBefore != nil && now.Add(clockSkew).Before(body.NotBefore.Time()):
		return badAssertion("the assertion is not valid yet")
	}
	return nil
}

// names reports whether the header names the certificate by x5t, x5t#S256 or
// kid, or names none.
func names(header jose.Header, certificate *x509.Certificate, c Credential) bool {
	one, two := sha1.Sum(certificate.Raw), sha256.Sum256(certificate.Raw)
	known := []string{
		base64.RawURLEncoding.EncodeToString(one[:]), base64.RawURLEncoding.EncodeToString(two[:]),
		strings.ToUpper(hex.EncodeToString(one[:])), strings.ToUpper(hex.EncodeToString(two[:])), strings.ToUpper(c.KeyID.String()),
	}
	for _, key := range []jose.HeaderKey{"x5t", "x5t#S256"} {
		if thumbprint, ok := header.ExtraHeaders[key].(string); ok {
			return slices.Contains(known, strings.TrimRight(thumbprint, "="))
		}
	}
	if header.KeyID == "" {
		return true
	}
	return slices.Contains(known, header.KeyID) || slices.Contains(known, strings.ToUpper(header.KeyID))
}

func badAssertion(why string) error {
	return fault.Unauthenticated(errorspb.Reason_OAUTH_INVALID_CLIENT, "AADSTS700027: The client assertion was refused: %s.", why)
}

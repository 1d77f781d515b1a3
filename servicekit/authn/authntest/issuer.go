package authntest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"testing"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/authn"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// Origin and Audience are those of the verifier that Issuer makes.
const (
	Origin   = "https://login.entente.example"
	Audience = "https://graph.entente.example"
	keyID    = "test-key"
)

// Issuer signs tokens and answers for their principals. It implements
// authn.Keys and authn.Principals.
type Issuer struct {
	t        testing.TB
	clock    clock.Clock
	key      *ecdsa.PrivateKey
	operator *ecdsa.PrivateKey

	mu         sync.Mutex
	principals map[principalID]authn.Principal
}

type principalID struct {
	tenant tenant.ID
	object uuid.UUID
}

// New makes an issuer whose tokens begin at the clock's now.
func New(t testing.TB, clk clock.Clock) *Issuer {
	t.Helper()
	i := &Issuer{t: t, clock: clk, principals: make(map[principalID]authn.Principal)}
	for _, k := range []**ecdsa.PrivateKey{&i.key, &i.operator} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		*k = key
	}
	return i
}

// Verifier accepts the tokens of the issuer.
func (i *Issuer) Verifier() *authn.Verifier {
	i.t.Helper()
	v, err := authn.New(authn.Config{LoginOrigin: Origin, Audiences: []string{Audience}, Keys: i, Principals: i,
		OperatorKey: &i.operator.PublicKey, Clock: i.clock})
	if err != nil {
		i.t.Fatal(err)
	}
	return v
}

// Application is a token of an application with these permissions, whose
// principal is known from now on.
func (i *Issuer) Application(t tenant.ID, objectID uuid.UUID, permissions ...string) string {
	appID := uuid.NewSHA1(objectID, []byte("app"))
	i.Set(t, objectID, authn.Principal{Application: true, Enabled: true, TenantActive: true, AppID: appID, DisplayName: "Test application", Permissions: permissions})
	return i.Sign(map[string]any{"tid": t.String(), "oid": objectID.String(), "sub": objectID.String(), "appid": appID.String(), "azp": appID.String(),
		"idtyp": "app", "roles": permissions})
}

// User is a token of a signed-in user with these scopes; roles are over the
// whole tenant.
func (i *Issuer) User(t tenant.ID, objectID uuid.UUID, scopes []string, roles ...string) string {
	p := authn.Principal{Enabled: true, TenantActive: true, DisplayName: "Test user", UserPrincipalName: "user@contoso.example"}
	for _, r := range roles {
		p.Roles = append(p.Roles, caller.Role{Template: r, TemplateID: uuid.NewSHA1(uuid.Nil, []byte(r)), Scope: "/"})
	}
	i.Set(t, objectID, p)
	return i.Sign(map[string]any{"tid": t.String(), "oid": objectID.String(), "sub": objectID.String(), "appid": uuid.NewString(),
		"scp": strings.Join(scopes, " ")})
}

// Operator is a token of the operator.
func (i *Issuer) Operator() string {
	return i.sign(i.operator, "", map[string]any{"iss": authn.OperatorIssuer, "aud": authn.OperatorAudience, "sub": "operator"}, nil)
}

// Set makes p the present state of an account.
func (i *Issuer) Set(t tenant.ID, objectID uuid.UUID, p authn.Principal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.principals[principalID{t, objectID}] = p
}

// Sign is a token with these claims over the usual ones; a nil value leaves a
// claim out.
func (i *Issuer) Sign(claims map[string]any) string { return i.SignWith(claims, nil) }

// SignWith is Sign with header parameters.
func (i *Issuer) SignWith(claims, header map[string]any) string {
	return i.sign(i.key, keyID, claims, header)
}

func (i *Issuer) sign(key *ecdsa.PrivateKey, kid string, claims, header map[string]any) string {
	i.t.Helper()
	now := i.clock.Now().Unix()
	all := map[string]any{"aud": Audience, "iat": now, "nbf": now, "exp": now + 3600, "ver": "2.0", "uti": uuid.NewString()}
	if tid, ok := claims["tid"].(string); ok {
		all["iss"] = Origin + "/" + tid + "/v2.0"
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	for k, v := range header {
		opts = opts.WithHeader(jose.HeaderKey(k), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, opts)
	if err != nil {
		i.t.Fatal(err)
	}
	payload, err := json.Marshal(all)
	if err != nil {
		i.t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

// Key implements authn.Keys.
func (i *Issuer) Key(_ context.Context, kid string) (crypto.PublicKey, string, error) {
	if kid != keyID {
		return nil, "", fault.NotFound(errorspb.Reason_NOT_FOUND, "no such key")
	}
	return &i.key.PublicKey, string(jose.ES256), nil
}

// Principal implements authn.Principals.
func (i *Issuer) Principal(_ context.Context, t tenant.ID, objectID uuid.UUID) (*authn.Principal, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p, ok := i.principals[principalID{t, objectID}]
	if !ok {
		return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "no such principal")
	}
	return &p, nil
}

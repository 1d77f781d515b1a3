package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/token"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAudience(t *testing.T) {
	t.Parallel()
	r := token.Resources{Origins: []string{"https://g.example:8443", "http://127.0.0.1:8080"}}
	for _, c := range []struct {
		name, scope, want string
		refused           errorspb.Reason
	}{
		{"the own origin with a slash", "https://g.example:8443//.default", "https://g.example:8443", 0},
		{"another own origin", "http://127.0.0.1:8080/.default", "https://g.example:8443", 0},
		{"what unmodified clients ask for", "https://graph.microsoft.com/.default openid offline_access profile", "https://g.example:8443", 0},
		{"the id of Graph", token.GraphAppID + "/.default", token.GraphAppID, 0},
		{"a stranger", "https://other.example/.default", "", errorspb.Reason_OAUTH_UNKNOWN_RESOURCE},
		{"a single permission", "https://g.example:8443/User.Read", "", errorspb.Reason_OAUTH_INVALID_SCOPE},
		{"two resources", "https://g.example:8443/.default https://graph.microsoft.com/.default", "", errorspb.Reason_OAUTH_INVALID_SCOPE},
		{"nothing", "openid", "", errorspb.Reason_OAUTH_INVALID_REQUEST},
	} {
		got, err := r.Audience(c.scope)
		if got != c.want || c.refused != 0 && !fault.Is(err, c.refused) || c.refused == 0 && err != nil {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
	}
}

func TestApplicationTokenHasTheClaimsOfTheContract(t *testing.T) {
	t.Parallel()
	key, err := token.NewKey(now)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Prepare(); err != nil {
		t.Fatal(err)
	}
	home := tenant.New()
	c := token.Client{AppID: uuid.New(), ObjectID: uuid.New(), AppDisplayName: "job", Permissions: []string{"User.Read.All"}}
	payload, err := token.Application(c, home, token.Issuer("https://login.example", home), "https://g.example", "id", "1", now)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := key.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(signed, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || parsed.Headers[0].KeyID != key.ID {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := parsed.Claims(key.Public, &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"aud": "https://g.example", "iss": "https://login.example/" + home.String() + "/v2.0", "oid": c.ObjectID.String(), "sub": c.ObjectID.String(),
		"appid": c.AppID.String(), "azp": c.AppID.String(), "idtyp": "app", "tid": home.String(), "ver": "2.0", "exp": float64(now.Add(time.Hour).Unix()), "app_displayname": "job"} {
		if claims[name] != want {
			t.Errorf("%s is %v", name, claims[name])
		}
	}
	if _, ok := claims["scp"]; ok {
		t.Error("an application's token has scopes")
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	key, err := token.NewKey(now)
	if err != nil {
		t.Fatal(err)
	}
	keys := []*token.Key{key}
	for _, c := range []struct {
		at   time.Time
		want bool
	}{{now, true}, {now.Add(-time.Second), false}, {now.Add(token.Rotation - time.Second), true}, {now.Add(token.Rotation), false}} {
		if got := token.Active(keys, c.at) != nil; got != c.want {
			t.Errorf("at %v: %v", c.at, got)
		}
	}
	if key.NotAfter.Sub(key.Retired) < token.Lifetime {
		t.Error("a token may outlive the published key")
	}
}

func TestCheckSecret(t *testing.T) {
	t.Parallel()
	secret, verifier, hint := token.NewSecret()
	other, _, _ := token.NewSecret()
	live := token.Credential{Verifier: verifier, Start: now.Add(-time.Hour), End: now.Add(time.Hour)}
	old := token.Credential{Verifier: verifier, Start: now.Add(-2 * time.Hour), End: now}
	for _, c := range []struct {
		name   string
		held   []token.Credential
		secret string
		want   errorspb.Reason
	}{
		{"right", []token.Credential{live}, secret, 0},
		{"wrong", []token.Credential{live}, other, errorspb.Reason_OAUTH_INVALID_CLIENT},
		{"truncated", []token.Credential{live}, secret[:len(secret)-1], errorspb.Reason_OAUTH_INVALID_CLIENT},
		{"expired", []token.Credential{old}, secret, errorspb.Reason_OAUTH_EXPIRED_SECRET},
		{"expired beside a live one", []token.Credential{old, live}, secret, 0},
		{"none held", nil, secret, errorspb.Reason_OAUTH_INVALID_CLIENT},
	} {
		err := token.CheckSecret(c.held, c.secret, "app", now)
		if c.want == 0 && err != nil || c.want != 0 && !fault.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if !strings.HasPrefix(secret, hint) {
		t.Error(hint)
	}
}

func TestCheckAssertion(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "job"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	held := []token.Credential{{KeyID: uuid.New(), Certificate: der, Start: now.Add(-time.Hour), End: now.Add(time.Hour)}}
	const app, endpoint = "6d1f0b9e-0000-4000-8000-000000000001", "https://login.example/t/oauth2/v2.0/token"
	thumbprint := sha256.Sum256(der)
	sign := func(key *ecdsa.PrivateKey, change func(map[string]any)) string {
		claims := map[string]any{"iss": app, "sub": app, "aud": endpoint, "exp": now.Add(10 * time.Minute).Unix(), "nbf": now.Unix(), "jti": "1"}
		change(claims)
		options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:]))
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(claims)
		signed, err := signer.Sign(raw)
		if err != nil {
			t.Fatal(err)
		}
		out, _ := signed.CompactSerialize()
		return out
	}
	for _, c := range []struct {
		name   string
		key    *ecdsa.PrivateKey
		change func(map[string]any)
		ok     bool
	}{
		{"right", private, func(map[string]any) {}, true},
		{"signed by another key", stranger, func(map[string]any) {}, false},
		{"for another audience", private, func(m map[string]any) { m["aud"] = "https://evil.example" }, false},
		{"about another client", private, func(m map[string]any) { m["sub"] = uuid.NewString() }, false},
		{"expired", private, func(m map[string]any) { m["exp"] = now.Add(-2 * time.Minute).Unix() }, false},
		{"without an end", private, func(m map[string]any) { delete(m, "exp") }, false},
		{"not valid yet", private, func(m map[string]any) { m["nbf"] = now.Add(10 * time.Minute).Unix() }, false},
	} {
		err := token.CheckAssertion(held, sign(c.key, c.change), app, []string{endpoint}, now)
		if c.ok != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if token.CheckAssertion(held, "eyJhbGciOiJub25lIn0.e30.", app, []string{endpoint}, now) == nil {
		t.Error("an unsigned assertion was accepted")
	}
}

func TestPermissionsAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	if value, ok := token.ApplicationPermission(uuid.MustParse("741f803b-c850-494e-b5df-cde7c675a1ca")); !ok || value != "User.ReadWrite.All" {
		t.Errorf("%q %v", value, ok)
	}
}

package authn_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/authn"
	"entente.dev/servicekit/authn/authntest"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var start = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func TestVerifiedCallers(t *testing.T) {
	t.Parallel()
	iss := authntest.New(t, clocktest.New(start))
	v, here, object := iss.Verifier(), tenant.New(), uuid.New()

	got, err := v.Verify(t.Context(), iss.Application(here, object, "User.Read.All", "Group.Read.All"))
	if err != nil || got.Kind != caller.Application || got.Tenant != here || got.ObjectID != object || !got.Has("Group.Read.All") {
		t.Errorf("application: %+v, %v", got, err)
	}
	user := uuid.New()
	got, err = v.Verify(t.Context(), iss.User(here, user, []string{"User.Read", "openid"}, "Global Reader"))
	if err != nil || got.Kind != caller.User || got.ObjectID != user || !got.Has("User.Read") || !got.HasRole("Global Reader") {
		t.Errorf("user: %+v, %v", got, err)
	}
	got, err = v.Verify(t.Context(), iss.Operator())
	if err != nil || got.Kind != caller.Operator || !got.Tenant.IsZero() {
		t.Errorf("operator: %+v, %v", got, err)
	}
}

// TestResistsClaims takes each claim in turn: missing, of another type, an
// array, of another tenant, far away in time.
func TestResistsClaims(t *testing.T) {
	t.Parallel()
	iss := authntest.New(t, clocktest.New(start))
	v, here, other, object := iss.Verifier(), tenant.New(), tenant.New(), uuid.New()
	iss.Application(here, object, "User.Read.All")
	iss.Application(other, object, "User.Read.All")
	appID := uuid.NewSHA1(object, []byte("app")).String()
	base := func() map[string]any {
		return map[string]any{"tid": here.String(), "oid": object.String(), "appid": appID, "idtyp": "app", "roles": []string{"User.Read.All"}}
	}
	if _, err := v.Verify(t.Context(), iss.Sign(base())); err != nil {
		t.Fatal(err)
	}
	now := start.Unix()
	for claim, values := range map[string][]any{
		"aud":   {nil, "", "https://other.example", []string{authntest.Audience}, 7, authn.OperatorAudience},
		"iss":   {nil, "", authntest.Origin, authntest.Origin + "/" + other.String() + "/v2.0", "https://evil.example/" + here.String() + "/v2.0", authn.OperatorIssuer, []string{"x"}},
		"exp":   {nil, "soon", now - 61, []int64{now}},
		"nbf":   {nil, now + 61, "now"},
		"iat":   {nil, now + 61, 1e30},
		"tid":   {nil, other.String(), "x", strings.ToUpper(here.String()) + "x"},
		"oid":   {nil, uuid.NewString(), "x", 7},
		"appid": {nil, uuid.NewString(), "x"},
		"idtyp": {nil, "user"},
		"scp":   {"User.Read"},
		"roles": {"User.Read.All", 7},
	} {
		for _, value := range values {
			c := base()
			c[claim] = value
			if claim == "tid" { // the issuer must not follow along
				c["iss"] = authntest.Origin + "/" + here.String() + "/v2.0"
			}
			if _, err := v.Verify(t.Context(), iss.Sign(c)); fault.From(err) == nil || fault.From(err).Kind != fault.KindUnauthenticated {
				t.Errorf("%s = %v: %v", claim, value, err)
			}
		}
	}
	for name, header := range map[string]map[string]any{
		"kid of nobody": {"kid": "other"},
		"kid empty":     {"kid": ""},
		"jku":           {"jku": "https://evil.example/keys"},
		"x5u":           {"x5u": "https://evil.example/cert"},
		"typ":           {"typ": "id_token"},
		"crit":          {"crit": []string{"b64"}},
	} {
		if _, err := v.Verify(t.Context(), iss.SignWith(base(), header)); !fault.Is(err, errorspb.Reason_UNAUTHENTICATED) {
			t.Errorf("header %s: %v", name, err)
		}
	}
}

func TestResistsForgedTokens(t *testing.T) {
	t.Parallel()
	iss := authntest.New(t, clocktest.New(start))
	v, good := iss.Verifier(), iss.Application(tenant.New(), uuid.New(), "User.Read.All")
	parts := strings.Split(good, ".")
	enc := base64.RawURLEncoding.EncodeToString
	none := enc([]byte(`{"alg":"none","typ":"JWT","kid":"test-key"}`))
	hmac := enc([]byte(`{"alg":"HS256","typ":"JWT","kid":"test-key"}`))
	rs := enc([]byte(`{"alg":"RS256","typ":"JWT","kid":"test-key"}`))
	changed := "A" + parts[2][1:]
	if parts[2][0] == 'A' {
		changed = "B" + parts[2][1:]
	}
	for name, token := range map[string]string{
		"empty":            "",
		"two parts":        parts[0] + "." + parts[1],
		"no signature":     parts[0] + "." + parts[1] + ".",
		"alg none":         none + "." + parts[1] + ".",
		"alg HMAC":         hmac + "." + parts[1] + "." + parts[2],
		"another alg":      rs + "." + parts[1] + "." + parts[2],
		"changed byte":     parts[0] + "." + parts[1] + "." + changed,
		"truncated":        good[:len(good)-1],
		"extended":         good + "A",
		"space":            good + " ",
		"other issuer key": authntest.New(t, clocktest.New(start)).Application(tenant.New(), uuid.New()),
		"a bomb of dots":   strings.Repeat(".", 10<<20),
		"a long one":       strings.Repeat("A", 10<<20),
	} {
		if _, err := v.Verify(t.Context(), token); !fault.Is(err, errorspb.Reason_UNAUTHENTICATED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Errorf("the token itself: %v", err)
	}
}

// TestStateCountsAsItIsNow uses one token over and over, as a cache would
// have it, while its account changes.
func TestStateCountsAsItIsNow(t *testing.T) {
	t.Parallel()
	clk := clocktest.New(start)
	iss := authntest.New(t, clk)
	v, here, object := iss.Verifier(), tenant.New(), uuid.New()
	token := iss.Application(here, object, "User.Read.All", "Group.Read.All")
	p, err := iss.Principal(t.Context(), here, object)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*authn.Principal)
		reason errorspb.Reason
	}{
		"nothing":         {func(*authn.Principal) {}, 0},
		"disabled":        {func(p *authn.Principal) { p.Enabled = false }, errorspb.Reason_UNAUTHENTICATED},
		"suspended":       {func(p *authn.Principal) { p.TenantActive = false }, errorspb.Reason_TENANT_SUSPENDED},
		"revoked":         {func(p *authn.Principal) { p.SessionsValidFrom = start.Add(time.Second) }, errorspb.Reason_UNAUTHENTICATED},
		"revoked before":  {func(p *authn.Principal) { p.SessionsValidFrom = start }, 0},
		"another kind":    {func(p *authn.Principal) { p.Application = false }, errorspb.Reason_UNAUTHENTICATED},
		"another app":     {func(p *authn.Principal) { p.AppID = uuid.New() }, errorspb.Reason_UNAUTHENTICATED},
		"nothing anymore": {func(*authn.Principal) {}, 0},
	} {
		changed := *p
		tc.change(&changed)
		iss.Set(here, object, changed)
		if _, err := v.Verify(t.Context(), token); tc.reason == 0 && err != nil || tc.reason != 0 && !fault.Is(err, tc.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.Permissions = []string{"Group.Read.All", "Directory.ReadWrite.All"}
	iss.Set(here, object, *p)
	got, err := v.Verify(t.Context(), token)
	if diff := cmp.Diff([]string{"Group.Read.All"}, got.Permissions); diff != "" || err != nil {
		t.Errorf("after a permission was withdrawn: %s %v", diff, err)
	}
	clk.Advance(time.Hour + time.Minute)
	if _, err := v.Verify(t.Context(), token); !fault.Is(err, errorspb.Reason_UNAUTHENTICATED) {
		t.Errorf("expired: %v", err)
	}
}

func TestConfigRefusesGaps(t *testing.T) {
	t.Parallel()
	iss := authntest.New(t, clock.System())
	good := authn.Config{LoginOrigin: "https://x", Audiences: []string{"a"}, Keys: iss, Principals: iss, Clock: clock.System()}
	for name, change := range map[string]func(*authn.Config){
		"issuer":         func(c *authn.Config) { c.LoginOrigin = "" },
		"audience":       func(c *authn.Config) { c.Audiences = nil },
		"empty audience": func(c *authn.Config) { c.Audiences = []string{""} },
		"keys":           func(c *authn.Config) { c.Keys = nil },
		"principals":     func(c *authn.Config) { c.Principals = nil },
		"clock":          func(c *authn.Config) { c.Clock = nil },
	} {
		c := good
		change(&c)
		if _, err := authn.New(c); err == nil {
			t.Errorf("without %s", name)
		}
	}
	if _, err := authn.New(good); err != nil {
		t.Error(err)
	}
}

// sameState answers one and the same Principal, as a cache does for a second.
type sameState struct{ p *authn.Principal }

func (s sameState) Principal(context.Context, tenant.ID, uuid.UUID) (*authn.Principal, error) {
	return s.p, nil
}

func TestCallersOfOneTokenShareNothingThatGrows(t *testing.T) {
	t.Parallel()
	clk := clocktest.New(start)
	iss := authntest.New(t, clk)
	here, object := tenant.New(), uuid.New()
	token := iss.Application(here, object, "User.Read.All")
	p, err := iss.Principal(t.Context(), here, object)
	if err != nil {
		t.Fatal(err)
	}
	v, err := authn.New(authn.Config{LoginOrigin: authntest.Origin, Audiences: []string{authntest.Audience}, Keys: iss, Principals: sameState{p}, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	first, err1 := v.Verify(t.Context(), token)
	_ = append(first.Permissions, "Directory.ReadWrite.All")
	first.Permissions = append(first.Permissions, "More")
	second, err2 := v.Verify(t.Context(), token)
	if err1 != nil || err2 != nil || len(second.Permissions) != 1 || len(second.Permissions[:cap(second.Permissions)]) != 1 {
		t.Errorf("%v %v, %v %v", first.Permissions, err1, second.Permissions, err2)
	}
}

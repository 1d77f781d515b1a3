package authn

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// Issuer and audience of operator tokens.
const (
	OperatorIssuer   = "entente-operator"
	OperatorAudience = "entente-admin"
)

const (
	maxToken = 16 << 10
	skew     = 60 * time.Second
)

// Keys finds signing keys.
type Keys interface {
	// Key is the public key with that id and the one algorithm that it may be
	// used with. Unknown ids are a fault NOT_FOUND.
	Key(ctx context.Context, kid string) (key crypto.PublicKey, alg string, err error)
}

// Principals knows users and service principals as they are now.
type Principals interface {
	// Principal answers a fault NOT_FOUND for an object that does not exist or
	// is deleted. Nobody changes a Principal once it was answered.
	Principal(ctx context.Context, t tenant.ID, objectID uuid.UUID) (*Principal, error)
}

// Principal is the state of a user or service principal.
type Principal struct {
	// Application is true for service principals.
	Application  bool
	Enabled      bool
	TenantActive bool
	DisplayName  string
	// UserPrincipalName and Guest are of users.
	UserPrincipalName string
	Guest             bool
	// AppID and Permissions are of service principals.
	AppID       uuid.UUID
	Permissions []string
	Roles       []caller.Role
	// SessionsValidFrom refuses tokens that were issued earlier; zero refuses
	// none.
	SessionsValidFrom time.Time
}

// Config says what tokens are accepted. An empty issuer or audience is an
// error, never a check that is skipped.
type Config struct {
	// LoginOrigin begins the issuers: `{LoginOrigin}/{tenant}/v2.0`.
	LoginOrigin string
	// Audiences are the names of this deployment: the Graph origin and the id
	// 00000003-0000-0000-c000-000000000000.
	Audiences  []string
	Keys       Keys
	Principals Principals
	// OperatorKey verifies operator tokens; nil refuses them.
	OperatorKey crypto.PublicKey
	Clock       clock.Clock
}

// Verifier verifies bearer tokens. It is safe for concurrent use.
type Verifier struct {
	cfg   Config
	known *cache[[sha256.Size]byte, *verified]
}

// verified is a token whose signature and claims were checked, but for what
// changes with time.
type verified struct {
	claims   claims
	operator bool
	tenant   tenant.ID
	object   uuid.UUID
	app      uuid.UUID
	scopes   []string
	// latest is the caller by the state of the account that was seen last.
	latest atomic.Pointer[derived]
}

type derived struct {
	from   *Principal
	caller caller.Caller
}

// New checks the settings.
func New(cfg Config) (*Verifier, error) {
	cfg.LoginOrigin = strings.TrimSuffix(cfg.LoginOrigin, "/")
	switch {
	case cfg.LoginOrigin == "":
		return nil, errors.New("token verification needs the login origin")
	case len(cfg.Audiences) == 0 || slices.Contains(cfg.Audiences, ""):
		return nil, errors.New("token verification needs the audiences of this deployment")
	case cfg.Keys == nil || cfg.Principals == nil:
		return nil, errors.New("token verification needs keys and principals")
	case cfg.Clock == nil:
		return nil, errors.New("token verification needs a clock")
	}
	return &Verifier{cfg: cfg, known: newCache[[sha256.Size]byte, *verified](20_000)}, nil
}

// claims are the claims of both kinds of tokens that are looked at.
type claims struct {
	Issuer   string          `json:"iss"`
	Audience json.RawMessage `json:"aud"`
	Expires  *int64          `json:"exp"`
	NotYet   *int64          `json:"nbf"`
	Issued   *int64          `json:"iat"`

	Tenant  string   `json:"tid"`
	Object  string   `json:"oid"`
	Subject string   `json:"sub"`
	App     string   `json:"appid"`
	AppName string   `json:"app_displayname"`
	Type    string   `json:"idtyp"`
	Roles   []string `json:"roles"`
	Scopes  *string  `json:"scp"`
	TokenID string   `json:"uti"`
}

func refused(format string, args ...any) error {
	return fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, format, args...)
}

var (
	errMalformed = refused("Access token is malformed.")
	errInvalid   = refused("Access token validation failure.")
	errAudience  = refused("Access token validation failure. Invalid audience.")
	errLifetime  = refused("Access token has expired or is not yet valid.")
	errRevoked   = refused("Access token has been revoked.")
)

// Verify implements rpc.Verifier.
func (v *Verifier) Verify(ctx context.Context, bearer string) (caller.Caller, error) {
	if len(bearer) > maxToken || strings.Count(bearer, ".") != 2 {
		return caller.Caller{}, errMalformed
	}
	id := sha256.Sum256([]byte(bearer))
	now := v.cfg.Clock.Now()
	tok, ok := v.known.get(id, now)
	if !ok {
		var err error
		if tok, err = v.check(ctx, bearer); err != nil {
			return caller.Caller{}, err
		}
		v.known.put(id, tok, now, time.Unix(*tok.claims.Expires, 0).Add(skew))
	}
	if err := tok.claims.current(now); err != nil {
		return caller.Caller{}, err
	}
	if tok.operator {
		return caller.Caller{Kind: caller.Operator, DisplayName: tok.claims.Subject, TokenID: tok.claims.TokenID}, nil
	}
	return v.caller(ctx, tok)
}

// check verifies all that never changes about a token.
func (v *Verifier) check(ctx context.Context, bearer string) (*verified, error) {
	jws, err := jose.ParseSignedCompact(bearer, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return nil, errMalformed
	}
	var c claims
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c); err != nil {
		return nil, errMalformed
	}
	header := jws.Signatures[0].Protected
	if !plain(header) {
		return nil, errInvalid
	}
	operator := c.Issuer == OperatorIssuer
	key, alg, err := v.key(ctx, operator, header.KeyID)
	if err != nil {
		return nil, err
	}
	if header.Algorithm != alg {
		return nil, errInvalid
	}
	if _, err := jws.Verify(key); err != nil {
		return nil, errInvalid
	}
	var audience string // an array is refused: one token, one audience
	if err := json.Unmarshal(c.Audience, &audience); err != nil {
		return nil, errAudience
	}
	if c.Expires == nil || c.NotYet == nil && !operator || c.Issued == nil {
		return nil, errInvalid
	}
	if operator {
		if audience != OperatorAudience {
			return nil, errAudience
		}
		return &verified{claims: c, operator: true}, nil
	}
	if !slices.Contains(v.cfg.Audiences, audience) {
		return nil, errAudience
	}
	tok := &verified{claims: c}
	if tok.tenant, err = tenant.Parse(c.Tenant); err != nil || c.Issuer != v.cfg.LoginOrigin+"/"+tok.tenant.String()+"/v2.0" {
		return nil, errInvalid
	}
	if app := c.Type == "app"; app && c.Scopes != nil || !app && (c.Scopes == nil || len(c.Roles) > 0) {
		return nil, errInvalid // neither an application's token nor a user's
	}
	var err1, err2 error
	tok.object, err1 = uuid.Parse(c.Object)
	tok.app, err2 = uuid.Parse(c.App)
	if err1 != nil || err2 != nil {
		return nil, errInvalid
	}
	if c.Scopes != nil {
		tok.scopes = strings.Fields(*c.Scopes)
	}
	return tok, nil
}

// plain accepts headers that bring no key of their own and say what they are.
func plain(h jose.Header) bool {
	if h.JSONWebKey != nil || !strings.EqualFold(typeOf(h), "JWT") && !strings.EqualFold(typeOf(h), "at+jwt") {
		return false
	}
	for _, name := range []jose.HeaderKey{"jku", "x5u", "x5c", "crit", "zip"} {
		if _, ok := h.ExtraHeaders[name]; ok {
			return false
		}
	}
	return true
}

func typeOf(h jose.Header) string {
	s, _ := h.ExtraHeaders[jose.HeaderType].(string)
	return s
}

func (v *Verifier) key(ctx context.Context, operator bool, kid string) (crypto.PublicKey, string, error) {
	if operator {
		if v.cfg.OperatorKey == nil {
			return nil, "", errInvalid
		}
		return v.cfg.OperatorKey, string(jose.ES256), nil
	}
	if kid == "" || len(kid) > 128 {
		return nil, "", errInvalid
	}
	key, alg, err := v.cfg.Keys.Key(ctx, kid)
	if kind, failed := fault.Of(err); failed {
		if kind == fault.KindNotFound {
			return nil, "", errInvalid
		}
		return nil, "", err
	}
	return key, alg, nil
}

// current checks what changes with time.
func (c *claims) current(now time.Time) error {
	at := func(sec int64) time.Time { return time.Unix(sec, 0) }
	if !now.Before(at(*c.Expires).Add(skew)) || at(*c.Issued).After(now.Add(skew)) {
		return errLifetime
	}
	if c.NotYet != nil && at(*c.NotYet).After(now.Add(skew)) {
		return errLifetime
	}
	return nil
}

// caller looks the account up as it is now.
func (v *Verifier) caller(ctx context.Context, tok *verified) (caller.Caller, error) {
	p, err := v.cfg.Principals.Principal(ctx, tok.tenant, tok.object)
	if kind, failed := fault.Of(err); failed {
		if kind == fault.KindNotFound {
			return caller.Caller{}, errRevoked
		}
		return caller.Caller{}, err
	}
	if d := tok.latest.Load(); d != nil && d.from == p {
		return d.caller, nil
	}
	c, err := tok.derive(p)
	if err != nil {
		return caller.Caller{}, err
	}
	tok.latest.Store(&derived{p, c})
	return c, nil
}

// derive is who calls with the token of an account in that state.
func (tok *verified) derive(p *Principal) (caller.Caller, error) {
	c := &tok.claims
	isApp := c.Type == "app"
	switch {
	case !p.TenantActive:
		return caller.Caller{}, fault.Unauthenticated(errorspb.Reason_TENANT_SUSPENDED, "The tenant of the access token is not active.")
	case !p.Enabled, p.Application != isApp, isApp && p.AppID != tok.app:
		return caller.Caller{}, errRevoked
	case *c.Issued < p.SessionsValidFrom.Unix() && !p.SessionsValidFrom.IsZero():
		return caller.Caller{}, errRevoked
	}
	out := caller.Caller{Kind: caller.User, Tenant: tok.tenant, ObjectID: tok.object, AppID: tok.app, AppDisplayName: c.AppName, DisplayName: p.DisplayName,
		UserPrincipalName: p.UserPrincipalName, Guest: p.Guest, Roles: slices.Clip(p.Roles), TokenID: c.TokenID}
	if !isApp {
		out.Permissions = slices.Clip(tok.scopes)
		return out, nil
	}
	out.Kind = caller.Application
	if out.AppDisplayName == "" {
		out.AppDisplayName = p.DisplayName
	}
	// The token says what was granted when it was issued; what was withdrawn
	// since does not count.
	for _, role := range c.Roles {
		if slices.Contains(p.Permissions, role) {
			out.Permissions = append(out.Permissions, role)
		}
	}
	out.Permissions = slices.Clip(out.Permissions)
	return out, nil
}

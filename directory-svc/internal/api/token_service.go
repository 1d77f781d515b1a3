package api

import (
	"context"
	"crypto/x509"
	"strings"
	"sync/atomic"

	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/token"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Keys holds the ring of signing keys that is in use. It is safe for
// concurrent use; the zero value signs nothing.
type Keys struct{ ring atomic.Pointer[[]*token.Key] }

// Set replaces the ring.
func (k *Keys) Set(ring []*token.Key) { k.ring.Store(&ring) }

// All are the keys of the ring.
func (k *Keys) All() []*token.Key {
	if ring := k.ring.Load(); ring != nil {
		return *ring
	}
	return nil
}

// TokenIssuer serves TokenService.
type TokenIssuer struct {
	pb.UnimplementedTokenServiceServer
	*Core
	Ring *Keys
	// Reload reads the ring anew, for a verifier that met an unknown key.
	Reload      func(context.Context) error
	LoginOrigin string
	Resources   token.Resources

	signing singleflight.Group
}

var _ pb.TokenServiceServer = (*TokenIssuer)(nil)

// authority finds the tenant that the first segment of a login URL names.
func (s *TokenIssuer) authority(ctx context.Context, segment string) (*store.Tenant, error) {
	var t *store.Tenant
	id, err := tenant.Parse(segment)
	if err == nil {
		t, err = s.Store.Tenant(ctx, id)
	} else {
		t, err = s.Store.TenantByDomain(ctx, segment)
	}
	switch {
	case fault.Is(err, errorspb.Reason_NOT_FOUND), err == nil && t.State != organization.Active:
		return nil, fault.Invalid(errorspb.Reason_OAUTH_UNKNOWN_TENANT,
			"AADSTS90002: Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", clip(segment))
	case err != nil:
		return nil, err
	}
	return t, nil
}

// IssueToken answers a request for an access token by client credentials
// (WIRE-12 to WIRE-19).
func (s *TokenIssuer) IssueToken(ctx context.Context, req *pb.IssueTokenRequest) (*pb.IssueTokenResponse, error) {
	t, err := s.authority(ctx, req.Authority)
	if err != nil {
		return nil, err
	}
	if req.GrantType != "client_credentials" {
		if req.GrantType == "" {
			return nil, missingParameter("grant_type")
		}
		return nil, fault.Invalid(errorspb.Reason_OAUTH_UNSUPPORTED_GRANT, "AADSTS70003: The app requested an unsupported grant type '%s'.", clip(req.GrantType))
	}
	if req.ClientId == "" {
		return nil, missingParameter("client_id")
	}
	audience, err := s.Resources.Audience(req.Scope)
	if err != nil {
		return nil, err
	}
	appID, err := uuid.Parse(req.ClientId)
	if err != nil || len(req.ClientId) != 36 {
		return nil, unknownApplication(req.ClientId, t)
	}
	client, err := s.Store.Client(ctx, t.ID, appID)
	if err != nil {
		return nil, err
	}
	authentication, err := s.prove(client, appID, req, t)
	if err != nil {
		return nil, err
	}
	signed, err := s.sign(token.Client{AppID: appID, ObjectID: client.ObjectID, AppDisplayName: client.DisplayName, Permissions: client.Permissions}, t, audience, authentication)
	if err != nil {
		return nil, err
	}
	life := int32(token.Lifetime.Seconds()) - 1
	return &pb.IssueTokenResponse{TokenType: "Bearer", ExpiresIn: life, ExtExpiresIn: life, AccessToken: signed}, nil
}

// sign makes the token of a client. Requests that ask for the same token at
// the same moment, each having proved itself, share one signature: it costs
// more than all the rest together.
func (s *TokenIssuer) sign(c token.Client, t *store.Tenant, audience, authentication string) (string, error) {
	same := strings.Join(append([]string{t.ID.String(), c.AppID.String(), c.ObjectID.String(), c.AppDisplayName, audience, authentication}, c.Permissions...), "\x00")
	signed, err, _ := s.signing.Do(same, func() (any, error) {
		now := s.Clock.Now()
		payload, err := token.Application(c, t.ID, token.Issuer(s.LoginOrigin, t.ID), audience, uuid.NewString(), authentication, now)
		if err != nil {
			return "", err
		}
		key := token.Active(s.Ring.All(), now)
		if key == nil {
			return "", fault.Unavailable(errorspb.Reason_UNAVAILABLE, "No signing key is active.")
		}
		return key.Sign(payload)
	})
	if err != nil {
		return "", err
	}
	return signed.(string), nil
}

// prove decides whether the request proves the client, and says how: 1 by
// secret, 2 by certificate.
func (s *TokenIssuer) prove(client *store.Client, appID uuid.UUID, req *pb.IssueTokenRequest, t *store.Tenant) (string, error) {
	switch {
	case !client.Found:
		return "", unknownApplication(req.ClientId, t)
	case !client.Enabled:
		return "", fault.Invalid(errorspb.Reason_OAUTH_CLIENT_DISABLED, "AADSTS7000112: Application '%s' is disabled.", appID)
	case req.ClientAssertion != "":
		if req.ClientAssertionType != token.AssertionType {
			return "", missingParameter("client_assertion_type")
		}
		audiences := []string{req.TokenEndpoint, token.Issuer(s.LoginOrigin, t.ID)}
		return "2", token.CheckAssertion(client.Credentials, req.ClientAssertion, appID.String(), audiences, s.Clock.Now())
	case req.ClientSecret == "":
		return "", fault.Unauthenticated(errorspb.Reason_OAUTH_INVALID_CLIENT,
			"AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	return "1", token.CheckSecret(client.Credentials, req.ClientSecret, appID.String(), s.Clock.Now())
}

func missingParameter(name string) error {
	return fault.Invalid(errorspb.Reason_OAUTH_INVALID_REQUEST, "AADSTS900144: The request body must contain the following parameter: '%s'.", name)
}

func unknownApplication(id string, t *store.Tenant) error {
	return fault.Invalid(errorspb.Reason_OAUTH_UNKNOWN_APPLICATION,
		"AADSTS700016: Application with identifier '%s' was not found in the directory '%s'.", clip(id), t.DisplayName)
}

// ListSigningKeys returns the public keys, current and recent.
func (s *TokenIssuer) ListSigningKeys(ctx context.Context, req *pb.ListSigningKeysRequest) (*pb.ListSigningKeysResponse, error) {
	if req.Refresh && s.Reload != nil {
		if err := s.Reload(ctx); err != nil {
			return nil, err
		}
	}
	out := &pb.ListSigningKeysResponse{}
	for _, k := range s.Ring.All() {
		der, err := x509.MarshalPKIXPublicKey(k.Public)
		if err != nil {
			return nil, err
		}
		out.Keys = append(out.Keys, &pb.SigningKey{Kid: k.ID, Alg: token.Algorithm, PublicKey: der, NotAfter: timestamppb.New(k.NotAfter)})
	}
	return out, nil
}

// ResolveAuthority resolves the tenant segment of a login URL; `common` and
// its like answer themselves.
func (s *TokenIssuer) ResolveAuthority(ctx context.Context, req *pb.ResolveAuthorityRequest) (*pb.ResolveAuthorityResponse, error) {
	switch segment := strings.ToLower(req.Authority); segment {
	case "common", "organizations", "consumers":
		return &pb.ResolveAuthorityResponse{TenantId: segment}, nil
	}
	t, err := s.authority(ctx, req.Authority)
	if err != nil {
		return nil, err
	}
	return &pb.ResolveAuthorityResponse{TenantId: t.ID.String(), DisplayName: t.DisplayName, DefaultDomain: t.DefaultDomain()}, nil
}

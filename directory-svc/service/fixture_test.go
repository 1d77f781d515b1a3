package service_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/service"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/authn"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/rpc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

const (
	loginOrigin = "https://login.test"
	graphOrigin = "https://graph.test"
)

// suite is directory-svc in the test's process, with the real interceptors,
// the real tokens and a database of its own.
type suite struct {
	policies *policies
	t        testing.TB
	svc      *service.Service
	clock    *clocktest.Fake
	operator *ecdsa.PrivateKey
	// signer signs tokens of people, which the token endpoint does not issue by
	// a grant that a test could use.
	signer  *ecdsa.PrivateKey
	dial    func(as string) grpc.ClientConnInterface
	gateway grpc.ClientConnInterface
}

func start(t testing.TB) *suite {
	t.Helper()
	db := pgtest.Services(t, pgtest.Schema{Name: service.Schema, Sources: service.Sources()})[service.Schema]
	fake := clocktest.New(time.Now().UTC().Truncate(time.Second))
	return startOn(t, db.DSN, fake, fake)
}

// startWith uses a name server of the test.
func startWith(t testing.TB, resolver string) *suite {
	t.Helper()
	db := pgtest.Services(t, pgtest.Schema{Name: service.Schema, Sources: service.Sources()})[service.Schema]
	fake := clocktest.New(time.Now().UTC().Truncate(time.Second))
	return startConfig(t, service.Config{DSN: db.DSN, Resolver: resolver, Clock: fake}, fake)
}

func startOn(t testing.TB, dsn string, fake *clocktest.Fake, clk clock.Clock) *suite {
	t.Helper()
	return startConfig(t, service.Config{DSN: dsn, Clock: clk}, fake)
}

func startConfig(t testing.TB, cfg service.Config, fake *clocktest.Fake) *suite {
	t.Helper()
	cfg.MasterKey, cfg.Suffix = base64.StdEncoding.EncodeToString(make([]byte, 32)), "onentente.example"
	cfg.LoginOrigin, cfg.Origins = loginOrigin, []string{graphOrigin}
	clk := cfg.Clock
	policy := &policies{}
	svc, err := service.New(t.Context(), cfg, service.Deps{Policy: policy, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	operator, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{t: t, policies: policy, svc: svc, clock: fake, operator: operator, signer: signer}
	listener, dial := rpc.Local(service.Name)
	s.dial = func(as string) grpc.ClientConnInterface {
		conn, err := dial(as, rpc.ClientConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	self := s.dial(service.Name)
	verifier, err := authn.New(authn.Config{LoginOrigin: loginOrigin, Audiences: []string{graphOrigin}, Keys: withTestKey{authn.KeysFromDirectory(self), signer.Public()},
		Principals: authn.PrincipalsFromDirectory(self), OperatorKey: operator.Public(), Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer(rpc.ServerConfig{Service: service.Name, Verifier: verifier, Refused: svc.Refused, Failed: svc.Failed})
	svc.Register(server)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { _ = server.Serve(listener); done <- struct{}{} }()
	go func() { _ = svc.Run(ctx); done <- struct{}{} }()
	t.Cleanup(func() {
		cancel()
		server.Stop()
		<-done
		<-done
		svc.Close()
	})
	s.gateway = s.dial("gateway")
	return s
}

// as is the context of a call with a bearer token.
func (s *suite) as(bearer string) context.Context {
	return metadata.AppendToOutgoingContext(s.t.Context(), "authorization", "Bearer "+bearer, "entente-request-id", "11111111-1111-4111-8111-111111111111")
}

const testKey = "test"

// withTestKey adds the key of the test to those of the service.
type withTestKey struct {
	authn.Keys
	own crypto.PublicKey
}

func (k withTestKey) Key(ctx context.Context, kid string) (crypto.PublicKey, string, error) {
	if kid == testKey {
		return k.own, string(jose.ES256), nil
	}
	return k.Keys.Key(ctx, kid)
}

// person is the context of a user of the tenant who signed in to an
// application with delegated permissions.
func (h *home) person(id string, scopes ...string) context.Context {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: h.signer, KeyID: testKey}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		h.t.Fatal(err)
	}
	if len(scopes) == 0 {
		scopes = []string{"Directory.AccessAsUser.All"}
	}
	now := h.clock.Now()
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": loginOrigin + "/" + h.id + "/v2.0", "aud": graphOrigin, "tid": h.id, "oid": id, "sub": id, "ver": "2.0",
		"appid": h.app.AppId, "azp": h.app.AppId, "scp": strings.Join(scopes, " "), "uti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}).Serialize()
	if err != nil {
		h.t.Fatal(err)
	}
	return h.as(token)
}

// operatorContext is the context of the installation's operator.
func (s *suite) operatorContext() context.Context {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.operator}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		s.t.Fatal(err)
	}
	now := s.clock.Now()
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": authn.OperatorIssuer, "aud": authn.OperatorAudience, "sub": "operator",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.as(token)
}

// home is a tenant with its administrator application.
type home struct {
	*suite
	id, domain, admin string
	app               *pb.AdministratorApplication
	ctx               context.Context // of the administrator application
}

func (s *suite) tenant(prefix string, kind pb.Tenant_TenantType) *home {
	s.t.Helper()
	tenants := pb.NewTenantServiceClient(s.gateway)
	made, err := tenants.CreateTenant(s.operatorContext(), &pb.CreateTenantRequest{DisplayName: strings.ToUpper(prefix), TenantType: kind, InitialDomainPrefix: prefix,
		CountryLetterCode: "NL", Administrator: &pb.CreateTenantRequest_Administrator{DisplayName: "Admin", UserNamePrefix: "admin"}})
	if err != nil {
		s.t.Fatal(err)
	}
	app, err := tenants.CreateAdministratorApplication(s.operatorContext(), &pb.CreateAdministratorApplicationRequest{TenantId: made.TenantId})
	if err != nil {
		s.t.Fatal(err)
	}
	h := &home{suite: s, id: made.TenantId, domain: made.InitialDomain, admin: made.Administrator.Id, app: app}
	h.ctx = s.as(h.token(app.AppId, app.ClientSecret))
	return h
}

func (h *home) token(client, secret string) string {
	h.t.Helper()
	answer, err := pb.NewTokenServiceClient(h.gateway).IssueToken(h.t.Context(), &pb.IssueTokenRequest{Authority: h.id, GrantType: "client_credentials",
		ClientId: client, ClientSecret: secret, Scope: graphOrigin + "/.default"})
	if err != nil {
		h.t.Fatal(err)
	}
	return answer.AccessToken
}

func (h *home) users() pb.UserServiceClient { return pb.NewUserServiceClient(h.gateway) }

func ptr[T any](v T) *T { return &v }

// draft is a work account that is complete.
func (h *home) draft(name string) *pb.User {
	return &pb.User{AccountEnabled: ptr(true), DisplayName: ptr(name), MailNickname: ptr(name), UserPrincipalName: ptr(name + "@" + h.domain),
		PasswordProfile: &pb.PasswordProfile{Password: ptr("Xk4!rm-qp92Zt")}}
}

func (h *home) user(name string) *pb.User {
	h.t.Helper()
	u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft(name)})
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// audited lists the rows of the audit log of an activity with a result.
func (h *home) audited(activity, result string) []*auditpb.DirectoryAudit {
	h.t.Helper()
	list, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{
		Filter: "activityDisplayName eq '" + activity + "' and result eq '" + result + "'"}})
	if err != nil {
		h.t.Fatal(err)
	}
	return list.Value
}

func wantReason(t testing.TB, err error, reason errorspb.Reason) {
	t.Helper()
	if !fault.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
}

package api_test

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entente.dev/policy-svc/internal/api"
	"entente.dev/policy-svc/internal/migrations"
	"entente.dev/policy-svc/internal/snapshot"
	"entente.dev/policy-svc/internal/store"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/cluster"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

var (
	contoso  = tenant.MustParse("c0000000-0000-4000-8000-000000000001")
	fabrikam = tenant.MustParse("f0000000-0000-4000-8000-000000000002")
	woodgrve = tenant.MustParse("d0000000-0000-4000-8000-000000000003")
)

const (
	u1 = "10000000-0000-4000-8000-000000000001"
	u2 = "10000000-0000-4000-8000-000000000002"
	g1 = "20000000-0000-4000-8000-000000000001"
	a1 = "30000000-0000-4000-8000-000000000001"
	a2 = "30000000-0000-4000-8000-000000000002"
)

// directory is the part of directory-svc that policy-svc asks.
type directory struct {
	directorypb.TenantDirectoryServiceClient
	mu      sync.Mutex
	lookups int
	groups  map[string][]string
	// domains counts look-ups of domains.
	domains atomic.Int64
}

func (d *directory) LookupTenant(_ context.Context, req *directorypb.LookupTenantRequest, _ ...grpc.CallOption) (*directorypb.TenantFacts, error) {
	for id, name := range map[tenant.ID]string{contoso: "Contoso", fabrikam: "Fabrikam", woodgrve: "Woodgrove"} {
		if id.String() == req.GetTenantId() {
			facts := &directorypb.TenantFacts{TenantId: id.String(), DisplayName: name}
			if id == contoso {
				facts.PrivacyContactEmail = "privacy@contoso.com"
			}
			return facts, nil
		}
	}
	return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "no such tenant")
}

func (d *directory) FindTenantByDomain(_ context.Context, req *directorypb.FindTenantByDomainRequest, _ ...grpc.CallOption) (*directorypb.TenantFacts, error) {
	d.domains.Add(1)
	for id, domain := range map[tenant.ID]string{contoso: "contoso.com", fabrikam: "fabrikam.com"} {
		if domain == strings.ToLower(req.GetDomain()) {
			return &directorypb.TenantFacts{TenantId: id.String()}, nil
		}
	}
	return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "no such domain")
}

func (d *directory) ListGroupIds(_ context.Context, req *directorypb.ListGroupIdsRequest, _ ...grpc.CallOption) (*directorypb.ListGroupIdsResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookups++
	groups, ok := d.groups[req.GetObjectId()]
	if !ok {
		return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "no such user")
	}
	return &directorypb.ListGroupIdsResponse{GroupIds: groups}, nil
}

func (d *directory) ResolveHomeAccount(_ context.Context, req *directorypb.ResolveHomeAccountRequest, _ ...grpc.CallOption) (*directorypb.HomeAccount, error) {
	for address, id := range map[string]string{"u1@fabrikam.com": u1, "u2@fabrikam.com": u2} {
		if address == req.GetEmail() {
			return &directorypb.HomeAccount{HomeTenantId: fabrikam.String(), ObjectId: id}, nil
		}
	}
	return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "no such account")
}

func (d *directory) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lookups
}

// tokens verifies bearer tokens of the form tenant/role.
type tokens struct{}

// roles of the tokens; app is an application with every permission.
var roles = map[string]string{
	"ga": "Global Administrator", "sa": "Security Administrator", "sr": "Security Reader", "pra": "Privileged Role Administrator", "member": "",
}

func (tokens) Verify(_ context.Context, bearer string) (caller.Caller, error) {
	id, who, _ := strings.Cut(bearer, "/")
	c := caller.Caller{Kind: caller.User, Tenant: tenant.MustParse(id), ObjectID: uuid.NewSHA1(uuid.Nil, []byte(bearer)), TokenID: bearer}
	c.Permissions = []string{
		"Policy.Read.All", "Policy.ReadWrite.CrossTenantAccess", "Policy.ReadWrite.Authorization", "Policy.ReadWrite.B2BManagementPolicy",
		"Policy.ReadWrite.ExternalIdentities", "AuditLog.Read.All",
	}
	if who == "app" {
		c.Kind = caller.Application
		return c, nil
	}
	role, ok := roles[who]
	if !ok {
		return caller.Caller{}, fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "unknown token")
	}
	if role != "" {
		c.Roles = []caller.Role{{Template: role, Scope: "/"}}
	}
	return c, nil
}

// env is a running policy service on a database of its own.
type env struct {
	t         testing.TB
	db        *pg.DB
	reached   cluster.Service
	clock     *clocktest.Fake
	directory *directory
	cache     *snapshot.Cache
	policies  policypb.CrossTenantAccessPolicyServiceClient
	settings  policypb.CollaborationPolicyServiceClient
	audits    auditpb.AuditServiceClient
	gateway   *rpc.Conn
	// invitations and syncs are the decision point as those services see it.
	invitations, syncs policypb.DecisionServiceClient
}

func start(t testing.TB) *env {
	t.Helper()
	reached := pgtest.Services(t, pgtest.Schema{Name: "policy", Sources: []pg.Source{migrations.Source, audit.Migrations}})["policy"]
	db := pgtest.OpenService(t, reached)
	now := clocktest.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	e := &env{t: t, db: db, reached: reached, clock: now, directory: &directory{groups: map[string][]string{u1: {g1}, u2: {}}}}
	s := store.New(db)
	e.cache = snapshot.New(s, now, "entente.example")
	t.Cleanup(e.cache.Close)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	journal := api.Journal{Store: s, Cache: e.cache, Clock: now, Log: log}
	sealed, err := odata.NewTokens([]byte("0123456789abcdef0123456789abcdef"), now)
	if err != nil {
		t.Fatal(err)
	}

	srv := rpc.NewServer(rpc.ServerConfig{Service: "policy-svc", Verifier: tokens{}, Refused: journal.Denied})
	policypb.RegisterCrossTenantAccessPolicyServiceServer(srv, &api.CrossTenant{Journal: journal, Tenants: e.directory, Tokens: sealed, Cloud: "entente.example", PeerClouds: []string{"peer.example"}})
	policypb.RegisterCollaborationPolicyServiceServer(srv, &api.Collaboration{Journal: journal, Tenants: e.directory})
	policypb.RegisterDecisionServiceServer(srv, &api.Decisions{
		Cache: e.cache, Clock: now, Tenants: e.directory, Groups: e.directory, Accounts: e.directory,
		Suite: map[uuid.UUID]bool{uuid.MustParse(a1): true},
	})
	auditpb.RegisterAuditServiceServer(srv, audit.NewServer(db, sealed, now))
	listener, dial := rpc.Local("policy-svc")
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() { srv.Stop(); <-served })
	connect := func(as string) *rpc.Conn {
		conn, err := dial(as, rpc.ClientConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	e.gateway = connect("gateway")
	e.policies = policypb.NewCrossTenantAccessPolicyServiceClient(e.gateway)
	e.settings = policypb.NewCollaborationPolicyServiceClient(e.gateway)
	e.audits = auditpb.NewAuditServiceClient(e.gateway)
	e.invitations = policypb.NewDecisionServiceClient(connect("invitation-svc"))
	e.syncs = policypb.NewDecisionServiceClient(connect("sync-svc"))
	return e
}

// as is a context with the token of somebody in a tenant.
func (e *env) as(t tenant.ID, who string) context.Context {
	return metadata.AppendToOutgoingContext(e.t.Context(), rpc.MDAuthorization, "Bearer "+t.String()+"/"+who)
}

// read fills a message from JSON, as the facade does, and answers its mask.
func read[M proto.Message](t testing.TB, into M, text string, paths ...string) (M, *fieldmaskpb.FieldMask) {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return into, &fieldmaskpb.FieldMask{Paths: paths}
}

func (e *env) addPartner(of, other tenant.ID, text string) {
	e.t.Helper()
	p, _ := read(e.t, &policypb.CrossTenantAccessPolicyConfigurationPartner{}, text)
	id := other.String()
	p.TenantId = &id
	if _, err := e.policies.CreatePartner(e.as(of, "sa"), &policypb.CreatePartnerRequest{Partner: p}); err != nil {
		e.t.Fatal(err)
	}
}

// patchPartner names the paths that the JSON holds.
func (e *env) patchPartner(of, other tenant.ID, text string, paths ...string) error {
	e.t.Helper()
	p, m := read(e.t, &policypb.CrossTenantAccessPolicyConfigurationPartner{}, text, paths...)
	_, err := e.policies.UpdatePartner(e.as(of, "sa"), &policypb.UpdatePartnerRequest{TenantId: other.String(), Partner: p, UpdateMask: m})
	return err
}

func (e *env) patchDefault(of tenant.ID, text string, paths ...string) error {
	e.t.Helper()
	d, m := read(e.t, &policypb.CrossTenantAccessPolicyConfigurationDefault{}, text, paths...)
	_, err := e.policies.UpdateDefault(e.as(of, "sa"), &policypb.UpdateDefaultRequest{DefaultConfiguration: d, UpdateMask: m})
	return err
}

func (e *env) patchAuthorization(of tenant.ID, text string, paths ...string) error {
	e.t.Helper()
	p, m := read(e.t, &policypb.AuthorizationPolicy{}, text, paths...)
	_, err := e.settings.UpdateAuthorizationPolicy(e.as(of, "ga"), &policypb.UpdateAuthorizationPolicyRequest{Policy: p, UpdateMask: m})
	return err
}

func (e *env) putSync(of, other tenant.ID, text string) error {
	e.t.Helper()
	p, _ := read(e.t, &policypb.CrossTenantIdentitySyncPolicyPartner{}, text)
	_, err := e.policies.PutIdentitySynchronization(e.as(of, "sa"), &policypb.PutIdentitySynchronizationRequest{TenantId: other.String(), IdentitySynchronization: p})
	return err
}

func (e *env) effective(of, other tenant.ID) *policypb.EffectiveAccess {
	e.t.Helper()
	a, err := e.policies.GetEffectiveAccess(e.as(of, "sr"), &policypb.GetEffectiveAccessRequest{TenantId: other.String()})
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

func (e *env) getDefault(of tenant.ID) *policypb.CrossTenantAccessPolicyConfigurationDefault {
	e.t.Helper()
	d, err := e.policies.GetDefault(e.as(of, "sr"), &policypb.GetDefaultRequest{})
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

// events are the audit records of a tenant, oldest first.
func (e *env) events(of tenant.ID) []*auditpb.DirectoryAudit {
	e.t.Helper()
	page, err := e.audits.ListAuditEvents(e.as(of, "ga"), &auditpb.ListAuditEventsRequest{})
	if err != nil {
		e.t.Fatal(err)
	}
	slices.Reverse(page.GetValue())
	return page.GetValue()
}

// last is the newest audit record; each comes a second after the one before.
func (e *env) last(of tenant.ID) *auditpb.DirectoryAudit {
	e.t.Helper()
	all := e.events(of)
	e.clock.Advance(time.Second)
	if len(all) == 0 {
		e.t.Fatal("no audit record")
	}
	return all[len(all)-1]
}

// first is element 0 of the modified properties, which consumers rely on.
func modified(t *testing.T, a *auditpb.DirectoryAudit, i int) *auditpb.ModifiedProperty {
	t.Helper()
	ps := a.GetTargetResources()[0].GetModifiedProperties()
	if len(ps) <= i {
		t.Fatalf("%s has %d modified properties", a.GetActivityDisplayName(), len(ps))
	}
	return ps[i]
}

// refused checks reason and kind of an error.
func refused(t *testing.T, what string, err error, kind fault.Kind, reason errorspb.Reason) {
	t.Helper()
	if f := fault.From(err); err == nil || f.Kind != kind || f.Reason != reason {
		t.Errorf("%s: got %v, want %s", what, err, reason)
	}
}

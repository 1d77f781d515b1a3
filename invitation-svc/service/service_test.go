package service_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/service"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/authn/authntest"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// neighbours serves the fakes over the suite's own transport.
type neighbours struct {
	directorypb.UnimplementedExternalUserServiceServer
	directorypb.UnimplementedTenantDirectoryServiceServer
	directorypb.UnimplementedPrincipalServiceServer
	policypb.UnimplementedDecisionServiceServer
	d *invitetest.Directory
	p *invitetest.Policy
}

func (n neighbours) GetPrincipal(ctx context.Context, r *directorypb.GetPrincipalRequest) (*directorypb.Principal, error) {
	return n.d.GetPrincipal(ctx, r)
}
func (n neighbours) LookupTenant(ctx context.Context, r *directorypb.LookupTenantRequest) (*directorypb.TenantFacts, error) {
	return n.d.LookupTenant(ctx, r)
}
func (n neighbours) FindInviteConflicts(ctx context.Context, r *directorypb.FindInviteConflictsRequest) (*directorypb.FindInviteConflictsResponse, error) {
	return n.d.FindInviteConflicts(ctx, r)
}
func (n neighbours) CreateExternalUser(ctx context.Context, r *directorypb.CreateExternalUserRequest) (*directorypb.CreateExternalUserResponse, error) {
	return n.d.CreateExternalUser(ctx, r)
}
func (n neighbours) GetExternalUser(ctx context.Context, r *directorypb.GetExternalUserRequest) (*directorypb.User, error) {
	return n.d.GetExternalUser(ctx, r)
}
func (n neighbours) BindExternalIdentity(ctx context.Context, r *directorypb.BindExternalIdentityRequest) (*directorypb.User, error) {
	return n.d.BindExternalIdentity(ctx, r)
}
func (n neighbours) CheckInvite(ctx context.Context, r *policypb.CheckInviteRequest) (*policypb.Decision, error) {
	return n.p.CheckInvite(ctx, r)
}
func (n neighbours) GetRedemptionOrder(ctx context.Context, r *policypb.GetRedemptionOrderRequest) (*policypb.RedemptionOrder, error) {
	return n.p.GetRedemptionOrder(ctx, r)
}

// suite is the service behind its interceptors, with background work.
type suite struct {
	issuer  *authntest.Issuer
	dial    rpc.Dialer
	sink    *invitetest.Sink
	dir     *invitetest.Directory
	log     *strings.Builder
	tenant  tenant.ID
	other   tenant.ID
	cfg     service.Config
	gateway *rpc.Conn
}

func serve(t *testing.T, srv *rpc.Server, name string) rpc.Dialer {
	t.Helper()
	l, dial := rpc.Local(name)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return dial
}

func connect(t *testing.T, dial rpc.Dialer, as string) *rpc.Conn {
	t.Helper()
	c, err := dial(as, rpc.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func start(t *testing.T) *suite {
	t.Helper()
	login := pgtest.Services(t, pgtest.Schema{Name: "invitation", Sources: service.Sources()})["invitation"]
	s := &suite{issuer: authntest.New(t, clock.System()), sink: invitetest.NewSink(t), dir: invitetest.NewDirectory(), log: &strings.Builder{}, tenant: tenant.New(), other: tenant.New()}
	s.dir.AddTenant(s.tenant.String(), "Contoso", "contoso.example")
	s.dir.AddTenant(s.other.String(), "Fabrikam", "fabrikam.example")
	n := neighbours{d: s.dir, p: &invitetest.Policy{}}
	siblings := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc", Verifier: s.issuer.Verifier()})
	directorypb.RegisterExternalUserServiceServer(siblings, n)
	directorypb.RegisterTenantDirectoryServiceServer(siblings, n)
	directorypb.RegisterPrincipalServiceServer(siblings, n)
	policypb.RegisterDecisionServiceServer(siblings, n)
	there := connect(t, serve(t, siblings, "directory-svc"), service.Name)
	s.cfg = service.Config{DSN: login.DSN, OwnerDSN: login.OwnerDSN, ServeRole: login.Role, LoginOrigin: "https://login.entente.example", MailFrom: "invites@mail.entente.example",
		SMTPHost: s.sink.Host, SMTPPort: s.sink.Port, SMTPTLS: "none", Key: "0123456789abcdef0123456789abcdef"}
	svc, err := service.New(t.Context(), s.cfg, service.Deps{Directory: there, Policy: there, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(svc.Close)
	server := rpc.NewServer(rpc.ServerConfig{Service: service.Name, Verifier: s.issuer.Verifier(), Log: slog.New(slog.NewJSONHandler(s.log, nil))})
	svc.Register(server)
	s.dial = serve(t, server, service.Name)
	s.gateway = connect(t, s.dial, "gateway")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return s
}

// app is the context of a call by an application of a tenant.
func (s *suite) app(t *testing.T, of tenant.ID, permissions ...string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+s.issuer.Application(of, uuid.New(), permissions...))
}

// TestTheWholeJourneyThroughTheInterceptors invites, is mailed by the queue,
// redeems by passcode, and reads it all back.
func TestTheWholeJourneyThroughTheInterceptors(t *testing.T) {
	t.Parallel()
	s := start(t)
	invites, flows := pb.NewInvitationServiceClient(s.gateway), pb.NewFlowServiceClient(s.gateway)
	admin := s.app(t, s.tenant, "User.ReadWrite.All")
	made, err := invites.CreateInvitation(admin, invitetest.Request("alice@partner.example", invitetest.Mailed))
	if err != nil {
		t.Fatal(err)
	}
	<-s.sink.Arrived()
	open := invitetest.Link(t, invitetest.MailLink(t, s.sink.Last(t)))
	opened, err := flows.OpenLink(t.Context(), open)
	if err != nil {
		t.Fatal(err)
	}
	page, err := flows.GetFlow(t.Context(), &pb.GetFlowRequest{FlowId: opened.FlowId, Verifier: opened.Verifier})
	if err != nil {
		t.Fatal(err)
	}
	verifier := opened.Verifier
	post := func(set func(*pb.AdvanceRequest), want pb.FlowPage_State) {
		t.Helper()
		r := &pb.AdvanceRequest{FlowId: opened.FlowId, Verifier: verifier, FormToken: page.FormToken, State: page.State, IpAddress: "203.0.113.7"}
		set(r)
		if page, err = flows.Advance(t.Context(), r); err != nil || page.State != want {
			t.Fatalf("%v, %v; want %s", page, err, want)
		}
		if page.NewVerifier != "" {
			verifier = page.NewVerifier
		}
	}
	post(invitetest.SendCode, pb.FlowPage_AwaitOtp)
	<-s.sink.Arrived()
	code := invitetest.MailCode(t, s.sink.Last(t))
	post(invitetest.Code(code), pb.FlowPage_Consent)
	post(invitetest.Consent(true), pb.FlowPage_Landed)
	state, err := invites.GetInvitation(admin, &pb.GetInvitationRequest{Id: made.Id})
	if err != nil || state.GetState() != "Completed" || state.GetDeliveryState() != "sent" {
		t.Errorf("%v, %v", state, err)
	}
	for _, secret := range []string{code, open.Ticket, opened.Verifier, verifier, "alice@"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log of calls holds %s", secret)
		}
	}
}

// TestAccessIsDeniedByDefault is the tenant and rights matrix of this service:
// every RPC against every kind of caller who must not get in.
func TestAccessIsDeniedByDefault(t *testing.T) {
	t.Parallel()
	s := start(t)
	made, err := pb.NewInvitationServiceClient(s.gateway).CreateInvitation(s.app(t, s.tenant, "User.Invite.All"), invitetest.Request("alice@partner.example", nil))
	if err != nil {
		t.Fatal(err)
	}
	direct, sync := connect(t, s.dial, ""), connect(t, s.dial, "sync-svc")
	nobody := t.Context()
	powerless := s.app(t, s.tenant, "Group.Read.All")
	stranger := s.app(t, s.other, "User.ReadWrite.All", "Directory.ReadWrite.All")
	for _, file := range []string{"entente/invitation/v1/invitation.proto", "entente/invitation/v1/flow.proto"} {
		fd, err := protoregistry.GlobalFiles.FindFileByPath(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range fd.Services().Len() {
			svc := fd.Services().Get(i)
			for j := range svc.Methods().Len() {
				m := svc.Methods().Get(j)
				access := rpc.AccessOf(m)
				if access == nil {
					t.Errorf("%s declares no access", m.FullName())
					continue
				}
				name := "/" + string(svc.FullName()) + "/" + string(m.Name())
				call := func(conn *rpc.Conn, ctx context.Context) error {
					in, out := message(t, m.Input()), message(t, m.Output())
					fill(in.ProtoReflect(), made.Id)
					return conn.Invoke(ctx, name, in, out)
				}
				if access.Anonymous {
					for who, conn := range map[string]*rpc.Conn{"no service": direct, "sync-svc": sync} {
						if err := call(conn, nobody); !denied(err) {
							t.Errorf("%s lets in %s: %v", m.Name(), who, err)
						}
					}
					continue
				}
				for who, ctx := range map[string]context.Context{"nobody": nobody, "an application without the permission": powerless} {
					if err := call(direct, ctx); !denied(err) {
						t.Errorf("%s lets in %s: %v", m.Name(), who, err)
					}
				}
				if len(access.Application) == 0 {
					if err := call(direct, stranger); !denied(err) {
						t.Errorf("%s is for people and lets in an application: %v", m.Name(), err)
					}
				} else if m.Input().Fields().ByName("id") != nil {
					if err := call(direct, stranger); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
						t.Errorf("%s answers another tenant: %v", m.Name(), err)
					}
				}
			}
		}
	}
}

func denied(err error) bool {
	return fault.Is(err, errorspb.Reason_UNAUTHENTICATED) || fault.Is(err, errorspb.Reason_ACCESS_DENIED)
}

func message(t *testing.T, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	mt, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return mt.New().Interface()
}

// fill sets ids and required messages, so that a call gets as far as it can.
func fill(m protoreflect.Message, id string) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case f.Name() == "id" || f.Name() == "flow_id":
			m.Set(f, protoreflect.ValueOfString(id))
		case f.Name() == "invitation" || f.Name() == "settings":
			m.Set(f, m.NewField(f))
		}
	}
}

func TestAnOlderSchemaIsRefused(t *testing.T) {
	t.Parallel()
	login := pgtest.Services(t, pgtest.Schema{Name: "invitation", Sources: service.Sources()[:2]})["invitation"]
	cfg := service.Config{DSN: login.DSN, OwnerDSN: login.OwnerDSN, ServeRole: login.Role, LoginOrigin: "https://login.entente.example", MailFrom: "invites@mail.entente.example",
		SMTPHost: "127.0.0.1", SMTPPort: 25, SMTPTLS: "none", Key: strings.Repeat("k", 32)}
	conn := connect(t, serve(t, rpc.NewServer(rpc.ServerConfig{Service: "directory-svc"}), "directory-svc"), service.Name)
	deps := service.Deps{Directory: conn, Policy: conn}
	if _, err := service.New(t.Context(), cfg, deps); !fault.Is(err, errorspb.Reason_SCHEMA_OUTDATED) {
		t.Fatalf("got %v", err)
	}
	for range 2 { // twice is the same as once
		if err := service.Migrate(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	svc, err := service.New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	svc.Close()
	if err := pgPing(t, login.DSN); err != nil {
		t.Error(err)
	}
}

func pgPing(t *testing.T, dsn string) error {
	db, err := pg.Open(t.Context(), pg.Config{DSN: dsn, Schema: "invitation"}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Ping(t.Context())
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	good := service.Config{DSN: "postgres://x", LoginOrigin: "https://login.example", MailFrom: "a@b.example", SMTPHost: "mail.example", SMTPPort: 587, SMTPTLS: "required", Key: strings.Repeat("k", 32)}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*service.Config){
		"no database":             func(c *service.Config) { c.DSN = "" },
		"no origin":               func(c *service.Config) { c.LoginOrigin = "" },
		"origin with a path":      func(c *service.Config) { c.LoginOrigin = "https://login.example/x" },
		"plain http elsewhere":    func(c *service.Config) { c.LoginOrigin = "http://login.example" },
		"no sender":               func(c *service.Config) { c.MailFrom = "" },
		"sender with a line end":  func(c *service.Config) { c.MailFrom = "a@b.example\r\nBcc: x@y.example" },
		"no relay":                func(c *service.Config) { c.SMTPHost = "" },
		"relay without TLS":       func(c *service.Config) { c.SMTPTLS = "none" },
		"short key":               func(c *service.Config) { c.Key = "short" },
		"link for a minute":       func(c *service.Config) { c.LinkLifetime = time.Minute },
		"code for an hour":        func(c *service.Config) { c.PasscodeValidity = time.Hour },
		"panel without a host":    func(c *service.Config) { c.PanelURL = "/apps" },
		"panel with a query":      func(c *service.Config) { c.PanelURL = "https://a.example/?x" },
		"origin with credentials": func(c *service.Config) { c.LoginOrigin = "https://a:b@login.example" },
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestImportsPointOneWay reads the sources: rules know nobody, the store knows
// rules, acts know the store, handlers and background work know acts.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	rank := map[string]int{"invitation": 0, "ticket": 0, "passcode": 0, "throttle": 0, "redemption": 0, "mail": 0, "migrations": 0,
		"store": 1, "smtp": 1, "saga": 2, "flow": 3, "api": 4, "jobs": 4, "invitetest": 5}
	pure := []string{"gorm.io", "google.golang.org/grpc", "github.com/jackc", "\"net/http\"", "database/sql", "\"context\"", "servicekit/pg"}
	dirs, err := filepath.Glob("../internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		from := filepath.Base(dir)
		level, known := rank[from]
		if !known {
			t.Errorf("package %s has no place in the order", from)
		}
		files, _ := filepath.Glob(dir + "/*.go")
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, _, _ := strings.Cut(string(raw), "\n)\n")
			for _, line := range strings.Split(head, "\n") {
				_, to, ours := strings.Cut(line, "\"entente.dev/invitation-svc/internal/")
				to = strings.TrimSuffix(to, "\"")
				if ours && rank[to] >= level {
					t.Errorf("%s imports %s", from, to)
				}
				for _, p := range pure {
					if level == 0 && from != "migrations" && strings.Contains(line, p) && !strings.Contains(line, "//") {
						t.Errorf("the rules of %s import %s", from, strings.TrimSpace(line))
					}
				}
			}
		}
	}
}

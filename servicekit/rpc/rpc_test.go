package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// users and principals are services whose answers a test decides.
type users struct {
	directorypb.UnimplementedUserServiceServer
	get func(context.Context, *directorypb.GetUserRequest) (*directorypb.User, error)
}

func (u *users) GetUser(ctx context.Context, req *directorypb.GetUserRequest) (*directorypb.User, error) {
	return u.get(ctx, req)
}

type feed struct {
	directorypb.UnimplementedChangeFeedServiceServer
	watch func(*directorypb.WatchChangesRequest, grpc.ServerStreamingServer[directorypb.ChangeHint]) error
}

func (f *feed) WatchChanges(req *directorypb.WatchChangesRequest, s grpc.ServerStreamingServer[directorypb.ChangeHint]) error {
	return f.watch(req, s)
}

// tokens verifies the tokens it lists.
type tokens map[string]caller.Caller

func (v tokens) Verify(_ context.Context, bearer string) (caller.Caller, error) {
	c, ok := v[bearer]
	if !ok {
		return caller.Caller{}, fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token validation failure.")
	}
	return c, nil
}

var (
	here   = tenant.New()
	reader = caller.Caller{Kind: caller.Application, Tenant: here, Permissions: []string{"User.Read.All"}, TokenID: "t1"}
)

type fixture struct {
	users *users
	feed  *feed
	log   *lockedBuffer
	dial  func(as string) grpc.ClientConnInterface
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// starter starts a server that is reached in one of the ways.
type starter func(t *testing.T, reg prometheus.Registerer) *fixture

// bothWays runs a test with frames and without: nobody can tell the
// difference.
func bothWays(t *testing.T, test func(t *testing.T, start starter)) {
	t.Parallel()
	for name, framed := range map[string]bool{"framed": true, "direct": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t *testing.T, reg prometheus.Registerer) *fixture {
				t.Helper()
				return serve(t, reg, framed)
			})
		})
	}
}

func serve(t *testing.T, reg prometheus.Registerer, framed bool) *fixture {
	t.Helper()
	f := &fixture{users: &users{}, feed: &feed{}, log: &lockedBuffer{}}
	srv := rpc.NewServer(rpc.ServerConfig{
		Service: "directory-svc", Verifier: tokens{"reader": reader}, Log: slog.New(slog.NewJSONHandler(f.log, nil)), Registry: reg,
	})
	directorypb.RegisterUserServiceServer(srv, f.users)
	directorypb.RegisterChangeFeedServiceServer(srv, f.feed)
	l, dialer := rpc.Local("directory-svc")
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	first, err := dialer("", rpc.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	// What is answered is served: from here on calls may go direct.
	if _, err := grpc_health_v1.NewHealthClient(first.ClientConn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	f.dial = func(as string) grpc.ClientConnInterface {
		conn, err := dialer(as, rpc.ClientConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if framed {
			return conn.ClientConn
		}
		return conn
	}
	return f
}

func bearer(ctx context.Context, token string, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, append(pairs, "authorization", "Bearer "+token)...)
}

func TestHandlerSeesTheVerifiedCaller(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, prometheus.NewRegistry())
		var got caller.Caller
		f.users.get = func(ctx context.Context, _ *directorypb.GetUserRequest) (*directorypb.User, error) {
			got = caller.From(ctx)
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no deadline")
			}
			return &directorypb.User{}, nil
		}
		ctx := bearer(t.Context(), "reader", rpc.MDRequestID, "r1", rpc.MDClientRequestID, "c1", rpc.MDClientIP, "192.0.2.7",
			rpc.MDAPIVersion, "beta", rpc.MDConsistency, "Eventual", rpc.MDPathTenant, strings.ToUpper(here.String()))
		if _, err := directorypb.NewUserServiceClient(f.dial("gateway")).GetUser(ctx, &directorypb.GetUserRequest{Id: "x"}); err != nil {
			t.Fatal(err)
		}
		want := reader
		want.Service, want.RequestID, want.ClientRequestID, want.APIVersion, want.Advanced = "gateway", "r1", "c1", "beta", true
		want.IP = netip.MustParseAddr("192.0.2.7")
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRefusals(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		f.users.get = func(context.Context, *directorypb.GetUserRequest) (*directorypb.User, error) {
			t.Error("the handler ran")
			return nil, nil
		}
		c := directorypb.NewUserServiceClient(f.dial("gateway"))
		ok := &directorypb.GetUserRequest{Id: "x"}
		for name, tc := range map[string]struct {
			ctx    context.Context
			req    *directorypb.GetUserRequest
			reason errorspb.Reason
		}{
			"no token":           {t.Context(), ok, errorspb.Reason_UNAUTHENTICATED},
			"unknown token":      {bearer(t.Context(), "forged"), ok, errorspb.Reason_UNAUTHENTICATED},
			"another scheme":     {metadata.AppendToOutgoingContext(t.Context(), "authorization", "Basic reader"), ok, errorspb.Reason_UNAUTHENTICATED},
			"tenant of the path": {bearer(t.Context(), "reader", rpc.MDPathTenant, tenant.New().String()), ok, errorspb.Reason_ACCESS_DENIED},
			"required field":     {bearer(t.Context(), "reader"), &directorypb.GetUserRequest{}, errorspb.Reason_INVALID_REQUEST},
		} {
			if _, err := c.GetUser(tc.ctx, tc.req); !fault.Is(err, tc.reason) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := c.CreateUser(bearer(t.Context(), "reader"), &directorypb.CreateUserRequest{User: &directorypb.User{}})
		if !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
			t.Errorf("without the permission: %v", err)
		}
		// A method that exists in no descriptor, and raw forms of a path.
		for _, method := range []string{"/entente.directory.v1.UserService/Nothing", "entente.directory.v1.UserService/GetUser",
			"//entente.directory.v1.UserService/GetUser", "/entente.directory.v1.userservice/GetUser"} {
			err := f.dial("gateway").Invoke(bearer(t.Context(), "reader"), method, ok, &emptypb.Empty{})
			if err == nil {
				t.Errorf("%s is answered", method)
			}
		}
	})
}

func TestFaultsCrossUnchanged(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		want := fault.Precondition(errorspb.Reason_OBJECT_CONFLICT, "Another object has it.").WithMeta("property", "mail").
			WithViolation("mail", "taken", "ObjectConflict").WithRetryAfter(2 * time.Second)
		f.users.get = func(context.Context, *directorypb.GetUserRequest) (*directorypb.User, error) {
			return nil, errors.Join(errors.New("load"), want.WithCause(errors.New("SQL text")))
		}
		_, err := directorypb.NewUserServiceClient(f.dial("gateway")).GetUser(bearer(t.Context(), "reader"), &directorypb.GetUserRequest{Id: "x"})
		if diff := cmp.Diff(want, fault.From(err), cmpopts.IgnoreUnexported(fault.Error{})); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPanicAndUntypedErrorsBecomeInternal(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		c := directorypb.NewUserServiceClient(f.dial("gateway"))
		for name, get := range map[string]func(context.Context, *directorypb.GetUserRequest) (*directorypb.User, error){
			"panic": func(context.Context, *directorypb.GetUserRequest) (*directorypb.User, error) { panic("canary-panic") },
			"untyped": func(context.Context, *directorypb.GetUserRequest) (*directorypb.User, error) {
				return nil, errors.New("canary-cause")
			},
		} {
			f.users.get = get
			_, err := c.GetUser(bearer(t.Context(), "reader"), &directorypb.GetUserRequest{Id: "x"})
			if !fault.Is(err, errorspb.Reason_INTERNAL) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, text := range []string{"canary-panic", "canary-cause", `"level":"ERROR"`} {
			if !strings.Contains(f.log.String(), text) {
				t.Errorf("the log lacks %s", text)
			}
		}
	})
}

func TestResistsSecretsInLogs(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		f.users.get = func(context.Context, *directorypb.GetUserRequest) (*directorypb.User, error) {
			return nil, errors.New("broken")
		}
		c := directorypb.NewUserServiceClient(f.dial("gateway"))
		for _, token := range []string{"reader", "canary-token-1234"} {
			_, _ = c.GetUser(bearer(t.Context(), token), &directorypb.GetUserRequest{Id: "canary-name@contoso.example"})
		}
		text := f.log.String()
		if strings.Contains(text, "canary") || strings.Contains(text, "Bearer") {
			t.Errorf("the log holds a secret or a name:\n%s", text)
		}
		if strings.Count(text, "\n") != 2 {
			t.Errorf("not one line per RPC:\n%s", text)
		}
	})
}

func TestDeadlineKeepsAReserve(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		const timeout = 10 * time.Second
		var left time.Duration
		f.users.get = func(ctx context.Context, req *directorypb.GetUserRequest) (*directorypb.User, error) {
			if req.Id == "look" {
				deadline, _ := ctx.Deadline()
				left = time.Until(deadline)
				return &directorypb.User{}, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		users := directorypb.NewUserServiceClient(f.dial("gateway"))
		ctx, cancel := context.WithTimeout(bearer(t.Context(), "reader"), timeout)
		defer cancel()
		// However long the way took, the handler has the reserve less than its caller.
		if _, err := users.GetUser(ctx, &directorypb.GetUserRequest{Id: "look"}); err != nil || left <= 0 || left > timeout-20*time.Millisecond {
			t.Errorf("%v with %v left", err, left)
		}
		short, cancel := context.WithTimeout(bearer(t.Context(), "reader"), 100*time.Millisecond)
		defer cancel()
		if _, err := users.GetUser(short, &directorypb.GetUserRequest{Id: "wait"}); !fault.Is(err, errorspb.Reason_DEADLINE) {
			t.Errorf("a call that outlives its deadline: %v", err)
		}
	})
}

func TestStreamsAreGuarded(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		f.feed.watch = func(req *directorypb.WatchChangesRequest, s grpc.ServerStreamingServer[directorypb.ChangeHint]) error {
			if c := caller.From(s.Context()); c.Kind != caller.Service || c.Service != "sync-svc" {
				t.Errorf("caller %+v", c)
			}
			if err := s.Send(&directorypb.ChangeHint{TenantId: req.TenantIds[0]}); err != nil {
				return err
			}
			return fault.Aborted(errorspb.Reason_FENCED, "over")
		}
		req := &directorypb.WatchChangesRequest{TenantIds: []string{here.String()}}
		s, err := directorypb.NewChangeFeedServiceClient(f.dial("sync-svc")).WatchChanges(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if hint, err := s.Recv(); err != nil || hint.TenantId != here.String() {
			t.Errorf("Recv: %v, %v", hint, err)
		}
		if _, err := s.Recv(); !fault.Is(err, errorspb.Reason_FENCED) {
			t.Errorf("end of the stream: %v", err)
		}
		s, err = directorypb.NewChangeFeedServiceClient(f.dial("gateway")).WatchChanges(bearer(t.Context(), "reader"), req)
		if err == nil {
			_, err = s.Recv()
		}
		if !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
			t.Errorf("a caller that is not listed: %v", err)
		}
	})
}

func TestCallsOnwardsCarryTheOriginatingCaller(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		back := start(t, nil)
		var got []caller.Caller
		back.users.get = func(ctx context.Context, _ *directorypb.GetUserRequest) (*directorypb.User, error) {
			got = append(got, caller.From(ctx))
			return &directorypb.User{}, nil
		}
		next := directorypb.NewUserServiceClient(back.dial("invitation-svc"))
		front := start(t, nil)
		front.users.get = func(ctx context.Context, req *directorypb.GetUserRequest) (*directorypb.User, error) {
			if _, err := next.GetUser(rpc.AsService(ctx), req); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
				t.Errorf("for itself the service is admitted: %v", err)
			}
			return next.GetUser(ctx, req)
		}
		ctx := bearer(t.Context(), "reader", rpc.MDRequestID, "r7", rpc.MDClientIP, "192.0.2.7")
		if _, err := directorypb.NewUserServiceClient(front.dial("gateway")).GetUser(ctx, &directorypb.GetUserRequest{Id: "x"}); err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Tenant != here || got[0].Service != "invitation-svc" || got[0].RequestID != "r7" || got[0].IP.String() != "192.0.2.7" {
			t.Errorf("the callee saw %+v", got)
		}
	})
}

func TestHealthNeedsNoToken(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		resp, err := grpc_health_v1.NewHealthClient(f.dial("")).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil || resp.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("Check: %v, %v", resp, err)
		}
	})
}

func TestMetricsHaveMethodAndCodeAlone(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		reg := prometheus.NewRegistry()
		f := start(t, reg)
		_, _ = directorypb.NewUserServiceClient(f.dial("gateway")).GetUser(t.Context(), &directorypb.GetUserRequest{Id: "x"})
		families, err := reg.Gather()
		if err != nil || len(families) != 2 {
			t.Fatalf("%d families, %v", len(families), err)
		}
		for _, fam := range families {
			for _, l := range fam.GetMetric()[0].GetLabel() {
				if n := l.GetName(); n != "method" && n != "code" {
					t.Errorf("label %s", n)
				}
			}
		}
	})
}

func TestOversizedRequestIsRefused(t *testing.T) {
	bothWays(t, func(t *testing.T, start starter) {
		f := start(t, nil)
		_, err := directorypb.NewUserServiceClient(f.dial("gateway")).GetUser(bearer(t.Context(), "reader"),
			&directorypb.GetUserRequest{Id: strings.Repeat("x", 5<<20)})
		if !fault.Is(err, errorspb.Reason_TOO_LARGE) {
			t.Errorf("GetUser: %v", err)
		}
	})
}

func TestEveryReasonSurvivesTheWire(t *testing.T) {
	t.Parallel()
	for number := range errorspb.Reason_name {
		f := fault.Invalid(errorspb.Reason(number), "m")
		if got := rpc.FromStatus(rpc.ToStatus(f).Err()); !fault.Is(got, f.Reason) {
			t.Errorf("%v became %v", f.Reason, got)
		}
	}
	if err := rpc.FromStatus(io.EOF); err != io.EOF {
		t.Errorf("EOF became %v", err)
	}
}

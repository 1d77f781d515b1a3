package rpc_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/testing/protocmp"
)

type clientKey struct{}

// TestDirectCallsAreCallsOfTheirOwn looks at what must not pass from one side
// to the other by way of the shared memory.
func TestDirectCallsAreCallsOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := serve(t, nil, false)
	kept := &directorypb.User{Id: "x", BusinessPhones: []string{"1"}}
	var got *directorypb.GetUserRequest
	f.users.get = func(ctx context.Context, req *directorypb.GetUserRequest) (*directorypb.User, error) {
		if !rpc.IsDirect(ctx) {
			t.Error("the call came in frames")
		}
		if ctx.Value(clientKey{}) != nil || caller.From(ctx).DisplayName != "" {
			t.Error("the client's context shows")
		}
		if md, _ := metadata.FromOutgoingContext(ctx); len(md) > 0 {
			t.Errorf("the client's metadata would go on: %v", md)
		}
		got, req.Id = req, "changed"
		return kept, nil
	}
	ctx := caller.With(context.WithValue(bearer(t.Context(), "reader"), clientKey{}, 1), caller.Caller{DisplayName: "somebody"})
	req := &directorypb.GetUserRequest{Id: "x"}
	answer, err := directorypb.NewUserServiceClient(f.dial("gateway")).GetUser(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if req.Id != "x" || got == req {
		t.Error("the handler has the client's request")
	}
	answer.BusinessPhones[0] = "2"
	if kept.BusinessPhones[0] != "1" {
		t.Error("the client has the handler's answer")
	}
}

// TestBothWaysShowTheSame compares what handler and client see of a call.
func TestBothWaysShowTheSame(t *testing.T) {
	t.Parallel()
	type sight struct {
		Incoming, Header, Trailer metadata.MD
		Peer                      string
		Answer                    *directorypb.User
		Kind                      fault.Kind
	}
	look := func(framed bool, req *directorypb.GetUserRequest, pairs ...string) sight {
		f, s := serve(t, nil, framed), sight{}
		f.users.get = func(ctx context.Context, req *directorypb.GetUserRequest) (*directorypb.User, error) {
			s.Incoming, _ = metadata.FromIncomingContext(ctx)
			p, _ := peer.FromContext(ctx)
			s.Peer = p.AuthInfo.AuthType() + " at " + p.Addr.Network() + " " + caller.From(ctx).Service
			rpc.SetHeader(ctx, "location", "there")
			if err := grpc.SetTrailer(ctx, metadata.Pairs("late", "1", "late", "2")); err != nil {
				t.Error(err)
			}
			if req.Id == "none" {
				return nil, nil
			}
			if req.Id == "fault" {
				return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "none")
			}
			return &directorypb.User{Id: req.Id}, nil
		}
		var err error
		s.Answer, err = directorypb.NewUserServiceClient(f.dial("sync-svc")).GetUser(bearer(t.Context(), "reader", pairs...), req,
			grpc.Header(&s.Header), grpc.Trailer(&s.Trailer))
		if err != nil {
			s.Kind = fault.From(err).Kind
		}
		delete(s.Incoming, ":authority")             // the name that connections are made by
		delete(s.Trailer, "grpc-status-details-bin") // the error has them
		return s
	}
	for name, tc := range map[string]struct {
		id    string
		pairs []string
	}{
		"a plain call":           {id: "x"},
		"a fault":                {id: "fault"},
		"an answer of nothing":   {id: "none"},
		"metadata":               {"x", []string{"X-Upper", "a", "x-twice", "1", "x-twice", "2", "x-bin", "\x00\x01"}},
		"text that is not ASCII": {"x", []string{"x-text", "ü"}},
		"a long header":          {"x", []string{"x-long", strings.Repeat("x", 32<<10)}},
		"text that is not UTF-8": {id: "\xff"},
	} {
		req := &directorypb.GetUserRequest{Id: tc.id}
		if diff := cmp.Diff(look(true, req, tc.pairs...), look(false, req, tc.pairs...), protocmp.Transform(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: with frames and without (-, +):\n%s", name, diff)
		}
	}
}

func TestEndsOfDirectCalls(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end    func(stop func(), cancel context.CancelFunc)
		reason errorspb.Reason
		kind   fault.Kind
	}{
		"the client gives up":   {func(_ func(), cancel context.CancelFunc) { cancel() }, errorspb.Reason_UNAVAILABLE, fault.KindCanceled},
		"the server is stopped": {func(stop func(), _ context.CancelFunc) { stop() }, errorspb.Reason_UNAVAILABLE, fault.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc", Verifier: tokens{"reader": reader}})
			entered := make(chan bool, 1)
			directorypb.RegisterUserServiceServer(srv, &users{get: func(ctx context.Context, _ *directorypb.GetUserRequest) (*directorypb.User, error) {
				entered <- rpc.IsDirect(ctx)
				<-ctx.Done()
				return nil, ctx.Err()
			}})
			l, dial := rpc.Local("directory-svc")
			served := make(chan struct{})
			go func() { defer close(served); _ = srv.Serve(l) }()
			t.Cleanup(func() { srv.Stop(); <-served })
			conn, err := dial("gateway", rpc.ClientConfig{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			ctx, cancel := context.WithTimeout(bearer(t.Context(), "reader"), time.Minute)
			defer cancel()
			answered := make(chan error, 1)
			go func() {
				_, err := directorypb.NewUserServiceClient(conn).GetUser(ctx, &directorypb.GetUserRequest{Id: "x"})
				answered <- err
			}()
			<-entered
			tc.end(srv.Stop, cancel)
			if err := fault.From(<-answered); err.Reason != tc.reason || err.Kind != tc.kind {
				t.Errorf("%v: %v", err.Kind, err)
			}
			// The next call finds no server and says so.
			srv.Stop()
			_, err = directorypb.NewUserServiceClient(conn).GetUser(bearer(t.Context(), "reader"), &directorypb.GetUserRequest{Id: "x"})
			if !fault.Is(err, errorspb.Reason_UNAVAILABLE) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// TestTracedCallsTakeFrames keeps spans whole: they are made in the transport.
func TestTracedCallsTakeFrames(t *testing.T) {
	t.Parallel()
	ways := make(map[string]bool)
	for name, tc := range map[string]struct {
		server rpc.ServerConfig
		client rpc.ClientConfig
	}{
		"server": {rpc.ServerConfig{Tracer: noop.NewTracerProvider()}, rpc.ClientConfig{}},
		"client": {rpc.ServerConfig{}, rpc.ClientConfig{Tracer: noop.NewTracerProvider()}},
	} {
		tc.server.Service, tc.server.Verifier = "directory-svc", tokens{"reader": reader}
		srv := rpc.NewServer(tc.server)
		directorypb.RegisterUserServiceServer(srv, &users{get: func(ctx context.Context, _ *directorypb.GetUserRequest) (*directorypb.User, error) {
			ways[name] = rpc.IsDirect(ctx)
			return &directorypb.User{}, nil
		}})
		l, dial := rpc.Local("directory-svc")
		served := make(chan struct{})
		go func() { defer close(served); _ = srv.Serve(l) }()
		conn, err := dial("gateway", tc.client)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first one may come before the listener is served
			if _, err := directorypb.NewUserServiceClient(conn).GetUser(bearer(t.Context(), "reader"), &directorypb.GetUserRequest{Id: "x"}); err != nil {
				t.Error(err)
			}
		}
		_ = conn.Close()
		srv.Stop()
		<-served
	}
	if len(ways) != 2 || slices.Contains(slices.Collect(maps.Values(ways)), true) {
		t.Errorf("direct calls: %v", ways)
	}
}

package rpc_test

import (
	"context"
	"log/slog"
	"os"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/rpc"
	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkCall is what a call in the process costs around its handler.
func BenchmarkCall(b *testing.B) {
	srv := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc", Verifier: tokens{"reader": reader}, Registry: prometheus.NewRegistry(),
		Log: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	directorypb.RegisterUserServiceServer(srv, &users{get: func(_ context.Context, req *directorypb.GetUserRequest) (*directorypb.User, error) {
		return &directorypb.User{Id: req.Id, BusinessPhones: []string{"1"}}, nil
	}})
	l, dial := rpc.Local("directory-svc")
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }()
	b.Cleanup(func() { srv.Stop(); <-served })
	conn, err := dial("gateway", rpc.ClientConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	client := directorypb.NewUserServiceClient(conn)
	ctx := bearer(b.Context(), "reader", rpc.MDRequestID, "r1", rpc.MDClientIP, "192.0.2.7", rpc.MDAPIVersion, "v1.0")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.GetUser(ctx, &directorypb.GetUserRequest{Id: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}

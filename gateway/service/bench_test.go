package service

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"google.golang.org/grpc/metadata"
)

// The difference between these pairs is what the gateway costs: HTTP, routing
// and JSON on top of the same RPC.

func BenchmarkGetUserGRPC(b *testing.B) {
	client := directorypb.NewUserServiceClient(dialUsers(b))
	ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer good")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.GetUser(ctx, &directorypb.GetUserRequest{Id: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListUsersGRPC(b *testing.B) {
	client := directorypb.NewUserServiceClient(dialUsers(b))
	ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer good")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.ListUsers(ctx, &directorypb.ListUsersRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetUserREST(b *testing.B)   { benchREST(b, "/v1.0/users/x") }
func BenchmarkListUsersREST(b *testing.B) { benchREST(b, "/v1.0/users") }

func benchREST(b *testing.B, path string) {
	s := newService(b, dialUsers(b), nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l, nil) }()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer good")
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			b.Fatal(err, res.StatusCode)
		}
		_ = res.Body.Close()
	}
	client.CloseIdleConnections()
	cancel()
	<-done
}

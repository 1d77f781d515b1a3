package service

import (
	"context"
	"errors"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"io"
	"net"
	"net/http"
	neturl "net/url"
	"strings"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"google.golang.org/grpc/metadata"
)

// The difference between these pairs is what the gateway costs: HTTP, routing
// and JSON on top of the same RPC.

func BenchmarkGetUserGRPC(b *testing.B) {
	client := directorypb.NewUserServiceClient(dialUsers(b))
	ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+tokenOf("good"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.GetUser(ctx, &directorypb.GetUserRequest{Id: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListUsersGRPC(b *testing.B) {
	client := directorypb.NewUserServiceClient(dialUsers(b))
	ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+tokenOf("good"))
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
		req.Header.Set("Authorization", "Bearer "+tokenOf("good"))
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

// stubConn answers what it was given, without a wire: what remains is the
// gateway alone.
type stubConn struct{ user *directorypb.User }

func (c stubConn) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	proto.Merge(reply.(proto.Message), c.user)
	return nil
}

func (stubConn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

// BenchmarkGatewayOnly is routing, decoding and encoding around an RPC that
// costs nothing.
func BenchmarkGatewayOnly(b *testing.B) {
	user := &directorypb.User{
		Id: "7a1b0c00-0000-4000-8000-000000000001", DisplayName: proto.String("Ada Lovelace"), GivenName: proto.String("Ada"), Surname: proto.String("Lovelace"),
		Mail: proto.String("ada@contoso.example"), UserPrincipalName: proto.String("ada@contoso.example"), JobTitle: proto.String("Countess"),
	}
	h := newService(b, stubConn{user}, nil).Handler()
	body := `{"accountEnabled":true,"displayName":"Ada Lovelace","mailNickname":"ada","userPrincipalName":"ada@contoso.example","passwordProfile":{"password":"x","forceChangePasswordNextSignIn":false}}`
	for _, c := range []struct{ name, method, path, body string }{
		{"get", http.MethodGet, "/v1.0/users/7a1b0c00-0000-4000-8000-000000000001", ""},
		{"create", http.MethodPost, "/v1.0/users", body},
	} {
		b.Run(c.name, func(b *testing.B) {
			url, err := neturl.Parse(c.path)
			if err != nil {
				b.Fatal(err)
			}
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				r := &http.Request{
					Method: c.method, URL: url, RequestURI: c.path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "entente.example", RemoteAddr: "127.0.0.1:4711",
					Header: http.Header{
						"Authorization": {"Bearer e30.eyJ0aWQiOiI3YTFiMGMwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwYWEiLCJhcHBpZCI6IngifQ.c2ln"},
						"Content-Type":  {"application/json"}, "User-Agent": {"bench"}, "Accept-Encoding": {"gzip"},
					},
					Body: http.NoBody,
				}
				if c.body != "" {
					r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.body)), int64(len(c.body))
				}
				clear(w.header)
				w.status = 0
				h.ServeHTTP(w, r)
				if w.status >= 300 {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// discard is a ResponseWriter that keeps the status alone.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

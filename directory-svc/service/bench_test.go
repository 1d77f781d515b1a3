package service_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
)

// The benchmarks call the service through its interceptors, in process.

func BenchmarkCreateUser(b *testing.B) {
	h := start(b).tenant("contoso", pb.Tenant_workforce)
	var n atomic.Int64
	b.SetParallelism(4) // eight at a time on two cores
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft(fmt.Sprint("u", n.Add(1)))}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkGetUser(b *testing.B) {
	h := start(b).tenant("contoso", pb.Tenant_workforce)
	u := h.user("alice")
	b.SetParallelism(4)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkListUsers(b *testing.B) {
	h := start(b).tenant("contoso", pb.Tenant_workforce)
	for i := range 200 {
		h.user(fmt.Sprint("u", i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, err := h.users().ListUsers(h.ctx, &pb.ListUsersRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIssueToken(b *testing.B) {
	h := start(b).tenant("contoso", pb.Tenant_workforce)
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			h.token(h.app.AppId, h.app.ClientSecret)
		}
	})
}

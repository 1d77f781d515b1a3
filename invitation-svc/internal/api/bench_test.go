package api_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"entente.dev/invitation-svc/internal/invitetest"
)

// BenchmarkCreateInvitation is the handler on a real database, the neighbours
// answering at once: what this service itself costs.
func BenchmarkCreateInvitation(b *testing.B) {
	w := invitetest.New(b)
	w.Saga.Limits.PerTenant.Most, w.Saga.Limits.PerAdmin = 0, nil
	b.ResetTimer()
	var n atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := w.Invites.CreateInvitation(w.As(w.App), invitetest.Request(fmt.Sprintf("u%d@partner.example", n.Add(1)), nil)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

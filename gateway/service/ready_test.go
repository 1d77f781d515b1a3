package service

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// slow answers health checks when it is let to.
type slow struct {
	grpc.ClientConnInterface
	open  chan struct{}
	calls *atomic.Int32
}

func (s slow) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	s.calls.Add(1)
	<-s.open
	reply.(*healthpb.HealthCheckResponse).Status = healthpb.HealthCheckResponse_SERVING
	return nil
}

// Many who ask at once make the services answer once.
func TestReadinessIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := slow{open: make(chan struct{}), calls: new(atomic.Int32)}
		ask := ready(Deps{Directory: c, Invitation: c, Policy: c, Sync: c})
		var all sync.WaitGroup
		for i := range 100 {
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil)
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if err := ask(r); err != nil {
					t.Error(err)
				}
			})
			if i == 0 {
				synctest.Wait()
			}
			leave() // the first one to ask goes away, and the others are not to suffer
		}
		synctest.Wait()
		close(c.open)
		all.Wait()
		if got := c.calls.Load(); got != 4 {
			t.Errorf("%d calls", got)
		}
	})
}

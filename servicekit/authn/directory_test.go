package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// directory is directory-svc as far as verification needs it.
type directory struct {
	directorypb.UnimplementedTokenServiceServer
	directorypb.UnimplementedPrincipalServiceServer
	mu      sync.Mutex
	keys    []*directorypb.SigningKey
	fetches atomic.Int32
	lookups atomic.Int32
	entered chan struct{} // with gate: a look-up has arrived
	gate    chan struct{} // nil lets look-ups through
}

func (d *directory) ListSigningKeys(context.Context, *directorypb.ListSigningKeysRequest) (*directorypb.ListSigningKeysResponse, error) {
	d.fetches.Add(1)
	if d.gate != nil {
		d.entered <- struct{}{}
		<-d.gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return &directorypb.ListSigningKeysResponse{Keys: d.keys}, nil
}

func (d *directory) GetPrincipal(ctx context.Context, req *directorypb.GetPrincipalRequest) (*directorypb.Principal, error) {
	d.lookups.Add(1)
	if c := caller.From(ctx); c.Kind != caller.Service || c.Service != "policy-svc" {
		return nil, fault.Internal(errorspb.Reason_INTERNAL, "asked as %v", c.Kind)
	}
	if d.gate != nil {
		d.entered <- struct{}{}
		<-d.gate
	}
	if req.ObjectId == uuid.Nil.String() {
		return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "none")
	}
	return &directorypb.Principal{Type: "user", Enabled: true, TenantActive: true, UserPrincipalName: "u@contoso.example",
		Roles: []*directorypb.Principal_Role{{TemplateId: uuid.NewString(), DisplayName: "Global Reader", Scope: "/"}}}, nil
}

func serve(t *testing.T, d *directory) *rpc.Conn {
	t.Helper()
	srv := rpc.NewServer(rpc.ServerConfig{Service: "directory-svc"})
	directorypb.RegisterTokenServiceServer(srv, d)
	directorypb.RegisterPrincipalServiceServer(srv, d)
	l, dial := rpc.Local("directory-svc")
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	conn, err := dial("policy-svc", rpc.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func publicKey(t *testing.T, kid string) *directorypb.SigningKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return &directorypb.SigningKey{Kid: kid, Alg: "ES256", PublicKey: der}
}

func TestKeysAreFetchedWhenUnknown(t *testing.T) {
	t.Parallel()
	d := &directory{keys: []*directorypb.SigningKey{publicKey(t, "one")}}
	keys := KeysFromDirectory(serve(t, d)).(*directoryKeys)
	for range 3 {
		if _, alg, err := keys.Key(t.Context(), "one"); err != nil || alg != "ES256" {
			t.Fatal(alg, err)
		}
	}
	for range 100 { // ids that nobody has cannot make us ask all the time
		if _, _, err := keys.Key(t.Context(), uuid.NewString()); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
			t.Fatal(err)
		}
	}
	if n := d.fetches.Load(); n > 2 {
		t.Errorf("%d fetches", n)
	}
	d.mu.Lock()
	d.keys = append(d.keys, publicKey(t, "two"))
	d.mu.Unlock()
	keys.mu.Lock()
	keys.tried = time.Now().Add(-2 * keyGap)
	keys.mu.Unlock()
	if _, _, err := keys.Key(t.Context(), "two"); err != nil {
		t.Errorf("a new key: %v", err)
	}
}

func TestPrincipalsAreASecondOld(t *testing.T) {
	t.Parallel()
	d := &directory{}
	p := PrincipalsFromDirectory(serve(t, d)).(*directoryPrincipals)
	now := time.Now()
	p.now = func() time.Time { return now }
	ask := func(object uuid.UUID) error {
		got, err := p.Principal(t.Context(), tenant.MustParse("0b6f1c9e-5a0c-4f53-9a0f-3d6f1f6f0a11"), object)
		if err == nil && (!got.Enabled || len(got.Roles) != 1) {
			t.Errorf("principal %+v", got)
		}
		return err
	}
	object := uuid.New()
	for range 5 {
		if err := ask(object); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.lookups.Load(); n != 1 {
		t.Errorf("%d look-ups within a second", n)
	}
	now = now.Add(principalLife)
	if err := ask(object); err != nil || d.lookups.Load() != 2 {
		t.Errorf("after a second: %d look-ups, %v", d.lookups.Load(), err)
	}
	for range 2 { // that nobody is there is not remembered
		if err := ask(uuid.Nil); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
			t.Errorf("nobody: %v", err)
		}
	}
	if n := d.lookups.Load(); n != 4 {
		t.Errorf("%d look-ups", n)
	}
}

func TestConcurrentLookupsShareOneCall(t *testing.T) {
	t.Parallel()
	d := &directory{entered: make(chan struct{}, 9), gate: make(chan struct{})}
	p := PrincipalsFromDirectory(serve(t, d))
	object, here := uuid.New(), tenant.New()
	// The first asker goes away; those who asked with it still get an answer.
	gone, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = p.Principal(gone, here, object) })
	for range 8 {
		wg.Go(func() {
			if _, err := p.Principal(t.Context(), here, object); err != nil {
				t.Error(err)
			}
		})
	}
	<-d.entered
	cancel()
	close(d.gate)
	wg.Wait()
	if n := d.lookups.Load(); n > 2 {
		t.Errorf("%d calls", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache[int, int](10)
	now := time.Now()
	for i := range 1000 {
		c.put(i, i, now, now.Add(time.Minute))
	}
	if len(c.entries) > 10 {
		t.Errorf("%d entries", len(c.entries))
	}
	if v, ok := c.get(999, now); !ok || v != 999 {
		t.Error("the newest entry is lost")
	}
	if _, ok := c.get(999, now.Add(time.Minute)); ok {
		t.Error("an expired entry is answered")
	}
}

// TestKeysAreAwaited starts with no key: callers that come while the first
// fetch is under way wait for it instead of being refused.
func TestKeysAreAwaited(t *testing.T) {
	t.Parallel()
	d := &directory{keys: []*directorypb.SigningKey{publicKey(t, "a")}, entered: make(chan struct{}, 8), gate: make(chan struct{})}
	keys := KeysFromDirectory(serve(t, d))
	answers := make(chan error)
	ask := func() {
		_, _, err := keys.Key(t.Context(), "a")
		answers <- err
	}
	go ask()
	<-d.entered
	_, ok, due := keys.(*directoryKeys).look("a")
	if ok || !due {
		t.Errorf("while the keys are fetched: known %v, worth waiting %v", ok, due)
	}
	go ask()
	close(d.gate)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("a caller during the first fetch: %v", err)
		}
	}
}

package limits

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"entente.dev/gateway/internal/graph"
	"entente.dev/servicekit/clock/clocktest"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	l := New(c, Rate{PerSecond: 2, Burst: 3})
	for range 3 {
		if l.Wait("a") != 0 {
			t.Fatal("refused within the burst")
		}
		l.Take("a")
	}
	if got := l.Wait("a"); got != 500*time.Millisecond {
		t.Errorf("wait %v", got)
	}
	if l.Wait("b") != 0 {
		t.Error("keys share a bucket")
	}
	c.Advance(500 * time.Millisecond)
	if l.Wait("a") != 0 {
		t.Error("the bucket does not fill")
	}
	c.Advance(time.Hour)
	if l.Wait("a"); l.buckets["a"].level != 3 {
		t.Errorf("level %v above the burst", l.buckets["a"].level)
	}
	for i := range maxBuckets + 10 {
		l.Take(fmt.Sprint(i))
	}
	if len(l.buckets) > maxBuckets {
		t.Errorf("%d buckets", len(l.buckets))
	}
	if n := New(c, Rate{}); n.Wait("a") != 0 {
		t.Error("no rate limits")
	}
}

// claiming is a token of tenant t and application a that nobody has signed.
const claiming = "Bearer e30.eyJ0aWQiOiJ0IiwiYXBwaWQiOiJhIn0.c2ln"

// request sends a request from an address and says whether a service accepts
// its token.
func request(h http.Handler, accepted bool, ip, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	r = r.WithContext(graph.WithCall(r.Context(), &graph.Call{IP: ip, Accepted: accepted}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// Tokens that no service has accepted cost the tenant they name nothing,
// whatever the answer is. They count against the address.
func TestForgedTokensCostNothing(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	status, accepted := http.StatusUnauthorized, false
	h := &Handler{
		Next:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }),
		Clock: c, Tenant: New(c, Rate{PerSecond: 1, Burst: 2}), Application: New(c, Rate{PerSecond: 1, Burst: 1}), Address: New(c, Rate{PerSecond: 1, Burst: 10}),
	}
	for i := range 10 {
		status = []int{401, 400, 404, 405, 503}[i%5]
		if got := request(h, accepted, "192.0.2.1", claiming); got.Code != status {
			t.Fatalf("forged: %d", got.Code)
		}
	}
	got := request(h, accepted, "192.0.2.1", claiming)
	if got.Code != 429 || got.Header().Get("Retry-After") != "1" || got.Header().Get("x-ms-throttle-scope") != "" || !strings.Contains(got.Body.String(), "TooManyRequests") {
		t.Errorf("the address is not limited: %d %v %s", got.Code, got.Header(), got.Body)
	}
	if got := request(h, accepted, "192.0.2.1", ""); got.Code != 429 {
		t.Errorf("without a token: %d", got.Code)
	}
	if len(h.Tenant.buckets)+len(h.Application.buckets) != 0 {
		t.Errorf("the tenant was charged: %v", h.Tenant.buckets)
	}
	status, accepted = http.StatusNoContent, true
	if got := request(h, accepted, "192.0.2.2", claiming); got.Code != 204 {
		t.Errorf("first: %d", got.Code)
	}
	got = request(h, accepted, "192.0.2.2", claiming)
	if got.Code != 429 || got.Header().Get("Retry-After") != "1" || got.Header().Get("x-ms-throttle-scope") != "Tenant_Application/ReadWrite/a/t" {
		t.Errorf("second: %d %v", got.Code, got.Header())
	}
	if b := h.Address.buckets["192.0.2.2"]; b != nil {
		t.Errorf("accepted requests were charged to the address: %v", b)
	}
}

// A file that breaks off ends in a panic, and counts.
func TestWhatBreaksOffCounts(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	h := &Handler{Next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), Clock: c, Tenant: New(c, Rate{PerSecond: 1, Burst: 1})}
	func() {
		defer func() { _ = recover() }()
		request(h, true, "192.0.2.1", claiming)
	}()
	if h.Tenant.Wait("t") == 0 {
		t.Error("it cost nothing")
	}
}

func TestAddressKey(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::1": "2001:db8:1:2::/64", "2001:db8:1:3::1": "2001:db8:1:3::/64",
		"fe80::1%eth0": "fe80::/64", "": "", "junk": "",
	} {
		if got := addressKey(ip); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	l := New(c, Rate{PerSecond: 1, Burst: 2})
	var waited time.Duration
	open := false
	g := &Gate{
		Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }),
		Limiter: func(*http.Request) *Limiter {
			if open {
				return nil
			}
			return l
		},
		Refuse: func(w http.ResponseWriter, _ *http.Request, wait time.Duration) { waited = wait; w.WriteHeader(429) },
	}
	const accepted = true // makes no difference: the gate counts every request
	for i, want := range []int{204, 204, 429, 429} {
		if got := request(g, accepted, "2001:db8::"+strconv.Itoa(i), ""); got.Code != want {
			t.Errorf("%d: %d", i, got.Code)
		}
	}
	if waited != time.Second {
		t.Errorf("wait %v", waited)
	}
	if got := request(g, accepted, "2001:db8:0:1::1", ""); got.Code != 204 {
		t.Errorf("another network: %d", got.Code)
	}
	c.Advance(time.Second)
	if got := request(g, accepted, "2001:db8::1", ""); got.Code != 204 {
		t.Errorf("a second later: %d", got.Code)
	}
	open = true
	if got := request(g, accepted, "2001:db8::1", ""); got.Code != 204 {
		t.Errorf("without a limiter: %d", got.Code)
	}
}

// Whoever comes from many addresses makes neither the memory larger nor every
// request look through all that is remembered.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	l := New(c, Rate{PerSecond: 0.001, Burst: 1})
	for i := range 3 * maxBuckets {
		if i%2 == 0 {
			c.Advance(time.Millisecond)
		}
		if l.Admit(strconv.Itoa(i)) != 0 {
			t.Fatalf("%d is refused", i)
		}
		if len(l.buckets) > maxBuckets {
			t.Fatalf("%d buckets", len(l.buckets))
		}
	}
	l.buckets = map[string]*bucket{}
	for i := range maxBuckets {
		l.Take(strconv.Itoa(i))
	}
	l.buckets["0"].level = 1
	if l.Take("more"); len(l.buckets) != 1 {
		t.Errorf("%d buckets are kept, and looked through again by the next but one", len(l.buckets))
	}
}

package limits

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

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

// Forged tokens are refused by the service and must cost the tenant nothing.
func TestForgedTokensCostNothing(t *testing.T) {
	t.Parallel()
	c := clocktest.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	status := http.StatusUnauthorized
	h := &Handler{
		Next:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }),
		Clock:  c,
		Holder: func(*http.Request) (string, string) { return "t", "a" },
		Tenant: New(c, Rate{PerSecond: 1, Burst: 2}), Application: New(c, Rate{PerSecond: 1, Burst: 1}),
	}
	get := func() *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		return rec
	}
	for range 50 {
		if got := get(); got.Code != 401 {
			t.Fatalf("forged: %d", got.Code)
		}
	}
	status = http.StatusNoContent
	if got := get(); got.Code != 204 {
		t.Errorf("first: %d", got.Code)
	}
	got := get()
	if got.Code != 429 || got.Header().Get("Retry-After") != "1" || got.Header().Get("x-ms-throttle-scope") != "Tenant_Application/ReadWrite/a/t" {
		t.Errorf("second: %d %v", got.Code, got.Header())
	}
}

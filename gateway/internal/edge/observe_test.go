package edge

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Strangers decide neither what is sampled nor which trace a request belongs
// to; a trusted proxy does.
func TestTracesOfStrangers(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, c := range []struct {
		name, traceparent string
		ratio             float64
		trusted           bool
		sampled, theirs   bool
		links             int
	}{
		{"stranger asks for sampling", "00-" + id + "-00f067aa0ba902b7-01", 0, false, false, false, 0},
		{"stranger asks for none", "00-" + id + "-00f067aa0ba902b7-00", 1, false, true, false, 1},
		{"stranger", "00-" + id + "-00f067aa0ba902b7-01", 1, false, true, false, 1},
		{"stranger without a trace", "", 1, false, true, false, 0},
		{"stranger with junk", "00-0-0-01", 1, false, true, false, 0},
		{"proxy asks for sampling", "00-" + id + "-00f067aa0ba902b7-01", 0, true, true, true, 0},
		{"proxy asks for none", "00-" + id + "-00f067aa0ba902b7-00", 1, true, false, true, 0},
		{"proxy without a trace", "", 1, true, true, false, 0},
	} {
		spans := tracetest.NewSpanRecorder()
		var inside trace.SpanContext
		e := newEdge(t, func(_ http.ResponseWriter, r *http.Request) { inside = trace.SpanContextFromContext(r.Context()) }, func(cfg *Config) {
			cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.ratio))))
			if c.trusted {
				cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			}
		})
		r := httptest.NewRequest("GET", "/v1.0/users", nil)
		r.Header.Set("Traceparent", c.traceparent)
		e.ServeHTTP(httptest.NewRecorder(), r)
		if inside.IsSampled() != c.sampled || (inside.TraceID().String() == id) != c.theirs || len(spans.Ended()) == 1 != c.sampled {
			t.Errorf("%s: trace %s, sampled %v, %d spans", c.name, inside.TraceID(), inside.IsSampled(), len(spans.Ended()))
		}
		if !c.sampled {
			continue
		}
		if span := spans.Ended()[0]; len(span.Links()) != c.links || span.Parent().IsValid() != c.theirs || c.links == 1 && span.Links()[0].SpanContext.TraceID().String() != id {
			t.Errorf("%s: parent %v, links %v", c.name, span.Parent(), span.Links())
		}
	}
}

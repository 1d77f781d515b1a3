package edge

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// metrics have few label values: the part of the surface and the class of the
// status.
type metrics struct {
	took *prometheus.HistogramVec

	mu    sync.RWMutex
	known map[series]prometheus.Observer
}

// series is one pair of label values; there are a few dozen at most.
type series struct {
	part  string
	class int
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{known: map[series]prometheus.Observer{}, took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "entente_http_request_seconds", Help: "Time to answer HTTP requests.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"part", "class"})}
	if reg != nil {
		reg.MustRegister(m.took)
	}
	return m
}

func (m *metrics) observe(part string, status int, took time.Duration) {
	key := series{part, status / 100}
	m.mu.RLock()
	o := m.known[key]
	m.mu.RUnlock()
	if o == nil {
		o = m.took.WithLabelValues(part, strconv.Itoa(key.class)+"xx")
		m.mu.Lock()
		m.known[key] = o
		m.mu.Unlock()
	}
	o.Observe(took.Seconds())
}

// spans wrap requests; the connections to the services continue them.
type spans struct {
	tracer     trace.Tracer
	propagator propagation.TraceContext
}

func newSpans(p trace.TracerProvider) *spans {
	if p == nil {
		return &spans{}
	}
	return &spans{tracer: p.Tracer("entente.dev/gateway")}
}

// start begins the span of a request. A trusted proxy has its trace continued.
// Anybody else begins a new one, with a link to theirs: what is sampled and
// which traces are one is not for strangers to decide.
func (s *spans) start(r *http.Request, trusted bool) (context.Context, func(route string, status int)) {
	if s.tracer == nil {
		return r.Context(), func(string, int) {}
	}
	ctx := s.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if !trusted {
		options = append(options, trace.WithNewRoot())
		if remote := trace.SpanContextFromContext(ctx); remote.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: remote}))
		}
	}
	ctx, span := s.tracer.Start(ctx, "HTTP "+method(r.Method), options...)
	return ctx, func(route string, status int) {
		span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"entente.dev/gateway/internal/graph"
	"entente.dev/gateway/internal/oauth"
	"entente.dev/gateway/internal/pages"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Limits of a request before its body (security.md §4.5). MaxHeader is for
// http.Server.
const (
	MaxHeader = 16 << 10
	maxURL    = 8 << 10
	// minGzip is the size from which answers are compressed.
	minGzip = 2 << 10
)

// Handlers answer the parts of the surface.
type Handlers struct {
	Graph   http.Handler // /v1.0, /beta, /entente/v1, /admin/v1
	Batch   http.Handler // /v1.0/$batch, /beta/$batch
	OAuth   http.Handler
	Pages   http.Handler
	OpenAPI []byte
	// Ready reports whether the services answer.
	Ready func(*http.Request) error
}

// Config is what an Edge needs.
type Config struct {
	Handlers Handlers
	// Origins are the public addresses, the main one first.
	Origins []string
	// TrustedProxies may say for whom they speak, and in which trace.
	TrustedProxies []netip.Prefix
	Clock          clock.Clock
	Log            *slog.Logger
	Registry       prometheus.Registerer
	// Tracer makes spans; nil makes none.
	Tracer trace.TracerProvider
}

// Edge is the outermost handler.
type Edge struct {
	cfg     Config
	origins origins
	graph   http.Handler
	metrics *metrics
	spans   *spans
}

// New checks the configuration.
func New(cfg Config) (*Edge, error) {
	o, err := parseOrigins(cfg.Origins)
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	// Pages are not compressed: they hold form tokens next to text of others.
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(minGzip), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	e := &Edge{cfg: cfg, origins: o, metrics: newMetrics(cfg.Registry), spans: newSpans(cfg.Tracer)}
	e.graph = compress(http.HandlerFunc(e.api))
	return e, nil
}

// Values of headers that every answer has; they are shared and never written
// to.
var (
	noSniff = []string{"nosniff"}
	noStore = []string{"no-store"}
)

// ServeHTTP answers any request.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := e.cfg.Clock.Now()
	origin := e.origins.of(r)
	call := &graph.Call{
		RequestID: uuid.NewString(), ClientRequestID: clientRequestID(r.Header),
		Origin: origin, IP: clientIP(r, e.cfg.TrustedProxies), Secure: r.TLS != nil || strings.HasPrefix(origin, "https://"),
	}
	ctx, span := e.spans.start(r, fromProxy(r, e.cfg.TrustedProxies))
	r = r.WithContext(graph.WithCall(ctx, call))
	scrub(r.Header)
	h := w.Header()
	call.SetIDs(h)
	h["X-Content-Type-Options"] = noSniff
	if call.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	rec := &recorder{ResponseWriter: w}
	part := "unknown"
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is panicked
				panic(p)
			}
			e.cfg.Log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "request_id", call.RequestID)
			if rec.status == 0 {
				e.fail(rec, call, errors.New("panic"))
			}
		}
		e.done(r, rec, call, part, start)
		span(call.Route, rec.status)
	}()
	part = e.dispatch(rec, r, call)
}

// dispatch chooses the handler and answers the name of the part for metrics.
func (e *Edge) dispatch(w http.ResponseWriter, r *http.Request, call *graph.Call) string {
	path := r.URL.Path
	switch {
	case len(r.RequestURI) > maxURL:
		e.fail(w, call, fault.Invalid(errorspb.Reason_BAD_REQUEST, "The request URL exceeds the limit of %d bytes.", maxURL))
		return "refused"
	case pages.Handles(path):
		e.cfg.Handlers.Pages.ServeHTTP(w, r)
		return "pages"
	case path == "/healthz" || path == "/readyz":
		e.health(w, r, path == "/readyz")
		return "health"
	case path == "/openapi.json":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(e.cfg.Handlers.OpenAPI)
		return "openapi"
	case !graph.IsAPI(path) && oauth.Handles(path):
		e.cfg.Handlers.OAuth.ServeHTTP(w, r)
		return "oauth"
	case batch(path):
		w.Header()["Cache-Control"] = noStore
		e.graph.ServeHTTP(w, r)
		return "batch"
	}
	w.Header()["Cache-Control"] = noStore
	e.graph.ServeHTTP(w, r)
	return "api"
}

// api answers what is compressed.
func (e *Edge) api(w http.ResponseWriter, r *http.Request) {
	if batch(r.URL.Path) {
		e.cfg.Handlers.Batch.ServeHTTP(w, r)
		return
	}
	e.cfg.Handlers.Graph.ServeHTTP(w, r)
}

// batch reports whether the path is that of a batch, if of anything.
func batch(path string) bool {
	return graph.IsAPI(path) && strings.HasSuffix(strings.ToLower(path), "/$batch")
}

func (e *Edge) health(w http.ResponseWriter, r *http.Request, ready bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if ready && e.cfg.Handlers.Ready != nil {
		if err := e.cfg.Handlers.Ready(r); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("not ready\n"))
			return
		}
	}
	_, _ = w.Write([]byte("ok\n"))
}

func (e *Edge) fail(w http.ResponseWriter, call *graph.Call, err error) {
	graph.WriteError(w, err, e.cfg.Clock.Now(), call.RequestID, call.ClientRequestID)
}

// done writes the one log line of the request. Paths hold names and links hold
// tickets, so what is logged is the template of the operation.
func (e *Edge) done(r *http.Request, rec *recorder, call *graph.Call, part string, start time.Time) {
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	took := e.cfg.Clock.Now().Sub(start)
	e.metrics.observe(part, status, took)
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	if !e.cfg.Log.Enabled(r.Context(), level) {
		return
	}
	e.cfg.Log.LogAttrs(r.Context(), level, "request", slog.String("method", method(r.Method)), slog.String("part", part), slog.String("route", call.Route),
		slog.Int("status", status), slog.Duration("took", took), slog.Int64("bytes", rec.bytes),
		slog.String("request_id", call.RequestID), slog.String("client_request_id", call.ClientRequestID))
}

// method bounds what a client can write into a log line.
func method(m string) string {
	if len(m) > 16 {
		return "other"
	}
	return m
}

// recorder remembers status and size.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

package batch

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Limits of a batch, and of what a step would have as a request line and as
// headers (security.md §4.5).
const (
	maxBody   = 4 << 20
	maxURL    = 8 << 10
	maxHeader = 16 << 10
	parallel  = 4
)

// Handler answers $batch over Next.
type Handler struct {
	// Next answers each step.
	Next  http.Handler
	Clock clock.Clock
	// Log is told of panics; nil discards them.
	Log *slog.Logger
}

type response struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// ServeHTTP carries out one batch. version is the first segment of the path.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := graph.CallFrom(r.Context())
	responses, err := h.answer(w, r, call)
	if err != nil {
		graph.WriteError(w, err, h.Clock.Now(), call.RequestID, call.ClientRequestID)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Responses []response `json:"responses"`
	}{responses})
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, call *graph.Call) ([]response, error) {
	if err := graph.RequireToken(r); err != nil {
		return nil, err
	}
	path, err := graph.ParsePath(r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	if !path.Graph() || len(path.Segments) != 1 {
		return nil, fault.NotFound(errorspb.Reason_SEGMENT_NOT_FOUND, "Resource not found for the segment '$batch'.")
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, fault.Unimplemented(errorspb.Reason_METHOD_NOT_ALLOWED, "Specified HTTP method is not allowed for the request target.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, fault.Invalid(errorspb.Reason_TOO_LARGE, "The request body exceeds the limit of %d bytes.", maxBody)
	} else if err != nil {
		return nil, bad("The request body could not be read.")
	}
	requests, err := parse(body)
	if err != nil {
		return nil, err
	}
	prefix := "/" + path.Family
	if path.Tenant != "" {
		prefix += "/" + path.Tenant
	}
	return h.run(r, call, prefix, requests), nil
}

// run carries out the steps, each as soon as those it depends on are done.
func (h *Handler) run(outer *http.Request, call *graph.Call, prefix string, requests []request) []response {
	responses := make([]response, len(requests))
	done := make([]chan struct{}, len(requests))
	for i := range done {
		done[i] = make(chan struct{})
	}
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	var accepted atomic.Bool
	for i, step := range requests {
		all.Go(func() {
			defer close(done[i])
			for _, at := range step.after {
				<-done[at]
				if responses[at].Status >= 400 {
					responses[i] = h.refuse(step, call, fault.Precondition(errorspb.Reason_FAILED_DEPENDENCY,
						"The request depends on request '%s', which failed.", requests[at].ID))
					return
				}
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			response, ok := h.step(outer, call, prefix, step)
			if responses[i] = response; ok {
				accepted.Store(true)
			}
		})
	}
	all.Wait()
	call.Accepted = accepted.Load()
	return responses
}

// step sends one request through the handler. accepted is whether a service has
// accepted the token.
func (h *Handler) step(outer *http.Request, call *graph.Call, prefix string, s request) (res response, accepted bool) {
	inner := *call
	inner.RequestID = uuid.NewString()
	if id := header(s.Headers, "client-request-id"); graph.IsRequestID(id) {
		inner.ClientRequestID = id
	}
	r, err := newRequest(graph.WithCall(outer.Context(), &inner), outer, prefix, s)
	if err != nil {
		return h.refuse(s, &inner, err), false
	}
	rec := &recorder{header: http.Header{}}
	inner.SetIDs(rec.header)
	// Nothing above this goroutine ends a panic, and the other steps are not to
	// blame.
	defer func() {
		if p := recover(); p != nil {
			if h.Log != nil {
				h.Log.ErrorContext(r.Context(), "panic", "panic", fmt.Sprint(p), "request_id", inner.RequestID)
			}
			res, accepted = h.refuse(s, &inner, errors.New("panic")), inner.Accepted
		}
	}()
	h.Next.ServeHTTP(rec, r)
	return rec.response(s.ID), inner.Accepted
}

func (h *Handler) refuse(s request, call *graph.Call, err error) response {
	rec := &recorder{header: http.Header{}}
	graph.WriteError(rec, err, h.Clock.Now(), call.RequestID, call.ClientRequestID)
	return rec.response(s.ID)
}

func header(headers map[string]string, name string) string {
	for k, v := range headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// newRequest makes the HTTP request of a step. The credential is that of the
// batch; a step cannot bring its own.
func newRequest(ctx context.Context, outer *http.Request, prefix string, s request) (*http.Request, error) {
	target := s.URL
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	for _, p := range []string{"/v1.0/", "/beta/"} {
		if len(target) >= len(p) && strings.EqualFold(target[:len(p)], p) {
			target = target[len(p)-1:]
		}
	}
	if len(target) > maxURL {
		return nil, bad("The url of the request exceeds the limit of %d bytes.", maxURL)
	}
	u, err := url.ParseRequestURI(prefix + target)
	if err != nil {
		return nil, bad("The url of the request is not valid.")
	}
	if strings.Contains(strings.ToLower(u.Path), "/$batch") {
		return nil, bad("A batch cannot hold another batch.")
	}
	contentType := header(s.Headers, "Content-Type")
	if len(s.Body) > 0 && contentType == "" {
		return nil, bad("A request with a body needs a Content-Type header.")
	}
	r, err := http.NewRequestWithContext(ctx, strings.ToUpper(s.Method), u.String(), bytes.NewReader(s.Body))
	if err != nil {
		return nil, bad("The method of the request is not valid.")
	}
	r.Host, r.RemoteAddr, r.TLS = outer.Host, outer.RemoteAddr, outer.TLS
	size := 0
	for _, name := range []string{"Content-Type", "ConsistencyLevel", "If-Match", "Prefer", "Idempotency-Key"} {
		if v := header(s.Headers, name); v != "" {
			r.Header.Set(name, v)
			size += len(v)
		}
	}
	if size > maxHeader {
		return nil, bad("The headers of the request exceed the limit of %d bytes.", maxHeader)
	}
	r.Header.Set("Authorization", outer.Header.Get("Authorization"))
	r.Header.Set("User-Agent", outer.UserAgent())
	return r, nil
}

// recorder keeps the answer of a step.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

func (r *recorder) response(id string) response {
	r.WriteHeader(http.StatusOK)
	res := response{ID: id, Status: r.status, Headers: map[string]string{}}
	for k := range r.header {
		if k != "Content-Length" {
			res.Headers[k] = r.header.Get(k)
		}
	}
	switch {
	case r.body.Len() == 0:
	case json.Valid(r.body.Bytes()):
		res.Body = r.body.Bytes()
	default:
		res.Body, _ = json.Marshal(base64.StdEncoding.EncodeToString(r.body.Bytes()))
	}
	return res
}

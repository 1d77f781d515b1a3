package limits

import (
	"net/http"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
)

// Holder names whom a request counts against, by the unverified claims of its
// token; empty names are not limited.
type Holder func(*http.Request) (tenant, application string)

// Handler limits Next.
type Handler struct {
	Next                http.Handler
	Clock               clock.Clock
	Holder              Holder
	Tenant, Application *Limiter
}

// ServeHTTP admits the request or answers 429 with Retry-After (WIRE-63).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.Tenant.rate.limited() && !h.Application.rate.limited() {
		h.Next.ServeHTTP(w, r)
		return
	}
	tenant, application := h.Holder(r)
	if tenant == "" {
		h.Next.ServeHTTP(w, r)
		return
	}
	both := tenant + "/" + application
	if wait := max(h.Tenant.Wait(tenant), h.Application.Wait(both)); wait > 0 {
		call := graph.CallFrom(r.Context())
		w.Header().Set("x-ms-throttle-scope", "Tenant_Application/ReadWrite/"+application+"/"+tenant)
		w.Header().Set("x-ms-throttle-information", "ResourceUnitLimitExceeded")
		graph.WriteError(w, fault.Exhausted(errorspb.Reason_THROTTLED, "Too many requests. Try again later.").WithRetryAfter(wait),
			h.Clock.Now(), call.RequestID, call.ClientRequestID)
		return
	}
	sw := &statusWriter{ResponseWriter: w}
	h.Next.ServeHTTP(sw, r)
	if sw.status != http.StatusUnauthorized {
		h.Tenant.Take(tenant)
		h.Application.Take(both)
	}
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

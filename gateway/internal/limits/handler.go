package limits

import (
	"net/http"
	"time"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
)

// Handler limits Next by the holder of the token, and by the address where no
// service has accepted one. Limiters may be nil.
type Handler struct {
	Next                         http.Handler
	Clock                        clock.Clock
	Tenant, Application, Address *Limiter
}

// ServeHTTP admits the request or answers 429 with Retry-After (WIRE-63).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := graph.CallFrom(r.Context())
	address := ""
	if h.Address.limited() {
		address = addressKey(call.IP)
	}
	if wait := h.Address.Wait(address); wait > 0 {
		h.refuse(w, call, wait)
		return
	}
	var tenant, application string
	if h.Tenant.limited() || h.Application.limited() {
		tenant, application = graph.Holder(r)
	}
	both := tenant + "/" + application
	if tenant != "" {
		if wait := max(h.Tenant.Wait(tenant), h.Application.Wait(both)); wait > 0 {
			w.Header().Set("x-ms-throttle-scope", "Tenant_Application/ReadWrite/"+application+"/"+tenant)
			w.Header().Set("x-ms-throttle-information", "ResourceUnitLimitExceeded")
			h.refuse(w, call, wait)
			return
		}
	}
	// A file that breaks off ends in a panic and counts all the same.
	defer func() {
		switch {
		case !call.Accepted:
			h.Address.Take(address)
		case tenant != "":
			h.Tenant.Take(tenant)
			h.Application.Take(both)
		}
	}()
	h.Next.ServeHTTP(w, r)
}

func (h *Handler) refuse(w http.ResponseWriter, call *graph.Call, wait time.Duration) {
	graph.WriteError(w, fault.Exhausted(errorspb.Reason_THROTTLED, "Too many requests. Try again later.").WithRetryAfter(wait),
		h.Clock.Now(), call.RequestID, call.ClientRequestID)
}

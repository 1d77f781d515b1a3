package oauth

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"github.com/google/uuid"
)

// errorBody is the shape of WIRE-19.
type errorBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
}

func methodNotAllowed() error {
	return fault.Unimplemented(errorspb.Reason_METHOD_NOT_ALLOWED, "The endpoint does not accept this method.")
}

// fail answers an error as OAuth says it. Whatever is no error of OAuth is the
// client's request or our fault, never a status that makes clients retry bad
// credentials.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.From(rpc.FromStatus(err))
	status, code, number, message := say(f)
	call := graph.CallFrom(r.Context())
	correlation := call.ClientRequestID
	// Clients of this endpoint send the id in the query (WIRE-8).
	if id, err := uuid.Parse(r.URL.Query().Get("client-request-id")); err == nil {
		correlation = id.String()
	}
	now := h.Clock.Now().UTC()
	stamp := now.Format("2006-01-02 15:04:05Z")
	// A message may bring its number along.
	message = strings.TrimPrefix(message, fmt.Sprintf("AADSTS%d: ", number))
	text := fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", number, message, call.RequestID, correlation, stamp)
	switch {
	case status == http.StatusUnauthorized && r.Header.Get("Authorization") != "":
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
	case f.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds()+1)))
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, errorBody{code, text, []int{number}, stamp, call.RequestID, correlation})
}

// say chooses status, error, number and text of a fault.
func say(f *fault.Error) (status int, code string, number int, message string) {
	if strings.HasPrefix(f.Reason.String(), "OAUTH_") {
		status, code, detail := f.Graph()
		number, err := strconv.Atoi(detail)
		if err != nil {
			number = 9002313
		}
		return status, code, number, f.Message
	}
	switch f.Kind {
	case fault.KindUnavailable, fault.KindDeadline, fault.KindCanceled:
		return http.StatusServiceUnavailable, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again."
	case fault.KindExhausted:
		return http.StatusTooManyRequests, "temporarily_unavailable", 90055, "The request was limited. Please try again later."
	case fault.KindInternal:
		return http.StatusInternalServerError, "server_error", 90014, "An internal error occurred."
	case fault.KindUnimplemented:
		return http.StatusMethodNotAllowed, "invalid_request", 900561, f.Message
	}
	return http.StatusBadRequest, "invalid_request", 9002313, "Invalid request. " + f.Message
}

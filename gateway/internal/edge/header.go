package edge

import (
	"net/http"
	"strings"

	"entente.dev/gateway/internal/graph"
	"github.com/google/uuid"
)

// dropped begin the names of headers that a client has no business to send:
// they mean something to proxies or between the parts of the suite.
var dropped = []string{"X-Forwarded-", "X-Real-", "X-Original-", "X-User-", "X-Tenant-", "X-Http-Method", "Grpc-", "Entente-", "Forwarded"}

// scrub removes them, and names with an underscore: some servers read those as
// the same name with a hyphen.
func scrub(h http.Header) {
	for name := range h {
		if strings.ContainsRune(name, '_') {
			delete(h, name)
			continue
		}
		for _, d := range dropped {
			if strings.HasPrefix(name, d) {
				delete(h, name)
				break
			}
		}
	}
}

// clientRequestID echoes the client's id if it is one that can be written to
// logs and headers, else it is a new one.
func clientRequestID(h http.Header) string {
	if id := h.Get("Client-Request-Id"); graph.IsRequestID(id) {
		return id
	}
	return uuid.NewString()
}

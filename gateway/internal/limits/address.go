package limits

import (
	"net/http"
	"net/netip"
	"time"

	"entente.dev/gateway/internal/graph"
)

// Gate limits Next by the address of the client alone.
type Gate struct {
	Next http.Handler
	// Limiter is the one that a request counts against; nil admits it.
	Limiter func(*http.Request) *Limiter
	// Refuse answers 429 as the clients of Next expect it.
	Refuse func(w http.ResponseWriter, r *http.Request, wait time.Duration)
}

// ServeHTTP admits the request or refuses it.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l := g.Limiter(r); l != nil {
		if wait := l.Admit(addressKey(graph.CallFrom(r.Context()).IP)); wait > 0 {
			g.Refuse(w, r, wait)
			return
		}
	}
	g.Next.ServeHTTP(w, r)
}

// addressKey names the bucket of an address, which the edge has unmapped. What cannot be read shares one.
func addressKey(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	if a.Is4() {
		return ip
	}
	network, err := a.Prefix(64)
	if err != nil {
		return ""
	}
	return network.String()
}

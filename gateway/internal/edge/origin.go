package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// origins are the addresses under which clients reach the gateway.
type origins struct {
	first string
	all   map[string]bool
}

// parseOrigins checks that each is scheme and host, and nothing more; plain
// HTTP is for loopback.
func parseOrigins(list []string) (origins, error) {
	o := origins{all: map[string]bool{}}
	for _, s := range list {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != s || strings.ToLower(s) != s {
			return o, fmt.Errorf("origin %q is not scheme://host[:port] in lower case", s)
		}
		if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
			return o, fmt.Errorf("origin %q: only https, or http on loopback", s)
		}
		if o.first == "" {
			o.first = s
		}
		o.all[s] = true
	}
	if o.first == "" {
		return o, fmt.Errorf("at least one origin is needed")
	}
	return o, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// of is the origin that links in the answer begin with: the client's if it is
// one of ours, else the first. Behind a proxy that ends TLS a request without
// it may be for an https origin.
func (o origins) of(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if s := "http://" + host; r.TLS == nil && o.all[s] {
		return s
	}
	if s := "https://" + host; o.all[s] {
		return s
	}
	return o.first
}

// clientIP is the peer's address; behind proxies that are trusted, the last
// address in X-Forwarded-For that is none of theirs (POL-87).
func clientIP(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	ip := peer.Addr().Unmap()
	if len(trusted) == 0 || !within(ip, trusted) {
		return ip.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if ip = hop.Unmap(); !within(ip, trusted) {
			break
		}
	}
	return ip.String()
}

// fromProxy reports whether the peer is a proxy that is trusted.
func fromProxy(r *http.Request, trusted []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && within(peer.Addr().Unmap(), trusted)
}

func within(ip netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

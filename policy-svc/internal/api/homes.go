package api

import (
	"context"
	"strings"
	"sync"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/tenant"
	"golang.org/x/sync/singleflight"
)

const (
	// homeLife is how long an answer about a domain is used, the answer that
	// nobody verified it included. What a tenant changes counts within a
	// second, and directory-svc may hold an answer for a part of that.
	homeLife = 500 * time.Millisecond
	// homeTimeout bounds a look-up that several decisions wait for.
	homeTimeout = 3 * time.Second
	maxHomes    = 4096
)

// homes remembers for a moment which tenant verified a domain, so that a
// stream of invitations to one organization asks directory-svc twice a second
// and not each time. The zero value is ready.
type homes struct {
	mu     sync.RWMutex
	known  map[string]home
	flight singleflight.Group
}

// home is the tenant of a domain, zero when there is none, and when it was
// asked for.
type home struct {
	tenant tenant.ID
	asked  time.Time
}

// of answers the tenant that verified a domain, zero for none.
func (h *homes) of(ctx context.Context, directory TenantDirectory, c clock.Clock, domain string) (tenant.ID, error) {
	domain = strings.ToLower(domain)
	h.mu.RLock()
	known, ok := h.known[domain]
	h.mu.RUnlock()
	if ok && c.Now().Sub(known.asked) < homeLife {
		return known.tenant, nil
	}
	v, err, _ := h.flight.Do(domain, func() (any, error) {
		// The first to ask must not end the look-up for those that wait with it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), homeTimeout)
		defer cancel()
		found := home{asked: c.Now()}
		facts, err := directory.FindTenantByDomain(ctx, &directorypb.FindTenantByDomainRequest{Domain: domain})
		switch {
		case notThere(err):
		case err != nil:
			return nil, err
		default:
			if found.tenant, err = tenant.Parse(facts.GetTenantId()); err != nil {
				return nil, err
			}
		}
		h.keep(domain, found)
		return found.tenant, nil
	})
	if err != nil {
		return tenant.ID{}, err
	}
	t, _ := v.(tenant.ID)
	return t, nil
}

func (h *homes) keep(domain string, found home) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || len(h.known) >= maxHomes {
		h.known = make(map[string]home)
	}
	h.known[domain] = found
}

package jobs

import (
	"context"
	"sync"

	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/tenant"
)

// Hardener lifts keyed password verifiers to argon2id, a few per call, so that
// hashing never takes more than a small share of the processor.
type Hardener struct {
	Store     *store.Store
	Verifiers *password.Verifiers
	// Batch is how many verifiers one call lifts.
	Batch int

	mu    sync.Mutex
	queue []tenant.ID
	all   bool // every tenant has been queued once
}

// RunOnce lifts up to Batch verifiers and answers how many it did.
func (h *Hardener) RunOnce(ctx context.Context) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.all {
		// What a former process left: every tenant is looked at once.
		if err := h.queueAll(ctx); err != nil {
			return 0, err
		}
	}
	h.queue = append(h.queue, h.Store.TakeUnhardened()...)
	done := 0
	for done < h.Batch && len(h.queue) > 0 {
		n, err := h.tenant(ctx, h.queue[0], h.Batch-done)
		if err != nil {
			return done, err
		}
		if done += n; n == 0 {
			h.queue = h.queue[1:]
		}
	}
	return done, nil
}

func (h *Hardener) queueAll(ctx context.Context) error {
	var after tenant.ID
	for {
		const page = 500
		found, err := h.Store.Tenants(ctx, 0, "", after, page)
		if err != nil {
			return err
		}
		for _, t := range found {
			h.queue = append(h.queue, t.ID)
			after = t.ID
		}
		if len(found) < page {
			h.all = true
			return nil
		}
	}
}

func (h *Hardener) tenant(ctx context.Context, t tenant.ID, limit int) (int, error) {
	list, err := h.Store.Unhardened(ctx, t, limit)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		verifier, err := h.Verifiers.Harden(p.Verifier)
		if err != nil {
			return 0, err
		}
		if err := h.Store.Harden(ctx, t, p, int16(password.Hardened), verifier); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

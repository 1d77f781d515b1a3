package api

import (
	"context"
	"sync"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/tenant"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Feed serves ChangeFeedService (DIR-213, DIR-214).
type Feed struct {
	pb.UnimplementedChangeFeedServiceServer
	*Core
	Hints *Hints
}

var _ pb.ChangeFeedServiceServer = (*Feed)(nil)

const (
	defaultChanges = 500
	maxChanges     = 5000
)

// GetFeedPosition returns the present end of the feed.
func (s *Feed) GetFeedPosition(ctx context.Context, req *pb.GetFeedPositionRequest) (*pb.FeedPosition, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	at, err := s.Store.FeedEnd(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	return &pb.FeedPosition{Position: at.String()}, nil
}

// ListChanges returns the changes behind a position in commit order.
func (s *Feed) ListChanges(ctx context.Context, req *pb.ListChangesRequest) (*pb.ListChangesResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	from, err := store.ParsePosition(req.Position)
	if err != nil {
		return nil, err
	}
	var types []object.Type
	for _, name := range req.Types {
		kind, ok := object.Parse(name)
		if !ok {
			return nil, property.Refused("types", "The type '%s' is not known.", clip(name))
		}
		types = append(types, kind)
	}
	entries, at, more, err := s.Store.Changes(ctx, t.ID, from, types, between(int(req.Limit), defaultChanges, maxChanges))
	if err != nil {
		return nil, err
	}
	out := &pb.ListChangesResponse{Position: at.String(), More: more, Changes: make([]*pb.Change, len(entries))}
	for i, e := range entries {
		out.Changes[i] = &pb.Change{ObjectId: e.ID.String(), Type: e.Type.String(), Kind: pb.Change_Kind(e.Kind), Properties: e.Properties, Time: timestamppb.New(e.Time)}
		if e.Related != nil {
			out.Changes[i].RelatedId = e.Related.String()
		}
	}
	return out, nil
}

// between is n within 1 and most, or usual where n is not given.
func between(n, usual, most int) int {
	if n <= 0 {
		return usual
	}
	return min(n, most)
}

// WatchChanges sends a hint whenever one of the tenants has new changes.
func (s *Feed) WatchChanges(req *pb.WatchChangesRequest, stream grpc.ServerStreamingServer[pb.ChangeHint]) error {
	watched := make(map[tenant.ID]bool, len(req.TenantIds))
	for _, text := range req.TenantIds {
		t, err := s.named(stream.Context(), text)
		if err != nil {
			return err
		}
		watched[t.ID] = true
	}
	hints, done := s.Hints.follow(watched)
	defer done()
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case <-hints.wake:
		}
		for _, id := range hints.take() {
			if err := stream.Send(&pb.ChangeHint{TenantId: id.String()}); err != nil {
				return err
			}
		}
	}
}

// Hints passes on to followers that tenants have new changes. The zero value
// is ready; it is safe for concurrent use.
type Hints struct {
	mu        sync.Mutex
	followers map[*follower]struct{}
}

// follower gathers the tenants that changed since it last looked.
type follower struct {
	wake    chan struct{} // holds one token while dirty is not empty
	watched map[tenant.ID]bool
	mu      sync.Mutex
	dirty   map[tenant.ID]struct{}
}

// Tell hints that a tenant has new changes. It never blocks.
func (h *Hints) Tell(id tenant.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.followers {
		if f.watched[id] {
			f.add(id)
		}
	}
}

func (h *Hints) follow(watched map[tenant.ID]bool) (f *follower, done func()) {
	f = &follower{wake: make(chan struct{}, 1), watched: watched, dirty: make(map[tenant.ID]struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers == nil {
		h.followers = make(map[*follower]struct{})
	}
	h.followers[f] = struct{}{}
	return f, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.followers, f)
	}
}

func (f *follower) add(id tenant.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirty[id] = struct{}{}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *follower) take() []tenant.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]tenant.ID, 0, len(f.dirty))
	for id := range f.dirty {
		out = append(out, id)
	}
	clear(f.dirty)
	return out
}

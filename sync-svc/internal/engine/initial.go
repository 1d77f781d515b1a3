package engine

import (
	"context"
	"fmt"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/store"
)

// span is a page of an initial cycle: everything in scope with ids after one
// and up to another, and what is connected in between.
type span struct {
	page *page
	last uuid.UUID
	more bool
}

// span reads and decides the page after an id.
func (r *run) span(ctx context.Context, after uuid.UUID) (*span, error) {
	s := &span{page: &page{}}
	request := &directorypb.ListSourceUsersRequest{TenantId: r.job.Tenant.String(), Limit: int32(r.BatchSize)}
	if r.meaning.SyncAll {
		if after != uuid.Nil {
			request.AfterId = after.String()
		}
	} else {
		ids, more, err := r.assignees(ctx, after, r.BatchSize)
		if err != nil {
			return nil, err
		}
		s.more = more
		for _, id := range ids {
			request.Ids = append(request.Ids, id.String())
			s.last = id
		}
	}
	var users []*directorypb.SourceUser
	if r.meaning.SyncAll || len(request.Ids) > 0 {
		response, err := r.Source.ListSourceUsers(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("read source users: %w", err)
		}
		users = response.GetUsers()
		if r.meaning.SyncAll && response.GetNextAfterId() != "" {
			s.more = true
			if s.last, err = uuid.Parse(response.GetNextAfterId()); err != nil {
				return nil, fmt.Errorf("read source users: %w", err)
			}
		}
	}
	if !s.more {
		s.last = uuid.Max
	}
	if err := r.fill(ctx, s, after, users); err != nil {
		return nil, err
	}
	return s, r.decide(ctx, s.page)
}

// fill makes the candidates of a span: the users that were read, and connected
// ones that were not, because they are deleted or out of scope.
func (r *run) fill(ctx context.Context, s *span, after uuid.UUID, users []*directorypb.SourceUser) error {
	var links map[uuid.UUID]store.Link
	var escrows map[uuid.UUID]store.Escrow
	err := r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
		var err error
		links, escrows, err = tx.Between(r.job.Key, after, s.last)
		return err
	})
	if err != nil {
		return err
	}
	read := make(map[uuid.UUID]bool, len(users))
	for _, u := range users {
		id, err := uuid.Parse(u.GetUser().GetId())
		if err != nil {
			return fmt.Errorf("read source users: %w", err)
		}
		read[id] = true
		link, known := links[id]
		link.Source = id
		c := &candidate{id: id, source: u, assigned: true, link: link, known: known}
		if e, ok := escrows[id]; ok {
			c.escrow = &e
		}
		s.page.all = append(s.page.all, c)
	}
	var rest []uuid.UUID
	for id, l := range links {
		if !read[id] && l.State == store.Linked {
			rest = append(rest, id)
		}
	}
	for len(rest) > 0 {
		n := min(len(rest), 500)
		left, err := r.gather(ctx, rest[:n])
		if err != nil {
			return err
		}
		s.page.all = append(s.page.all, left...)
		rest = rest[n:]
	}
	return nil
}

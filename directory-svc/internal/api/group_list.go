package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
)

// relation lists the objects that an object is related to, a page at a time.
// Filters may name `id` alone, which every directory object has (DIR-201).
func (c *Core) relation(ctx context.Context, who caller.Caller, t *store.Tenant, route string, r store.Relation, from uuid.UUID, cast string, q *odatapb.Query) (*pb.ListDirectoryObjectsResponse, error) {
	route += "/" + from.String() + "/" + cast
	types, err := castTypes(cast)
	if err != nil {
		return nil, err
	}
	l, page, err := c.listing(who, route, q, groupDescriptor, r.LinkColumns())
	if err != nil {
		return nil, err
	}
	if r == store.MemberOf {
		l.Where = append(l.Where, viewerOf(who, from).Holders())
	}
	found, err := c.Store.ListLinks(ctx, t.ID, r, from, types, l)
	if err != nil {
		return nil, err
	}
	out := &pb.ListDirectoryObjectsResponse{OdataCount: found.Count, NextPageToken: next(c, who, route, q, page, found)}
	return out, c.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		out.Value, err = c.objects(tx, who, t, found.Items)
		return err
	})
}

// ofGroup lists a relation of a live group.
func (s *Groups) ofGroup(ctx context.Context, req *pb.ListGroupRelationRequest, route string, r store.Relation) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, id, err := s.readable(ctx, req.Id, r == store.Members)
	if err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, route, r, id, req.Cast, req.Query)
}

// readable checks that the caller may read the links of a live group.
func (s *Groups) readable(ctx context.Context, text string, members bool) (caller.Caller, *store.Tenant, uuid.UUID, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return who, nil, uuid.Nil, err
	}
	id, err := objectID(text)
	if err != nil {
		return who, nil, uuid.Nil, err
	}
	if err := access.Links(who, rights(t)); err != nil {
		return who, nil, uuid.Nil, err
	}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		g, err := tx.Group(id, store.Live, false)
		if err != nil {
			return err
		}
		if err := guestReads(tx, who, g); err != nil || !members {
			return err
		}
		return hidden(tx, who, g)
	})
	return who, t, id, err
}

// ListMembers lists the direct members of a group (DIR-136).
func (s *Groups) ListMembers(ctx context.Context, req *pb.ListGroupRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	return s.ofGroup(ctx, req, "groups/members", store.Members)
}

// ListOwners lists the owners of a group.
func (s *Groups) ListOwners(ctx context.Context, req *pb.ListGroupRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	return s.ofGroup(ctx, req, "groups/owners", store.Owners)
}

// ListMemberOf lists the groups that hold a group directly.
func (s *Groups) ListMemberOf(ctx context.Context, req *pb.ListGroupRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	return s.ofGroup(ctx, req, "groups/memberOf", store.MemberOf)
}

// ListTransitiveMembers lists everything inside a group, nested groups
// included unless they hide their members from the caller (DIR-136). Filters and counts are not offered on it.
func (s *Groups) ListTransitiveMembers(ctx context.Context, req *pb.ListGroupRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, id, err := s.readable(ctx, req.Id, true)
	if err != nil {
		return nil, err
	}
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	types, err := castTypes(req.Cast)
	if err != nil {
		return nil, err
	}
	route := "groups/transitiveMembers/" + id.String() + "/" + req.Cast
	page, err := s.Tokens.Page(who, route, req.Query)
	if err != nil {
		return nil, err
	}
	after, err := behind(page, uuid.Nil)
	if err != nil {
		return nil, err
	}
	out := &pb.ListDirectoryObjectsResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		links, err := tx.TransitiveMembers(viewer(who), id, after, types, page.Size+1)
		if err != nil {
			return err
		}
		if len(links) > page.Size {
			links = links[:page.Size]
			out.NextPageToken = s.Tokens.Next(who, route, req.Query, page, odata.Position{ID: links[page.Size-1].ID.String()})
		}
		if page.Count {
			n, err := tx.CountTransitiveMembers(viewer(who), id, types)
			if err != nil {
				return err
			}
			out.OdataCount = &n
		}
		out.Value, err = s.objects(tx, who, t, links)
		return err
	})
	return out, err
}

// ListMemberOf lists the groups, units and roles that hold a user directly
// (DIR-50); those that hide their members from the caller are left out.
func (s *Users) ListMemberOf(ctx context.Context, req *pb.ListUserRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.GetUser(ctx, t.ID, store.ParseUserKey(req.Id), []string{"id"})
	if err != nil {
		return nil, err
	}
	if err := readsHolders(who, rights(t), store.Link{ID: u.ID, Type: object.User}); err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "users/memberOf", store.MemberOf, u.ID, req.Cast, req.Query)
}

package api

import (
	"context"
	"slices"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"google.golang.org/protobuf/types/known/emptypb"
)

// readable finds the user whose relations a caller wants to read.
func (s *Users) readable(ctx context.Context, key string) (caller.Caller, *store.Tenant, *user.User, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return who, nil, nil, err
	}
	u, err := s.Store.GetUser(ctx, t.ID, store.ParseUserKey(key), []string{"id", "sponsors"})
	if err == nil && access.ReadUser(who, u.ID, rights(t)) == access.Nothing {
		err = property.Denied()
	}
	return who, t, u, err
}

// ListDirectReports lists the users whose manager the user is (DIR-48).
func (s *Users) ListDirectReports(ctx context.Context, req *pb.ListUserRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, u, err := s.readable(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "users/directReports", store.DirectReports, u.ID, req.Cast, req.Query)
}

// ListOwnedObjects lists what the user owns (DIR-52).
func (s *Users) ListOwnedObjects(ctx context.Context, req *pb.ListUserRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, u, err := s.readable(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	if who.ObjectID != u.ID {
		if err := access.Directory(who, rights(t)); err != nil {
			return nil, err
		}
	}
	return s.relation(ctx, who, t, "users/ownedObjects", store.OwnedObjects, u.ID, req.Cast, req.Query)
}

// ListSponsors lists who answers for the user (DIR-49). Those that are
// soft-deleted do not show.
func (s *Users) ListSponsors(ctx context.Context, req *pb.ListUserRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	types, err := castTypes(req.Cast)
	if err != nil {
		return nil, err
	}
	who, t, u, err := s.readable(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	var out *pb.ListDirectoryObjectsResponse
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		links, err := tx.ResolveAll(u.Sponsors)
		if err != nil {
			return err
		}
		links = slices.DeleteFunc(links, func(l store.Link) bool { return len(types) > 0 && l.Type != types[0] })
		out, err = s.pageOf(tx, who, t, "users/sponsors/"+u.ID.String()+"/"+req.Cast, req.Query, links)
		return err
	})
	return out, err
}

// pageOf answers one page of links that were read as a whole, by id.
func (c *Core) pageOf(tx *store.Tx, who caller.Caller, t *store.Tenant, route string, q *odatapb.Query, links []store.Link) (*pb.ListDirectoryObjectsResponse, error) {
	page, err := c.Tokens.Page(who, route, q)
	if err != nil {
		return nil, err
	}
	out := &pb.ListDirectoryObjectsResponse{}
	if page.Count {
		const most = 2 * maxGroups // groups and roles
		out.OdataCount = ptr(int32(min(len(links), most)))
	}
	slices.SortFunc(links, func(a, b store.Link) int { return slices.Compare(a.ID[:], b.ID[:]) })
	if page.After != nil {
		links = slices.DeleteFunc(links, func(l store.Link) bool { return l.ID.String() <= page.After.ID })
	}
	if len(links) > page.Size {
		links = links[:page.Size]
		out.NextPageToken = c.Tokens.Next(who, route, q, page, odata.Position{ID: links[page.Size-1].ID.String()})
	}
	out.Value, err = c.objects(tx, who, t, links)
	return out, err
}

// AddSponsor adds a sponsor to a user (DIR-49).
func (s *Users) AddSponsor(ctx context.Context, req *pb.AddSponsorRequest) (*emptypb.Empty, error) {
	return s.relink(ctx, req.Id, "sponsors", "Update user", func(tx *store.Tx, u user.User) (user.User, linking, error) {
		found, err := s.referenced(tx, req.Reference.GetOdataId())
		if err != nil {
			return u, linking{}, err
		}
		if found.Type != object.User && found.Type != object.Group {
			return u, linking{}, fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "A sponsor is a user or a group.")
		}
		// Sponsors that were purged since take no place.
		held, err := tx.Names(u.Sponsors)
		if err != nil {
			return u, linking{}, err
		}
		kept := u.Sponsors[:0:0]
		for _, id := range u.Sponsors {
			if _, ok := held[id]; ok {
				kept = append(kept, id)
			}
		}
		u.Sponsors = kept
		if err := tx.Fits(quota.Sponsors, len(kept)+1); err != nil {
			return u, linking{}, err
		}
		u, err = user.AddSponsor(u, found.ID)
		return u, linking{store.Linked, found.ID, found.Type}, err
	})
}

// RemoveSponsor takes a sponsor from a user (DIR-49).
func (s *Users) RemoveSponsor(ctx context.Context, req *pb.RemoveSponsorRequest) (*emptypb.Empty, error) {
	id, err := objectID(req.ObjectId)
	if err != nil {
		return nil, err
	}
	return s.relink(ctx, req.Id, "sponsors", "Update user", func(_ *store.Tx, u user.User) (user.User, linking, error) {
		u, err := user.RemoveSponsor(u, id)
		return u, linking{store.Unlinked, id, object.User}, err
	})
}

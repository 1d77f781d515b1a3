package api

import (
	"context"

	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// firstOwners gives a new object the owners that its request names or, where
// it names none and a user created it, that user.
func (c *Core) firstOwners(ctx context.Context, tx *store.Tx, who caller.Caller, references []string, id uuid.UUID, t object.Type, kind string) error {
	if err := tx.Fits(quota.References, len(references)); err != nil {
		return err
	}
	owners, err := bind(tx, "owners", references)
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		switch {
		case who.Kind == caller.User:
			owners = []store.Link{{ID: who.ObjectID, Type: object.User}}
		case who.Kind == caller.Application && !who.Has("Application.ReadWrite.All"):
			owners = []store.Link{{ID: who.ObjectID, Type: object.ServicePrincipal}} // OwnedBy alone reaches only what it owns
		}
	}
	for _, o := range owners {
		if err := group.CheckOwner(o.Type); err != nil {
			return err
		}
		tx.AddOwner(id, t, o, c.now())
		if err := c.audit(ctx, tx, record("Add owner to "+kind, applicationManagement, "Assign", target(t, id, ""), target(o.Type, o.ID, ""))); err != nil {
			return err
		}
	}
	return nil
}

// ListApplicationOwners lists the owners of an application.
func (s *Applications) ListApplicationOwners(ctx context.Context, req *pb.ListApplicationOwnersRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	a, err := s.GetApplication(ctx, &pb.GetApplicationRequest{Id: req.Id})
	if err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "applications/owners", store.Owners, uuid.MustParse(a.Id), req.Cast, req.Query)
}

// AddApplicationOwner adds an owner.
func (s *Applications) AddApplicationOwner(ctx context.Context, req *pb.AddApplicationOwnerRequest) (*emptypb.Empty, error) {
	return s.owner(ctx, req.Id, func(tx *store.Tx, a *application.Application) error {
		return s.addOwner(ctx, tx, a.ID, object.Application, a.DisplayName, req.Reference.GetOdataId(), "application")
	})
}

// RemoveApplicationOwner removes an owner; the last one may go (DIR-182).
func (s *Applications) RemoveApplicationOwner(ctx context.Context, req *pb.RemoveApplicationOwnerRequest) (*emptypb.Empty, error) {
	return s.owner(ctx, req.Id, func(tx *store.Tx, a *application.Application) error {
		return s.removeOwner(ctx, tx, a.ID, object.Application, a.DisplayName, req.ObjectId, "application")
	})
}

func (s *Applications) owner(ctx context.Context, id string, fn func(*store.Tx, *application.Application) error) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Add owner to application", applicationManagement, "Assign", audit.Target{ID: clip(id), Type: object.Application.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		a, err := s.actingApplication(tx, who, id)
		if err != nil {
			return err
		}
		return fn(tx, a)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// addOwner and removeOwner change the owners of applications and service
// principals.

func (c *Core) addOwner(ctx context.Context, tx *store.Tx, id uuid.UUID, t object.Type, name, reference, kind string) error {
	link, err := c.referenced(tx, reference)
	if err != nil {
		return err
	}
	owners, err := tx.OwnersOf(id)
	if err != nil {
		return err
	}
	if err := tx.Fits(quota.Owners, len(owners)+1); err != nil {
		return err
	}
	if err := group.CheckOwner(link.Type); err != nil {
		return err
	}
	tx.AddOwner(id, t, link, c.now())
	tx.Change(store.Change{Type: t, ID: id, Kind: store.Linked, Properties: []string{"owners"}, Related: &link.ID})
	return c.audit(ctx, tx, record("Add owner to "+kind, applicationManagement, "Assign", target(t, id, name), target(link.Type, link.ID, "")))
}

func (c *Core) removeOwner(ctx context.Context, tx *store.Tx, id uuid.UUID, t object.Type, name, owner, kind string) error {
	o, err := objectID(owner)
	if err != nil {
		return err
	}
	ok, err := tx.RemoveLink(store.Owners, id, o)
	if err == nil && !ok {
		err = property.NotFound(clip(owner))
	}
	if err != nil {
		return err
	}
	tx.Change(store.Change{Type: t, ID: id, Kind: store.Unlinked, Properties: []string{"owners"}, Related: &o})
	return c.audit(ctx, tx, record("Remove owner from "+kind, applicationManagement, "Unassign", target(t, id, name), target(object.User, o, "")))
}

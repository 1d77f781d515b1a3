package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// GetManager returns the manager of a user (DIR-46).
func (s *Users) GetManager(ctx context.Context, req *pb.GetManagerRequest) (*pb.DirectoryObject, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var out *pb.DirectoryObject
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		u, err := tx.User(store.ParseUserKey(req.Id))
		if err != nil {
			return err
		}
		degree := access.ReadUser(who, u.ID, rights(t))
		if degree == access.Nothing {
			return property.Denied()
		}
		if u.ManagerID == nil {
			return property.NotFound("manager")
		}
		links, err := tx.ResolveAll([]uuid.UUID{*u.ManagerID})
		if err != nil {
			return err
		}
		found, err := s.objects(tx, who, t, links)
		if err == nil && len(found) == 0 {
			err = property.NotFound("manager") // the manager is soft-deleted: the link sleeps
		}
		if err == nil {
			out = found[0]
		}
		return err
	})
	return out, err
}

// SetManager sets the manager of a user (DIR-47).
func (s *Users) SetManager(ctx context.Context, req *pb.SetManagerRequest) (*emptypb.Empty, error) {
	id, err := refID(req.Reference.GetOdataId())
	if err != nil {
		return nil, err
	}
	return s.relink(ctx, req.Id, "manager", "Set user manager", func(tx *store.Tx, u user.User) (user.User, linking, error) {
		if id == u.ID {
			return u, linking{}, fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "A user cannot be the own manager.")
		}
		found, ok, err := tx.Resolve(id)
		if err == nil && (!ok || found.Type != object.User && found.Type != object.Contact) {
			err = property.NotFound(id.String())
		}
		u.ManagerID = &id
		return u, linking{store.Linked, id, found.Type}, err
	})
}

// RemoveManager removes the manager of a user (DIR-47).
func (s *Users) RemoveManager(ctx context.Context, req *pb.RemoveManagerRequest) (*emptypb.Empty, error) {
	return s.relink(ctx, req.Id, "manager", "Update user", func(_ *store.Tx, u user.User) (user.User, linking, error) {
		if u.ManagerID == nil {
			return u, linking{}, property.NotFound("manager")
		}
		former := *u.ManagerID
		u.ManagerID = nil
		return u, linking{store.Unlinked, former, object.User}, nil
	})
}

// linking is what happened to a relation of a user, and with whom.
type linking struct {
	kind store.ChangeKind
	id   uuid.UUID
	typ  object.Type
}

// relink changes a relation of a user that is kept with it.
func (s *Users) relink(ctx context.Context, key, relation, activity string, change func(*store.Tx, user.User) (user.User, linking, error)) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record(activity, userManagement, "Update", audit.Target{ID: clip(key), Type: object.User.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.ParseUserKey(key))
		if err != nil {
			return err
		}
		ev.Targets = []audit.Target{userTarget(old)}
		who, err := s.over(tx, who, old.ID, old.Restricted)
		if err != nil {
			return err
		}
		if err := access.Update(who, access.Target{ID: old.ID}, rights(t), []string{relation}); err != nil {
			return err
		}
		u, l, err := change(tx, *old)
		if err != nil {
			return err
		}
		d := store.Differ(old, &u)
		if d.Empty() {
			return nil
		}
		tx.SaveUser(old, &u, d)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: l.kind, Properties: d.Properties, Related: &l.id})
		ev.Targets = append(ev.Targets, audit.Target{ID: l.id.String(), Type: l.typ.Title()})
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
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
		manager, err := tx.User(store.UserID(*u.ManagerID))
		if fault.Is(err, errorspb.Reason_NOT_FOUND) {
			return property.NotFound("manager") // the manager is soft-deleted: the link sleeps
		}
		if err != nil {
			return err
		}
		shown := limited(userToProto(manager, t.InitialDomain), access.ReadUser(who, manager.ID, rights(t)))
		out = &pb.DirectoryObject{Object: &pb.DirectoryObject_User{User: shown}}
		return nil
	})
	return out, err
}

// SetManager sets the manager of a user (DIR-47).
func (s *Users) SetManager(ctx context.Context, req *pb.SetManagerRequest) (*emptypb.Empty, error) {
	id, err := refID(req.Reference.GetOdataId())
	if err != nil {
		return nil, err
	}
	return s.manage(ctx, req.Id, "Set user manager", func(tx *store.Tx, report uuid.UUID, _ *uuid.UUID) (*uuid.UUID, error) {
		if id == report {
			return nil, fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "A user cannot be the own manager.")
		}
		if _, err := tx.User(store.UserID(id)); err != nil {
			return nil, err
		}
		return &id, nil
	})
}

// RemoveManager removes the manager of a user (DIR-47).
func (s *Users) RemoveManager(ctx context.Context, req *pb.RemoveManagerRequest) (*emptypb.Empty, error) {
	return s.manage(ctx, req.Id, "Update user", func(_ *store.Tx, _ uuid.UUID, present *uuid.UUID) (*uuid.UUID, error) {
		if present == nil {
			return nil, property.NotFound("manager")
		}
		return nil, nil
	})
}

// manage changes the manager of a user to what decide answers.
func (s *Users) manage(ctx context.Context, key, activity string, decide func(tx *store.Tx, report uuid.UUID, present *uuid.UUID) (*uuid.UUID, error)) (*emptypb.Empty, error) {
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
		if err := access.Update(who, access.Target{ID: old.ID}, rights(t), []string{"manager"}); err != nil {
			return err
		}
		u := *old
		if u.ManagerID, err = decide(tx, old.ID, old.ManagerID); err != nil {
			return err
		}
		d := store.Differ(old, &u)
		if d.Empty() {
			return nil
		}
		tx.SaveUser(old, &u, d)
		kind, related := store.Linked, u.ManagerID
		if related == nil {
			kind, related = store.Unlinked, old.ManagerID
		}
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: kind, Properties: d.Properties, Related: related})
		ev.Targets = append(ev.Targets, audit.Target{ID: related.String(), Type: object.User.Title()})
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

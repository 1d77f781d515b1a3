package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Authorize decides for a sibling service whether a principal may do something
// to an object, by the rules that the handlers of this service go by (DIR-230).
func (s *Principals) Authorize(ctx context.Context, req *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.PrincipalId)
	if err != nil {
		return nil, err
	}
	goal, err := objectID(req.ObjectId)
	if err != nil {
		return nil, err
	}
	p, err := s.Store.Principal(ctx, t.ID, id)
	if err != nil {
		return nil, err
	}
	in := *t
	if in.Policy, err = s.policyOf(ctx, t.ID); err != nil {
		return nil, err
	}
	who := caller.Caller{Tenant: t.ID, ObjectID: id, AppID: p.AppID, Permissions: []string{"Directory.AccessAsUser.All"}}
	become(&who, p)
	err = property.Denied()
	if p.Enabled {
		err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error { return s.authorize(tx, who, &in, req, goal) })
	}
	switch {
	case err == nil:
		return &pb.AuthorizeResponse{Allowed: true}, nil
	case fault.From(err).Kind == fault.KindDenied:
		return &pb.AuthorizeResponse{Reason: fault.From(err).Message}, nil
	}
	return nil, err
}

func (s *Principals) authorize(tx *store.Tx, who caller.Caller, t *store.Tenant, req *pb.AuthorizeRequest, id uuid.UUID) error {
	switch req.Action {
	case pb.AuthorizeRequest_readUser, pb.AuthorizeRequest_updateUser, pb.AuthorizeRequest_deleteUser, pb.AuthorizeRequest_resetPassword, pb.AuthorizeRequest_revokeSessions:
		return s.authorizeUser(tx, who, t, req, id)
	case pb.AuthorizeRequest_updateGroup, pb.AuthorizeRequest_changeMembers, pb.AuthorizeRequest_deleteGroup:
		g, err := tx.Group(id, store.Live, false)
		if err != nil {
			return err
		}
		act := map[pb.AuthorizeRequest_Action]groupAct{pb.AuthorizeRequest_changeMembers: changesMembers, pb.AuthorizeRequest_deleteGroup: deletesGroup}[req.Action]
		_, err = s.mayWriteGroup(tx, who, g, act)
		return err
	case pb.AuthorizeRequest_updateApplication, pb.AuthorizeRequest_holdCredentials:
		kind, appID := object.Application, uuid.Nil
		a, err := tx.Application(store.AppObject(id), store.Live, false)
		if err == nil {
			appID = a.AppID
		}
		if isNotFound(err) {
			p, lookup := tx.ServicePrincipal(store.AppObject(id), store.Live, false)
			if err = lookup; err == nil {
				kind, appID = object.ServicePrincipal, p.AppID
			}
		}
		if err != nil {
			return err
		}
		read, decide := s.appOf, access.WriteApplication
		if req.Action == pb.AuthorizeRequest_holdCredentials {
			read, decide = s.actsFor, access.HoldCredentials
		}
		right, err := read(tx, who, kind, id, appID)
		if err != nil {
			return err
		}
		return decide(who, right)
	}
	return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The action is not known.")
}

func (s *Principals) authorizeUser(tx *store.Tx, who caller.Caller, t *store.Tenant, req *pb.AuthorizeRequest, id uuid.UUID) error {
	u, err := tx.User(store.UserID(id))
	if err != nil {
		return err
	}
	if req.Action == pb.AuthorizeRequest_readUser {
		if access.ReadUser(who, id, rights(t)) == access.Nothing {
			return property.Denied()
		}
		return nil
	}
	goal, err := s.target(tx, id)
	if err != nil {
		return err
	}
	by, err := s.over(tx, who, id, u.Restricted)
	if err != nil {
		return err
	}
	switch req.Action {
	case pb.AuthorizeRequest_updateUser:
		return access.Update(by, goal, rights(t), req.Properties)
	case pb.AuthorizeRequest_deleteUser:
		return access.Delete(by, goal)
	case pb.AuthorizeRequest_resetPassword:
		return access.ResetPassword(by, goal)
	}
	return access.Revoke(by, goal)
}

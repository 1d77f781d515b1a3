package api

import (
	"context"
	"crypto/rand"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"google.golang.org/protobuf/types/known/emptypb"
)

// ExternalUsers serves ExternalUserService, for invitation-svc (DIR-225,
// DIR-226).
type ExternalUsers struct {
	pb.UnimplementedExternalUserServiceServer
	*Core
}

var _ pb.ExternalUserServiceServer = (*ExternalUsers)(nil)

// FindInviteConflicts returns every object that an invited address meets.
func (s *ExternalUsers) FindInviteConflicts(ctx context.Context, req *pb.FindInviteConflictsRequest) (*pb.FindInviteConflictsResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	out := &pb.FindInviteConflictsResponse{}
	if _, domain, ok := address.Split(req.Email); ok {
		out.OwnDomain = t.Owns(domain)
	}
	found, err := s.Store.InviteConflicts(ctx, t.ID, req.Email)
	for _, c := range found {
		row := &pb.FindInviteConflictsResponse_Conflict{ObjectId: c.ID.String(), Type: c.Type.String(), MatchedBy: c.MatchedBy, HoldsRole: c.HoldsRole}
		if c.User != nil {
			row.User, row.External, row.Deleted = userToProto(c.User, t.InitialDomain), c.User.External(), c.User.Deleted != nil
			if c.User.InvitedEmail != nil {
				row.InvitedEmail = *c.User.InvitedEmail
			}
		}
		out.Conflicts = append(out.Conflicts, row)
	}
	return out, err
}

// homeKey reads the account of a message; the zero key when there is none.
func homeKey(in *pb.HomeKey) (identity.HomeKey, error) {
	switch {
	case in == nil:
		return identity.HomeKey{}, nil
	case in.HomeTenantId != "":
		home, err := tenant.Parse(in.HomeTenantId)
		if err != nil || in.HomeObjectId == "" {
			return identity.HomeKey{}, property.Refused("homeKey", "The home key is not valid.")
		}
		return identity.HomeKey{Tenant: home, Object: in.HomeObjectId}, nil
	case in.Issuer == "" || in.Subject == "" || len(in.Issuer) > 512 || len(in.Subject) > 512:
		return identity.HomeKey{}, property.Refused("homeKey", "The home key is not valid.")
	}
	return identity.HomeKey{Issuer: in.Issuer, Subject: in.Subject}, nil
}

// CreateExternalUser creates an invited user (DIR-59, DIR-60, DIR-116). A
// repeat with the same invitation answers the user it made.
func (s *ExternalUsers) CreateExternalUser(ctx context.Context, req *pb.CreateExternalUserRequest) (*pb.CreateExternalUserResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	if !address.IsMail(req.Email) {
		return nil, property.Invalid("User", "mail")
	}
	draft, err := externalDraft(req, t)
	if err != nil {
		return nil, err
	}
	ev := record("Add user", userManagement, "Add", audit.Target{DisplayName: draft.DisplayName, Type: object.User.Title()})
	for attempt := 1; ; attempt++ {
		made, existed, err := s.createExternal(ctx, req, draft, t, ev)
		if err == nil {
			return &pb.CreateExternalUserResponse{User: userToProto(made, t.InitialDomain), AlreadyExisted: existed}, nil
		}
		if !raced(err) || attempt == applyAttempts {
			return nil, s.failed(ctx, t.ID, ev, err)
		}
	}
}

// raced reports that the database refused what the look-up before had found
// free: another call was quicker, and a repeat sees what it did.
func raced(err error) bool {
	f := fault.From(err)
	return f.Unwrap() != nil && (f.Kind == fault.KindAborted || f.Kind == fault.KindExists)
}

func (s *ExternalUsers) createExternal(ctx context.Context, req *pb.CreateExternalUserRequest, draft user.User, t *store.Tenant, ev audit.Event) (made *user.User, existed bool, err error) {
	limit, limited, err := s.mostTenants(ctx, draft.HomeKey)
	if err != nil {
		return nil, false, err
	}
	err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
		name := user.ExternalName(req.Email, t.InitialDomain)
		met, err := tx.Meet(req.InvitationId, draft.HomeKey, req.Email, name)
		if err != nil {
			return err
		}
		if made, existed = existing(&met, req.Email); made != nil {
			return nil
		}
		if err := anotherTenant(tx, draft.HomeKey, limit, limited); err != nil {
			return err
		}
		u := draft
		if u.UserPrincipalName = name; met.NameTaken {
			var random [4]byte
			_, _ = rand.Read(random[:])
			u.UserPrincipalName = user.ExternalNameOnClash(req.Email, t.InitialDomain, random)
		}
		if u, err = user.NewExternal(u, req.Email, newID(), holderOf(met.Holder), &t.Tenant, s.now()); err != nil {
			return err
		}
		made = &u
		tx.InsertUser(made, nil)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Created})
		ev.Targets = []audit.Target{userTarget(made)}
		return s.audit(ctx, tx, ev)
	})
	return made, existed, err
}

// mostTenants is in how many tenants an account may be an external user, by the
// limit of its home (DIR-235); none where the home is not of the installation.
func (s *ExternalUsers) mostTenants(ctx context.Context, key identity.HomeKey) (limit int, limited bool, err error) {
	if key.Tenant.IsZero() {
		return 0, false, nil
	}
	home, err := s.Store.Tenant(ctx, key.Tenant)
	if isNotFound(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return home.Limits.Of(quota.ExternalTenants), true, nil
}

// anotherTenant decides whether the account may be an external user here, too.
func anotherTenant(tx *store.Tx, key identity.HomeKey, limit int, limited bool) error {
	if !limited {
		return nil
	}
	n, err := tx.ExternalTenants(key.String())
	if err != nil {
		return err
	}
	return quota.Check(quota.ExternalTenants, n+1, limit)
}

// existing is the user that a request would make again: of the same
// invitation, with the same home account, or invited at the same address.
func existing(met *store.Meeting, mail string) (made *user.User, existed bool) {
	switch u := met.ByEmail; {
	case met.ByInvitation != nil:
		return met.ByInvitation, false
	case met.ByHome != nil:
		return met.ByHome, true
	case u != nil && u.External() && u.InvitedEmail != nil && address.Fold(*u.InvitedEmail) == address.Fold(mail):
		return u, true
	}
	return nil, false
}

// holderOf tells the holders of an address apart as DIR-116 does.
func holderOf(t object.Type) user.Holder {
	switch t {
	case 0:
		return user.Nobody
	case object.Contact:
		return user.Contact
	}
	return user.UserOrGroup
}

func externalDraft(req *pb.CreateExternalUserRequest, t *store.Tenant) (user.User, error) {
	var draft user.User
	for _, path := range req.AttributeMask {
		switch path {
		case "id", "user_principal_name", "user_type", "identities", "mail", "account_enabled", "password_profile":
			return draft, property.ReadOnly(path)
		}
	}
	if req.Attributes != nil {
		if err := applyUser(&draft, req.Attributes, req.AttributeMask, t.InitialDomain); err != nil {
			return draft, err
		}
	}
	if req.DisplayName != "" {
		draft.DisplayName = req.DisplayName
	}
	if draft.DisplayName == "" {
		draft.DisplayName, _, _ = address.Split(req.Email)
	}
	var err error
	if draft.HomeKey, err = homeKey(req.HomeKey); err != nil {
		return draft, err
	}
	for _, id := range req.SponsorIds {
		sponsor, err := objectID(id)
		if err != nil {
			return draft, err
		}
		draft.Sponsors = append(draft.Sponsors, sponsor)
	}
	draft.Mail, draft.Type, draft.InvitationID = &req.Email, user.Type(req.UserType), &req.InvitationId
	return draft, nil
}

// BindExternalIdentity binds the account that redeemed (DIR-61).
func (s *ExternalUsers) BindExternalIdentity(ctx context.Context, req *pb.BindExternalIdentityRequest) (*pb.User, error) {
	key, err := homeKey(req.HomeKey)
	if err != nil {
		return nil, err
	}
	if key.IsZero() {
		return nil, property.Refused("homeKey", "The home key is required.")
	}
	limit, limited, err := s.mostTenants(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.changeExternal(ctx, req.TenantId, req.UserId, "Redeem external user invite", []audit.KeyValue{{Key: "method", Value: req.Method}}, func(tx *store.Tx, u user.User) (user.User, error) {
		if u.RedemptionID != nil && *u.RedemptionID == req.RedemptionId {
			return u, nil
		}
		u, changed, err := user.Bind(u, key, s.now())
		if err != nil || !changed {
			return u, err
		}
		if err := anotherTenant(tx, key, limit, limited); err != nil {
			return u, err
		}
		u.RedemptionID = &req.RedemptionId
		if req.DisplayName != "" && (u.Mail != nil && (u.DisplayName == *u.Mail || u.DisplayName == localPart(*u.Mail))) {
			u.DisplayName = req.DisplayName // nobody chose a name yet: it was made from the address
		}
		if u.GivenName == nil {
			u.GivenName = optional(&req.GivenName)
		}
		if u.Surname == nil {
			u.Surname = optional(&req.Surname)
		}
		return u, user.Check(&u)
	})
}

func localPart(mail string) string {
	local, _, _ := address.Split(mail)
	return local
}

// ResetExternalIdentity takes a redemption back to pending (DIR-62).
func (s *ExternalUsers) ResetExternalIdentity(ctx context.Context, req *pb.ResetExternalIdentityRequest) (*pb.User, error) {
	return s.changeExternal(ctx, req.TenantId, req.UserId, "Invite external user with reset invitation status", nil, func(_ *store.Tx, u user.User) (user.User, error) {
		u.RedemptionID = nil
		return user.Reset(u, req.Email, s.now())
	})
}

// BeginExternalConversion begins to turn an internal user into an external one
// (DIR-71).
func (s *ExternalUsers) BeginExternalConversion(ctx context.Context, req *pb.BeginExternalConversionRequest) (*pb.User, error) {
	return s.changeExternal(ctx, req.TenantId, req.UserId, "Invite internal user to B2B collaboration", nil, func(_ *store.Tx, u user.User) (user.User, error) {
		return user.BeginConversion(u, req.Email, s.now())
	})
}

// changeExternal changes one external user and records the activity for the
// invitation service.
func (s *ExternalUsers) changeExternal(ctx context.Context, tenantID, userID, activity string, details []audit.KeyValue, change func(*store.Tx, user.User) (user.User, error)) (*pb.User, error) {
	t, err := s.named(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	id, err := objectID(userID)
	if err != nil {
		return nil, err
	}
	var out *pb.User
	ev := record(activity, userManagement, "Update", audit.Target{ID: userID, Type: object.User.Title()})
	ev.Service, ev.Details = audit.InvitedUsers, details
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.UserID(id))
		if err != nil {
			return err
		}
		u, err := change(tx, *old)
		if err != nil {
			return err
		}
		out = userToProto(&u, t.InitialDomain)
		d := store.Differ(old, &u)
		if d.Empty() {
			return nil
		}
		tx.SaveUser(old, &u, d)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Updated, Properties: d.Properties})
		ev.Targets[0] = userTarget(&u)
		ev.Targets[0].Modified = modified(userToProto(old, t.InitialDomain), out, d.Properties)
		return s.audit(ctx, tx, ev)
	})
	return out, err
}

// GetExternalUser returns one user, live or soft-deleted.
func (s *ExternalUsers) GetExternalUser(ctx context.Context, req *pb.GetExternalUserRequest) (*pb.User, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.AnyUser(ctx, t.ID, id)
	if err != nil {
		return nil, err
	}
	return userToProto(u, t.InitialDomain), nil
}

// FindExternalUserByEmail finds the live user an address belongs to (DIR-63).
func (s *ExternalUsers) FindExternalUserByEmail(ctx context.Context, req *pb.FindExternalUserByEmailRequest) (*pb.User, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.UserByEmail(ctx, t.ID, req.Email)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, property.NotFound(clip(req.Email))
	}
	return userToProto(u, t.InitialDomain), nil
}

// ResolveHomeAccount finds the one enabled internal user of a home tenant that
// owns an address (INV-63).
func (s *ExternalUsers) ResolveHomeAccount(ctx context.Context, req *pb.ResolveHomeAccountRequest) (*pb.HomeAccount, error) {
	t, err := s.named(ctx, req.HomeTenantId)
	if err != nil {
		return nil, err
	}
	if _, domain, ok := address.Split(req.Email); !ok || !t.Owns(domain) {
		return nil, property.NotFound(clip(req.Email))
	}
	found, err := s.Store.HomeAccounts(ctx, t.ID, req.Email)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, property.NotFound(clip(req.Email))
	}
	u := found[0]
	return &pb.HomeAccount{HomeTenantId: t.ID.String(), ObjectId: u.ID.String(), UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName, Enabled: u.AccountEnabled}, nil
}

// SoftDeleteExternalUser soft-deletes an external user: as the compensation
// of a failed invitation, with an invitation that is taken back (INV-35), or
// because the user leaves (DIR-70). For a compensation, a user that is gone
// already is no error. An invitation takes back nobody but the user that still
// waits for it.
func (s *ExternalUsers) SoftDeleteExternalUser(ctx context.Context, req *pb.SoftDeleteExternalUserRequest) (*emptypb.Empty, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	ev := record("Delete external user", userManagement, "Delete", audit.Target{ID: req.UserId, Type: object.User.Title()})
	ev.Service, ev.Details = audit.InvitedUsers, []audit.KeyValue{{Key: "reason", Value: req.Reason}}
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.UserID(id))
		if fault.Is(err, errorspb.Reason_NOT_FOUND) && req.Reason == "compensation" {
			return nil
		}
		if err != nil {
			return err
		}
		if req.Reason == "compensation" && req.InvitationId != "" && (old.InvitationID == nil || *old.InvitationID != req.InvitationId) {
			return nil // the user belongs to a later invitation
		}
		if req.Reason == "revoke" && (old.ExternalState != user.PendingAcceptance || old.InvitationID == nil || *old.InvitationID != req.InvitationId) {
			return fault.Denied(errorspb.Reason_ACCESS_DENIED, "The user does not wait for this invitation and stays.")
		}
		if !old.External() || req.Reason == "leave" && !old.AccountEnabled {
			return property.Denied()
		}
		s.deleteUser(tx, old)
		ev.Targets[0] = userTarget(old)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ClaimExternalUser gives a pending user to a later invitation.
func (s *ExternalUsers) ClaimExternalUser(ctx context.Context, req *pb.ClaimExternalUserRequest) (*emptypb.Empty, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.UserID(id))
		if err != nil {
			return err
		}
		if !old.External() && old.ExternalState == user.NeverInvited {
			return property.Denied()
		}
		u := *old
		u.InvitationID = &req.InvitationId
		tx.SaveUser(old, &u, store.Differ(old, &u))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

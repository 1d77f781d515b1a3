package api

import (
	"context"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/setting"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/unit"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Users serves UserService.
type Users struct {
	pb.UnimplementedUserServiceServer
	*Core
}

var _ pb.UserServiceServer = (*Users)(nil)

// CreateUser creates a work account or, in an external tenant, a customer
// (DIR-41, DIR-72).
func (s *Users) CreateUser(ctx context.Context, req *pb.CreateUserRequest) (*pb.User, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	in, now := req.User, s.now()
	if in.EmployeeLeaveDateTime != nil && !access.WritesLifecycle(who) {
		return nil, property.Denied() // DIR-35
	}
	var u user.User
	if err := applyUser(&u, in, present(in), t.InitialDomain); err != nil {
		return nil, err
	}
	secret, generated := in.GetPasswordProfile().GetPassword(), ""
	if secret == "" && u.Local() && t.Type == organization.External {
		generated = password.Generate() // DIR-77
		secret = generated
	}
	u.HasPassword = secret != ""
	if u, err = user.New(u, in.AccountEnabled, newID(), &t.Tenant, now); err != nil {
		return nil, err
	}
	rules, err := s.rulesOfPasswords(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	keep, err := s.newPassword(rules, &u, in.GetPasswordProfile(), secret, &t.Tenant)
	if err != nil {
		return nil, err
	}
	out := userToProto(&u, t.InitialDomain)
	ev := record("Add user", userManagement, "Add", userTarget(&u))
	ev.Targets[0].Modified = modified(nil, out, propertyNames(userFields, present(in)))
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		tx.InsertUser(&u, keep)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Created})
		also, err := s.extend(tx, object.User, u.ID, in.Extensions, present(in))
		if err != nil {
			return err
		}
		ev.Targets[0].Modified = append(ev.Targets[0].Modified[:len(ev.Targets[0].Modified):len(ev.Targets[0].Modified)], also...)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	if generated != "" {
		out.PasswordProfile = &pb.PasswordProfile{Password: &generated, ForceChangePasswordNextSignIn: ptr(keep.MustChange)}
	}
	return out, nil
}

// GetUser returns one live user (DIR-43).
func (s *Users) GetUser(ctx context.Context, req *pb.GetUserRequest) (*pb.User, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	key := store.ParseUserKey(req.Id)
	if who.Kind == caller.User && access.ReadUser(who, uuid.Nil, rights(t)) == access.Nothing && key.ID != who.ObjectID && key.ID != uuid.Nil {
		return nil, property.Denied()
	}
	properties, err := userSelect(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	if err := signInActivity(who, properties); err != nil {
		return nil, err
	}
	expand, err := expandsManager(req.Query.GetExpand())
	if err != nil {
		return nil, err
	}
	if expand && properties != nil {
		properties = append(properties, "manager")
	}
	u, err := s.Store.GetUser(ctx, t.ID, key, properties)
	if err != nil {
		return nil, err
	}
	degree := access.ReadUser(who, u.ID, rights(t))
	if degree == access.Nothing {
		return nil, property.Denied()
	}
	out := limited(who, userToProto(u, t.InitialDomain), degree)
	if expand {
		if err := s.expandManagers(ctx, who, t, []*user.User{u}, []*pb.User{out}); err != nil {
			return nil, err
		}
	}
	if degree < access.Everything {
		return out, nil
	}
	if err := s.withActivity(ctx, t.ID, properties, []*pb.User{out}); err != nil {
		return nil, err
	}
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(properties), []uuid.UUID{u.ID}, func(_ int, values *structpb.Struct) { out.Extensions = values })
}

// selected splits $select; names are checked by the query compiler and, for
// single objects, by the facade.
func selected(text string) ([]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		name, _, _ = strings.Cut(strings.TrimSpace(name), "/")
		if name == "*" {
			return nil, nil
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// signInActivity needs a permission of its own (DIR-35).
func signInActivity(who caller.Caller, properties []string) error {
	if slices.Contains(properties, "signInActivity") && !who.Has("AuditLog.Read.All") {
		return property.Denied()
	}
	return nil
}

// over is the caller with the roles that count for a write on an object, by
// the administrative units that hold it (DIR-161, DIR-164).
func (c *Core) over(tx *store.Tx, who caller.Caller, id uuid.UUID, restricted bool) (caller.Caller, error) {
	if !restricted && !access.Scoped(who) {
		return who, nil
	}
	units, err := tx.UnitsHolding(id)
	if err != nil {
		return who, err
	}
	held, err := tx.RolesOf([]uuid.UUID{id})
	if err != nil {
		return who, err
	}
	return access.Over(who, access.Object{ID: id, Units: units, Restricted: restricted, Holds: len(held[id]) > 0})
}

// target reads what rights on a user depend on.
func (c *Core) target(tx *store.Tx, id uuid.UUID) (access.Target, error) {
	held, err := tx.RolesOf([]uuid.UUID{id})
	if err != nil {
		return access.Target{}, err
	}
	t := access.Target{ID: id}
	for _, r := range held[id] {
		t.Roles = append(t.Roles, r.Template.Name)
		if id, ok := unit.ParseScope(r.Scope); ok && !t.Privileged { // DIR-178: a role over a restricted unit
			if t.Privileged, err = tx.IsRestrictedUnit(id); err != nil {
				return t, err
			}
		}
	}
	if !t.Privileged {
		t.Privileged, err = tx.InPrivilegedGroup(id)
	}
	return t, err
}

// UpdateUser changes the named properties of a user (DIR-44).
func (s *Users) UpdateUser(ctx context.Context, req *pb.UpdateUserRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	paths, in := req.UpdateMask.GetPaths(), req.User
	if in == nil {
		in = &pb.User{}
	}
	properties := propertyNames(userFields, paths)
	ev := record("Update user", userManagement, "Update", audit.Target{ID: clip(req.Id), Type: object.User.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.ParseUserKey(req.Id))
		if err != nil {
			return err
		}
		ev.Targets[0] = userTarget(old)
		goal := access.Target{ID: old.ID}
		if access.NeedsTarget(properties) {
			if goal, err = s.target(tx, old.ID); err != nil {
				return err
			}
		}
		who, err := s.over(tx, who, old.ID, old.Restricted)
		if err != nil {
			return err
		}
		if err := access.Update(who, goal, rights(t), properties); err != nil {
			return err
		}
		u := *old
		if err := applyUser(&u, in, paths, t.InitialDomain); err != nil {
			return err
		}
		if err := s.saveUser(ctx, tx, t, old, u, in.PasswordProfile, properties); err != nil {
			return err
		}
		return s.saveExtensions(ctx, tx, object.User, old.ID, in.Extensions, paths, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// saveUser lets the rules complete a change, writes it and records it.
func (s *Users) saveUser(ctx context.Context, tx *store.Tx, t *store.Tenant, old *user.User, u user.User, profile *pb.PasswordProfile, properties []string) error {
	if err := user.CheckIdentities(old, &u, &t.Tenant); err != nil {
		return err
	}
	secret, touched := profile.GetPassword(), slices.Contains(properties, "passwordProfile")
	if touched && old.External() {
		return user.ErrExternalPassword
	}
	u, err := user.Update(*old, u, secret != "", &t.Tenant, s.now())
	if err != nil {
		return err
	}
	if slices.Contains(properties, "mail") && old.LeftOut() && u.Mail != nil {
		taken, err := tx.TakenAddresses([]address.Proxy{address.Primary(*u.Mail)}, u.ID)
		if err != nil {
			return err
		}
		u = user.ComesIn(u, len(taken) > 0)
	}
	var keep *store.Password
	if touched {
		if keep, err = s.changePassword(tx, &u, profile, secret, &t.Tenant); err != nil {
			return err
		}
	}
	d := store.Differ(old, &u)
	if d.Empty() && keep == nil {
		return nil
	}
	tx.SaveUser(old, &u, d)
	if keep != nil {
		tx.SetPassword(u.ID, keep)
	}
	if secret != "" {
		tx.ClearLockouts(u.ID)
	}
	tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Updated, Properties: d.Properties})
	ev := record("Update user", userManagement, "Update", userTarget(&u))
	ev.Targets[0].Modified = modified(userToProto(old, t.InitialDomain), userToProto(&u, t.InitialDomain), d.Properties)
	if err := s.audit(ctx, tx, ev); err != nil {
		return err
	}
	for _, also := range alsoRecorded(old, &u, secret != "", keep) {
		if err := s.audit(ctx, tx, record(also, userManagement, "Update", userTarget(&u))); err != nil {
			return err
		}
	}
	return nil
}

// changePassword makes the credential that a password profile asks for. A
// profile without a password changes the flags of the present one.
func (s *Users) changePassword(tx *store.Tx, u *user.User, in *pb.PasswordProfile, secret string, t *organization.Tenant) (*store.Password, error) {
	if secret != "" {
		rules, err := tx.Effective(setting.PasswordRule, nil)
		if err != nil {
			return nil, err
		}
		return s.newPassword(rules, u, in, secret, t)
	}
	if in == nil {
		return nil, property.Invalid("User", "passwordProfile")
	}
	held, err := tx.Password(u.ID)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return nil, fault.Invalid(errorspb.Reason_PROPERTY_REQUIRED, "A value is required for property 'passwordProfile' of resource 'User'.")
	}
	if in.ForceChangePasswordNextSignIn != nil {
		held.MustChange = *in.ForceChangePasswordNextSignIn
	}
	if in.ForceChangePasswordNextSignInWithMfa != nil {
		held.MustChangeMFA = *in.ForceChangePasswordNextSignInWithMfa
	}
	return held, nil
}

// alsoRecorded lists the activities that an update is besides (DIR-44).
func alsoRecorded(old, u *user.User, passwordSet bool, keep *store.Password) []string {
	var out []string
	switch {
	case old.AccountEnabled && !u.AccountEnabled:
		out = append(out, "Disable account")
	case !old.AccountEnabled && u.AccountEnabled:
		out = append(out, "Enable account")
	}
	if passwordSet {
		out = append(out, "Reset password")
	}
	if keep != nil && keep.MustChange {
		out = append(out, "Set force change user password")
	}
	return out
}

// DeleteUser soft-deletes a user (DIR-45).
func (s *Users) DeleteUser(ctx context.Context, req *pb.DeleteUserRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Delete user", userManagement, "Delete", audit.Target{ID: clip(req.Id), Type: object.User.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.ParseUserKey(req.Id))
		if err != nil {
			return err
		}
		ev.Targets[0] = userTarget(old)
		goal, err := s.target(tx, old.ID)
		if err != nil {
			return err
		}
		who, err := s.over(tx, who, old.ID, old.Restricted)
		if err != nil {
			return err
		}
		if err := access.Delete(who, goal); err != nil {
			return err
		}
		s.deleteUser(tx, old)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func (c *Core) deleteUser(tx *store.Tx, old *user.User) user.User {
	u := user.Delete(*old, c.now())
	tx.SaveUser(old, &u, store.Differ(old, &u))
	tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Deleted})
	return u
}

// RevokeSignInSessions ends every session of a user (DIR-54).
func (s *Users) RevokeSignInSessions(ctx context.Context, req *pb.RevokeSignInSessionsRequest) (*pb.RevokeSignInSessionsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Update StsRefreshTokenValidFrom Timestamp", userManagement, "Update", audit.Target{ID: clip(req.Id), Type: object.User.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.ParseUserKey(req.Id))
		if err != nil {
			return err
		}
		ev.Targets[0] = userTarget(old)
		goal, err := s.target(tx, old.ID)
		if err != nil {
			return err
		}
		who, err := s.over(tx, who, old.ID, old.Restricted)
		if err != nil {
			return err
		}
		if err := access.Revoke(who, goal); err != nil {
			return err
		}
		u := *old
		u.SessionsValidFrom = ptr(s.now())
		d := store.Differ(old, &u)
		tx.SaveUser(old, &u, d)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Updated, Properties: d.Properties})
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &pb.RevokeSignInSessionsResponse{Value: true}, nil
}

// AssignLicense is refused: there are no licences here (DIR-220).
func (s *Users) AssignLicense(context.Context, *pb.AssignLicenseRequest) (*pb.User, error) {
	return nil, fault.Unimplemented(errorspb.Reason_NOT_IMPLEMENTED, "Licences are not supported by this product.")
}

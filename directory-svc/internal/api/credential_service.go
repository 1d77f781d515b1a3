package api

import (
	"context"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/setting"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Credentials serves CredentialService.
type Credentials struct {
	pb.UnimplementedCredentialServiceServer
	*Core
	gate gate
}

var _ pb.CredentialServiceServer = (*Credentials)(nil)

// passwordMethod is the id of the password method, the same for everyone
// (DIR-79).
const passwordMethod = "28c10230-6103-485e-b985-444c60001490"

// Activities.
const (
	changedPassword = "Change user password"
	resetPassword   = "Reset password"
	forcedPassword  = "Set force change user password"
)

// ChangePassword changes the caller's own password (DIR-53).
func (s *Credentials) ChangePassword(ctx context.Context, req *pb.ChangePasswordRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.GetUser(ctx, t.ID, store.ParseUserKey(req.Id), nil)
	if err != nil {
		return nil, err
	}
	if u.ID != who.ObjectID {
		return nil, property.Denied()
	}
	if u.External() {
		return nil, externalAccount()
	}
	if req.NewPassword == req.CurrentPassword {
		return nil, property.Refused("newPassword", "The new password must differ from the present one.")
	}
	result, err := s.replace(ctx, t, u.ID, req.CurrentPassword, req.NewPassword, who.IP.String(), who)
	if err != nil {
		return nil, err
	}
	switch result.Result {
	case pb.VerifyPasswordResponse_Success:
		return &emptypb.Empty{}, nil
	case pb.VerifyPasswordResponse_Locked:
		return nil, property.Refused("currentPassword", "The account is locked because of too many wrong passwords. Try again later.")
	}
	return nil, property.Refused("currentPassword", "The present password is not correct.")
}

func externalAccount() error {
	return fault.Invalid(errorspb.Reason_EXTERNAL_ACCOUNT, "The user authenticates with an external identity provider.").WithMeta("property", "passwordProfile")
}

// ReplacePassword replaces a temporary or expired password at sign-in
// (DIR-80).
func (s *Credentials) ReplacePassword(ctx context.Context, req *pb.ReplacePasswordRequest) (*pb.VerifyPasswordResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	if req.NewPassword == req.CurrentPassword {
		return nil, property.Refused("newPassword", "The new password must differ from the present one.")
	}
	return s.replace(ctx, t, id, req.CurrentPassword, req.NewPassword, req.Ip, caller.Caller{})
}

// replace sets a new password for who proves to know the present one.
func (s *Credentials) replace(ctx context.Context, t *store.Tenant, id uuid.UUID, present, next, ip string, who caller.Caller) (*pb.VerifyPasswordResponse, error) {
	return s.check(ctx, t, attempt{password: present, ip: ip, find: func(tx *store.Tx) (*user.User, error) {
		u, err := tx.User(store.UserID(id))
		if isNotFound(err) {
			return nil, nil
		}
		return u, err
	}, name: id.String(), then: func(tx *store.Tx, old *user.User) error {
		rules, err := tx.Effective(setting.PasswordRule, nil)
		if err != nil {
			return err
		}
		keep, err := s.newPassword(rules, old, &pb.PasswordProfile{ForceChangePasswordNextSignIn: ptr(false)}, next, &t.Tenant)
		if err != nil {
			return err
		}
		u := *old
		u.LastPasswordChange = ptr(s.now())
		d := store.Differ(old, &u)
		tx.SaveUser(old, &u, d)
		tx.SetPassword(u.ID, keep)
		tx.ClearLockouts(u.ID)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Updated, Properties: d.Properties})
		ev := record(changedPassword, userManagement, "Update", userTarget(&u))
		if who.Kind == caller.Anonymous {
			ev.InitiatedBy = &caller.Caller{Kind: caller.User, Tenant: t.ID, ObjectID: u.ID, DisplayName: u.DisplayName, UserPrincipalName: u.UserPrincipalName, Guest: u.Type == user.Guest}
		}
		return s.audit(ctx, tx, ev)
	}})
}

// VerifyPassword checks a name and a password under smart lockout (DIR-91,
// DIR-92).
func (s *Credentials) VerifyPassword(ctx context.Context, req *pb.VerifyPasswordRequest) (*pb.VerifyPasswordResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	return s.check(ctx, t, attempt{password: req.Password, ip: req.Ip, name: req.LoginName, find: func(tx *store.Tx) (*user.User, error) {
		return tx.LoginUser(req.LoginName, t.InitialDomain)
	}})
}

// ResetPassword resets a password by an administrator (DIR-79, DIR-81).
func (s *Credentials) ResetPassword(ctx context.Context, req *pb.ResetPasswordRequest) (*pb.PasswordResetResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(req.MethodId, passwordMethod) {
		return nil, property.NotFound(clip(req.MethodId))
	}
	secret, generated := req.GetNewPassword(), ""
	if secret == "" {
		generated = password.Generate()
		secret = generated
	}
	operation, now := newID(), s.now()
	ev := record(resetPassword, userManagement, "Reset", audit.Target{ID: clip(req.Id), Type: object.User.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.ParseUserKey(req.Id))
		if err != nil {
			return err
		}
		ev.Targets[0] = userTarget(old)
		if old.ID == who.ObjectID {
			return property.Refused("id", "The own password is changed, not reset.")
		}
		goal, err := s.target(tx, old.ID)
		if err != nil {
			return err
		}
		by, err := s.over(tx, who, old.ID, old.Restricted)
		if err != nil {
			return err
		}
		if err := access.ResetPassword(by, goal); err != nil {
			return err
		}
		u, err := user.Update(*old, *old, true, &t.Tenant, now)
		if err != nil {
			return err
		}
		rules, err := tx.Effective(setting.PasswordRule, nil)
		if err != nil {
			return err
		}
		keep, err := s.newPassword(rules, &u, nil, secret, &t.Tenant)
		if err != nil {
			return err
		}
		d := store.Differ(old, &u)
		tx.SaveUser(old, &u, d)
		tx.SetPassword(u.ID, keep)
		tx.ClearLockouts(u.ID)
		tx.InsertPasswordReset(operation, u.ID, now)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Updated, Properties: d.Properties})
		if err := s.audit(ctx, tx, ev); err != nil {
			return err
		}
		return s.audit(ctx, tx, record(forcedPassword, userManagement, "Update", userTarget(&u)))
	})
	if err != nil {
		return nil, err
	}
	out := &pb.PasswordResetResponse{OperationId: operation.String()}
	if generated != "" {
		out.NewPassword = &generated
	}
	return out, nil
}

// GetAuthenticationOperation returns the state of a reset, which ends with its
// request.
func (s *Credentials) GetAuthenticationOperation(ctx context.Context, req *pb.GetAuthenticationOperationRequest) (*pb.LongRunningOperation, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.OperationId)
	if err != nil {
		return nil, err
	}
	var out *pb.LongRunningOperation
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		u, err := tx.User(store.ParseUserKey(req.Id))
		if err != nil {
			return err
		}
		at, err := tx.PasswordReset(id, u.ID)
		out = &pb.LongRunningOperation{Id: id.String(), Status: "succeeded", CreatedDateTime: timestamppb.New(at), LastActionDateTime: timestamppb.New(at)}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ConvertExternalToInternalMemberUser gives an external user a password here
// (DIR-69).
func (s *Credentials) ConvertExternalToInternalMemberUser(ctx context.Context, req *pb.ConvertExternalToInternalMemberUserRequest) (*pb.ConversionUserDetails, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	secret, now := req.GetPasswordProfile().GetPassword(), s.now()
	var out *pb.ConversionUserDetails
	ev := record("Update user", userManagement, "Update", audit.Target{ID: clip(req.Id), Type: object.User.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.LockUser(store.ParseUserKey(req.Id))
		if err != nil {
			return err
		}
		ev.Targets[0] = userTarget(old)
		by, err := s.over(tx, who, old.ID, old.Restricted)
		if err != nil {
			return err
		}
		goal, err := s.target(tx, old.ID)
		if err != nil {
			return err
		}
		if err := access.Convert(by, goal); err != nil {
			return err
		}
		u, err := user.Convert(*old, user.Conversion{UserPrincipalName: req.UserPrincipalName, Mail: req.Mail, HasPassword: secret != "", HoldsRole: len(goal.Roles) > 0 || goal.Privileged}, &t.Tenant, now)
		if err != nil {
			return err
		}
		rules, err := tx.Effective(setting.PasswordRule, nil)
		if err != nil {
			return err
		}
		keep, err := s.newPassword(rules, &u, req.PasswordProfile, secret, &t.Tenant)
		if fault.Is(err, errorspb.Reason_PASSWORD_REFUSED) {
			f := fault.From(err)
			return fault.Invalid(errorspb.Reason_PASSWORD_REFUSED, "The provided password is not valid.").WithMeta("property", "passwordProfile").
				WithMeta("code", f.Meta["code"]).WithViolation("passwordProfile", "The provided password is not valid.", f.Meta["code"])
		}
		if err != nil {
			return err
		}
		d := store.Differ(old, &u)
		tx.SaveUser(old, &u, d)
		if keep != nil {
			tx.SetPassword(u.ID, keep)
		}
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Updated, Properties: d.Properties})
		ev.Targets[0] = userTarget(&u)
		ev.Targets[0].Modified = modified(userToProto(old, t.InitialDomain), userToProto(&u, t.InitialDomain), d.Properties)
		out = &pb.ConversionUserDetails{Id: u.ID.String(), DisplayName: &u.DisplayName, UserPrincipalName: &u.UserPrincipalName, Mail: u.Mail, ConvertedToInternalUserDateTime: timestamppb.New(now)}
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

package api

import (
	"context"
	"time"

	"entente.dev/directory-svc/internal/lockout"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/setting"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/tenant"
)

// rulesOfPasswords reads the tenant's settings about passwords (DIR-90), at
// most a second old.
func (c *Core) rulesOfPasswords(ctx context.Context, t tenant.ID) (setting.Settings, error) {
	return c.passwordRules.get(t, 0, func() (s setting.Settings, err error) {
		err = c.Store.Read(ctx, t, func(tx *store.Tx) error {
			s, err = tx.Effective(setting.PasswordRule, nil)
			return err
		})
		return s, err
	})
}

func lockoutPolicy(s setting.Settings) lockout.Policy {
	return lockout.Policy{Threshold: s.Int(setting.LockoutThreshold), Duration: time.Duration(s.Int(setting.LockoutDurationInSeconds)) * time.Second}
}

// judgePassword refuses a password that breaks a rule of the user's tenant
// (DIR-85 to DIR-89).
func judgePassword(rules setting.Settings, u *user.User, secret string, t *organization.Tenant) error {
	judge := password.Context{WaiveStrength: u.HasPolicy(user.DisableStrongPassword), Names: []string{t.DisplayName}}
	for _, name := range []*string{u.GivenName, u.Surname} {
		if name != nil {
			judge.Names = append(judge.Names, *name)
		}
	}
	if rules.On(setting.EnableBannedPasswordCheck) {
		judge.Banned = setting.Terms(rules[setting.BannedPasswordList])
	}
	return password.Check(secret, judge)
}

// newPassword judges a password and makes its verifier; nil for no password.
// The memory-hard part comes later, in the background.
func (c *Core) newPassword(rules setting.Settings, u *user.User, in *pb.PasswordProfile, secret string, t *organization.Tenant) (*store.Password, error) {
	if secret == "" {
		return nil, nil
	}
	if err := judgePassword(rules, u, secret, t); err != nil {
		return nil, err
	}
	return &store.Password{
		Scheme: int16(password.Keyed), Verifier: c.Verifiers.Key(secret),
		MustChange:    in == nil || in.ForceChangePasswordNextSignIn == nil || *in.ForceChangePasswordNextSignIn,
		MustChangeMFA: in.GetForceChangePasswordNextSignInWithMfa(),
	}, nil
}

package user_test

import (
	"testing"
	"time"

	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

func TestConversion(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := &organization.Tenant{InitialDomain: "contoso.example", Domains: []organization.Domain{{Name: "contoso.example", Verified: true}}}
	yes, mail, foreign := true, "ann@contoso.example", "ann@elsewhere.example"
	home := identity.HomeKey{Issuer: "mail", Subject: foreign}
	guest := user.User{ID: uuid.New(), DisplayName: "Ann", UserPrincipalName: "ann_elsewhere.example#EXT#@contoso.example", Type: user.Guest, ExternalState: user.Accepted, ExternalStateChanged: &now,
		HomeKey: home, Identities: []identity.Identity{home.Row()}, Mail: &foreign}
	synced := guest
	synced.OnPremises.SyncEnabled = &yes
	stray := guest
	stray.ExternalState = user.NeverInvited
	good := user.Conversion{UserPrincipalName: mail, HasPassword: true, Mail: &mail}
	for name, c := range map[string]struct {
		u    user.User
		c    user.Conversion
		kind fault.Kind
	}{
		"internal":        {user.User{HasPassword: true}, good, fault.KindInvalid},
		"role":            {guest, user.Conversion{UserPrincipalName: mail, HasPassword: true, HoldsRole: true}, fault.KindInvalid},
		"no name":         {guest, user.Conversion{HasPassword: true}, fault.KindInvalid},
		"no password":     {guest, user.Conversion{UserPrincipalName: mail}, fault.KindInvalid},
		"foreign name":    {guest, user.Conversion{UserPrincipalName: foreign, HasPassword: true}, fault.KindInvalid},
		"foreign mail":    {guest, user.Conversion{UserPrincipalName: mail, HasPassword: true, Mail: &foreign}, fault.KindInvalid},
		"synced and name": {synced, good, fault.KindInvalid},
		"stray state":     {stray, good, fault.KindPrecondition},
	} {
		if _, err := user.Convert(c.u, c.c, in, now); fault.From(err) == nil || fault.From(err).Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := user.Convert(guest, good, in, now)
	if err != nil || got.External() || got.ID != guest.ID || got.UserPrincipalName != mail || got.Type != user.Member || !got.HomeKey.IsZero() || got.ExternalState != user.NeverInvited ||
		got.ExternalStateChanged != nil || !got.HasPassword || got.Converted == nil || *got.Mail != mail {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := user.BeginConversion(got, foreign, now); !fault.Is(err, errorspb.Reason_EXTERNAL_ACCOUNT) {
		t.Errorf("and back again: %v", err)
	}
	if got, err := user.Convert(synced, user.Conversion{}, in, now); err != nil || got.UserPrincipalName != synced.UserPrincipalName {
		t.Errorf("synced: %+v %v", got, err)
	}
}

func TestPasswordExpiry(t *testing.T) {
	t.Parallel()
	set, exempt := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), user.DisablePasswordExpiration
	u := user.User{LastPasswordChange: &set}
	at := set.AddDate(0, 0, 30)
	if u.PasswordExpired(30, at.Add(-time.Second)) || !u.PasswordExpired(30, at) || u.PasswordExpired(organization.NoExpiry, at.AddDate(50, 0, 0)) {
		t.Error("expiry")
	}
	if u.PasswordPolicies = &exempt; u.PasswordExpired(30, at) {
		t.Error("exempt")
	}
}

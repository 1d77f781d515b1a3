package invitation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"entente.dev/invitation-svc/internal/invitation"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

var (
	member = invitation.Inviter{Kind: invitation.ByUser, ID: uuid.New(), Name: "Mia", Mail: "mia@contoso.example", Permissions: []string{"User.Invite.All"}}
	admin  = invitation.Inviter{Kind: invitation.ByUser, ID: uuid.New(), Permissions: []string{"User.ReadWrite.All"}, Roles: []string{"Global Administrator"}}
	guest  = invitation.Inviter{Kind: invitation.ByUser, ID: uuid.New(), Guest: true, Permissions: []string{"User.Invite.All"}}
)

func open(i invitation.Inviter, found ...invitation.Existing) invitation.Facts {
	return invitation.Facts{Inviter: i, Invites: invitation.Allowed, Domain: invitation.Allowed, Partner: invitation.Allowed, Found: found}
}

func draft(t testing.TB, change func(*invitation.Request)) invitation.Draft {
	t.Helper()
	d, err := invitation.Check(request(change), invitation.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestGatesKeepTheirOrder closes all gates and then opens them one by one:
// each time the next one speaks.
func TestGatesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	d := draft(t, func(r *invitation.Request) { r.UserType, r.InvitedUser = "Member", uuid.NewString() })
	f := invitation.Facts{
		Inviter:   invitation.Inviter{Kind: invitation.ByApp},
		Fields:    fault.Invalid(errorspb.Reason_BAD_REQUEST, "bad field"),
		OwnDomain: true,
		Quota:     fault.Exhausted(errorspb.Reason_THROTTLED, "slow down"),
		Found:     []invitation.Existing{{ID: uuid.New(), Kind: invitation.Contact, Match: invitation.ByMail}},
	}
	key := d.Address.Key()
	steps := []struct {
		gate string
		want errorspb.Reason
		open func()
	}{
		{"G2", errorspb.Reason_ACCESS_DENIED, func() { f.Inviter.Permissions = []string{"User.Invite.All"} }},
		{"G3", errorspb.Reason_INVITATIONS_OFF, func() { f.Invites = invitation.Allowed }},
		{"G4", errorspb.Reason_BAD_REQUEST, func() { f.Fields = nil }},
		{"G5", errorspb.Reason_ACCESS_DENIED, func() { f.Inviter.Permissions = []string{"User.ReadWrite.All"} }},
		{"G6", errorspb.Reason_NOT_FOUND, func() {
			f.Target = &invitation.Existing{Kind: invitation.ExternalUser, Enabled: true, Pending: true, UserType: invitation.Guest, Addresses: []string{key}}
		}},
		{"G7", errorspb.Reason_INVITEE_IN_TENANT, func() { f.OwnDomain = false }},
		{"G8", errorspb.Reason_DOMAIN_NOT_ALLOWED, func() { f.Domain = invitation.Allowed }},
		{"G9", errorspb.Reason_CROSS_TENANT_BLOCKED, func() { f.Partner = invitation.Allowed }},
		{"G10", errorspb.Reason_BAD_REQUEST, func() { f.Target.UserType = invitation.Member }},
		{"G11", errorspb.Reason_THROTTLED, func() { f.Quota = nil }},
	}
	for _, s := range steps {
		if _, err := invitation.Admit(d, f); !fault.Is(err, s.want) {
			t.Fatalf("%s: got %v, want %s", s.gate, err, s.want)
		}
		s.open()
	}
	if plan, err := invitation.Admit(d, f); err != nil || plan.Action != invitation.Reinvite {
		t.Fatalf("all open: %+v, %v", plan, err)
	}
}

func TestAForgottenLookUpOpensNothing(t *testing.T) {
	t.Parallel()
	if _, err := invitation.Admit(draft(t, nil), invitation.Facts{Inviter: admin}); err == nil {
		t.Fatal("zero facts admit")
	}
}

func TestWhatExistsUnderTheAddress(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	external := invitation.Existing{ID: id, Kind: invitation.ExternalUser, Match: invitation.ByInvitedAddress, Enabled: true, Pending: true, UserType: invitation.Guest}
	with := func(change func(*invitation.Existing)) invitation.Existing {
		e := external
		change(&e)
		return e
	}
	for _, tc := range []struct {
		name   string
		as     string
		found  []invitation.Existing
		action invitation.Action
		text   string
	}{
		{"nothing", "", nil, invitation.Create, ""},
		{"pending guest", "", []invitation.Existing{external}, invitation.Reinvite, ""},
		{"pending guest, invited as a member", "Member", []invitation.Existing{external}, 0, "another type"},
		{"pending member, type not said", "", []invitation.Existing{with(func(e *invitation.Existing) { e.UserType = invitation.Member })}, invitation.Reinvite, ""},
		{"accepted guest", "", []invitation.Existing{with(func(e *invitation.Existing) { e.Pending = false })}, invitation.Known, ""},
		{"disabled guest", "", []invitation.Existing{with(func(e *invitation.Existing) { e.Enabled = false })}, 0, "object ID: " + id.String() + ", but the account is blocked from signing in"},
		{"internal user", "", []invitation.Existing{{ID: id, Kind: invitation.InternalUser, Match: invitation.ByMail}}, 0, "object ID: " + id.String() + ". They can use"},
		{"proxy address of a user", "", []invitation.Existing{{ID: id, Kind: invitation.InternalUser, Match: invitation.ByProxy}}, 0, "proxy address"},
		{"proxy address of a group", "", []invitation.Existing{{ID: id, Kind: invitation.Group, Match: invitation.ByProxy}}, 0, "proxy address"},
		{"group", "", []invitation.Existing{{ID: id, Kind: invitation.Group, Match: invitation.ByMail}}, 0, "Group addresses cannot be invited"},
		{"contact, guest", "", []invitation.Existing{{ID: id, Kind: invitation.Contact, Match: invitation.ByMail}}, invitation.Create, ""},
		{"contact, member", "Member", []invitation.Existing{{ID: id, Kind: invitation.Contact, Match: invitation.ByMail}}, 0, "proxy address"},
		{"other guest has it as other mail", "", []invitation.Existing{with(func(e *invitation.Existing) { e.Match = invitation.ByOtherMail })}, invitation.Create, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := draft(t, func(r *invitation.Request) { r.UserType = tc.as })
			plan, err := invitation.Admit(d, open(admin, tc.found...))
			if tc.text == "" {
				if err != nil || plan.Action != tc.action || (plan.User == uuid.Nil) != (plan.Action == invitation.Create) {
					t.Fatalf("%+v, %v", plan, err)
				}
				return
			}
			if err == nil || !strings.Contains(fault.From(err).Message, tc.text) {
				t.Fatalf("%+v, %v", plan, err)
			}
			if tc.as == "" {
				if _, err := invitation.Admit(d, open(guest, tc.found...)); err == nil || strings.Contains(err.Error(), id.String()) || len(fault.From(err).Meta) != 0 {
					t.Errorf("a guest learns %v", err)
				}
			}
		})
	}
}

func TestGuestsLearnNothingAboutOwnDomains(t *testing.T) {
	t.Parallel()
	own := invitation.Existing{ID: uuid.New(), Kind: invitation.InternalUser, Match: invitation.BySignInName}
	for _, tc := range []struct {
		who   invitation.Inviter
		found []invitation.Existing
		text  string
	}{
		{member, []invitation.Existing{own}, "Invitee is in inviter tenant"},
		{member, nil, "verified domain of this directory"},
		{guest, []invitation.Existing{own}, "This user cannot be invited."},
		{guest, nil, "This user cannot be invited."},
	} {
		f := open(tc.who, tc.found...)
		f.OwnDomain = true
		if _, err := invitation.Admit(draft(t, nil), f); err == nil || !strings.Contains(fault.From(err).Message, tc.text) {
			t.Errorf("guest %v, found %d: %v", tc.who.Guest, len(tc.found), err)
		}
	}
}

func TestWhoMayReset(t *testing.T) {
	t.Parallel()
	user := func(role string, permissions ...string) invitation.Inviter {
		return invitation.Inviter{Kind: invitation.ByUser, Permissions: permissions, Roles: []string{role}}
	}
	app := invitation.Inviter{Kind: invitation.ByApp, Permissions: []string{"User.ReadWrite.All"}}
	for _, tc := range []struct {
		name  string
		who   invitation.Inviter
		roles bool
		ok    bool
	}{
		{"helpdesk resets a plain guest", user("Helpdesk Administrator", "User.ReadWrite.All"), false, true},
		{"helpdesk and a privileged guest", user("Helpdesk Administrator", "User.ReadWrite.All"), true, false},
		{"global administrator and a privileged guest", admin, true, true},
		{"user administrator without the scope", user("User Administrator", "User.Invite.All"), false, false},
		{"guest inviter", user("Guest Inviter", "User.ReadWrite.All"), false, false},
		{"application and a plain guest", app, false, true},
		{"application and a privileged guest", app, true, false},
		{"application that may only invite", invitation.Inviter{Kind: invitation.ByApp, Permissions: []string{"User.Invite.All"}}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			id := uuid.New()
			d := draft(t, func(r *invitation.Request) { r.InvitedUser, r.ResetRedemption = id.String(), true })
			f := open(tc.who)
			f.Invites = invitation.Refused // a reset needs no right to invite
			f.Target = &invitation.Existing{ID: id, Kind: invitation.ExternalUser, Enabled: true, HasRoles: tc.roles, Addresses: []string{d.Address.Key()}}
			plan, err := invitation.Admit(d, f)
			if (err == nil) != tc.ok || tc.ok && (plan.Action != invitation.Reset || plan.User != id) {
				t.Fatalf("%+v, %v", plan, err)
			}
			if f.InvitesNo = true; tc.ok {
				if _, err := invitation.Admit(d, f); !fault.Is(err, errorspb.Reason_INVITATIONS_OFF) {
					t.Errorf("with allowInvitesFrom none: %v", err)
				}
			}
		})
	}
}

// INV-33: who may invite an internal user, and which.
func TestWhoMayConvert(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	address := draft(t, nil).Address.Key()
	helpdesk := invitation.Inviter{Kind: invitation.ByUser, Permissions: []string{"User.ReadWrite.All"}, Roles: []string{"Helpdesk Administrator"}}
	for _, tc := range []struct {
		name   string
		who    invitation.Inviter
		change func(*invitation.Existing, *invitation.Facts)
		ok     bool
	}{
		{"helpdesk", helpdesk, nil, true},
		{"a member", member, nil, false},
		{"helpdesk and a privileged user", helpdesk, func(e *invitation.Existing, _ *invitation.Facts) { e.HasRoles = true }, false},
		{"global administrator and a privileged user", admin, func(e *invitation.Existing, _ *invitation.Facts) { e.HasRoles = true }, true},
		{"another mail", admin, func(e *invitation.Existing, _ *invitation.Facts) { e.Mail = "other@partner.example" }, false},
		{"from on-premises", admin, func(e *invitation.Existing, _ *invitation.Facts) { e.OnPremises = true }, false},
		{"disabled", admin, func(e *invitation.Existing, _ *invitation.Facts) { e.Enabled = false }, false},
		{"invitations off", admin, func(_ *invitation.Existing, f *invitation.Facts) { f.Invites = invitation.Refused }, false},
		{"an address of the tenant", admin, func(_ *invitation.Existing, f *invitation.Facts) { f.OwnDomain = true }, false},
		{"a guest has the address", admin, func(_ *invitation.Existing, f *invitation.Facts) {
			f.Found = append(f.Found, invitation.Existing{ID: uuid.New(), Kind: invitation.ExternalUser, Match: invitation.ByInvitedAddress, Enabled: true})
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			user := invitation.Existing{ID: id, Kind: invitation.InternalUser, Match: invitation.ByMail, Enabled: true, UserType: invitation.Member, Mail: address, Addresses: []string{address}}
			f := open(tc.who, user)
			f.Target = &user
			if tc.change != nil {
				tc.change(&user, &f)
			}
			plan, err := invitation.Admit(draft(t, func(r *invitation.Request) { r.InvitedUser = id.String() }), f)
			if (err == nil) != tc.ok || tc.ok && (plan.Action != invitation.Convert || plan.User != id) {
				t.Fatalf("%+v, %v", plan, err)
			}
		})
	}
}

func TestAResetNeedsAnAddressOfTheTarget(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	d := draft(t, func(r *invitation.Request) { r.InvitedUser, r.ResetRedemption = id.String(), true })
	f := open(admin)
	f.Target = &invitation.Existing{ID: id, Kind: invitation.ExternalUser, Enabled: true, Addresses: []string{"other@partner.example"}}
	if _, err := invitation.Admit(d, f); err == nil || !strings.Contains(err.Error(), "doesn't match any emails on the user object") {
		t.Errorf("got %v", err)
	}
	f.Target.Kind = invitation.InternalUser
	if _, err := invitation.Admit(d, f); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
		t.Errorf("internal target: %v", err)
	}
}

// DIR-45: the own guest, as long as nobody has become it, or anybody by right.
func TestWhoMayDeleteWithAnInvitation(t *testing.T) {
	t.Parallel()
	me, other := uuid.New(), uuid.New()
	one := func(a invitation.Action, s invitation.State, by uuid.UUID) invitation.Invitation {
		return invitation.Invitation{Action: a, State: s, Inviter: invitation.Inviter{ID: by}}
	}
	for _, tc := range []struct {
		name string
		all  []invitation.Invitation
		ok   bool
	}{
		{"made by the caller", []invitation.Invitation{one(invitation.Create, invitation.Pending, me)}, true},
		{"and invited again", []invitation.Invitation{one(invitation.Create, invitation.Superseded, me), one(invitation.Reinvite, invitation.Pending, me)}, true},
		{"and invited again by another", []invitation.Invitation{one(invitation.Create, invitation.Revoked, me), one(invitation.Reinvite, invitation.Pending, other)}, true},
		{"made by another", []invitation.Invitation{one(invitation.Create, invitation.Superseded, other), one(invitation.Reinvite, invitation.Pending, me)}, false},
		{"made by two at once", []invitation.Invitation{one(invitation.Create, invitation.Superseded, other), one(invitation.Create, invitation.Pending, me)}, false},
		{"made by nobody here", []invitation.Invitation{one(invitation.Reinvite, invitation.Pending, me)}, false},
		{"made by an inviter without an id", []invitation.Invitation{one(invitation.Create, invitation.Pending, uuid.Nil)}, false},
		{"redeemed and reset", []invitation.Invitation{one(invitation.Create, invitation.Completed, me), one(invitation.Reset, invitation.Pending, me)}, false},
		{"internal meanwhile", []invitation.Invitation{one(invitation.Create, invitation.Revoked, me), one(invitation.Convert, invitation.Pending, me)}, false},
		{"without an invitation", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, who := range []invitation.Inviter{{Kind: invitation.ByUser, ID: me}, {Kind: invitation.ByUser}} {
				err := invitation.MayDelete(tc.all, who)
				if want := tc.ok && who.ID == me; (err == nil) != want || !want && !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
					t.Errorf("%v: %v", who.ID, err)
				}
			}
			if err := invitation.MayDelete(tc.all, admin); err != nil {
				t.Errorf("by the right to delete users: %v", err)
			}
		})
	}
}

func TestRightsOfInviters(t *testing.T) {
	t.Parallel()
	app := func(permissions ...string) invitation.Inviter {
		return invitation.Inviter{Kind: invitation.ByApp, Permissions: permissions, Mail: "app@contoso.example"}
	}
	for _, tc := range []struct {
		name string
		got  bool
		want bool
	}{
		{"member type by a member", member.MayInviteMembers(), false},
		{"member type by an administrator", admin.MayInviteMembers(), true},
		{"member type by an application that may only invite", app("User.Invite.All").MayInviteMembers(), false},
		{"member type by an application that writes users", app("User.ReadWrite.All").MayInviteMembers(), true},
		{"an application reads with its permission", app("User.Read.All").MayReadUsers(), true},
		{"an application that may only invite reads nothing", app("User.Invite.All").MayReadUsers(), false},
		{"a person with mail speaks", member.SpeaksToInvitee(), true},
		{"a person without mail does not", admin.SpeaksToInvitee(), false},
		{"an application does not", app().SpeaksToInvitee(), false},
		{"members count as such", member.Privileged(), false},
		{"applications count as privileged", app().Privileged(), true},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %v", tc.name, tc.got)
		}
	}
}

func TestStatesFollowTheTable(t *testing.T) {
	t.Parallel()
	type s = invitation.State
	type e = invitation.Event
	allowed := map[s]map[e]s{
		invitation.Creating:  {invitation.UserCreated: invitation.Pending, invitation.CreationFailed: invitation.Failed, invitation.BornAccepted: invitation.Completed},
		invitation.Pending:   {invitation.CommitBegun: invitation.Redeeming, invitation.Reinvited: invitation.Superseded, invitation.Withdrawn: invitation.Revoked, invitation.TimedOut: invitation.Expired},
		invitation.Redeeming: {invitation.Bound: invitation.Completed, invitation.BindRefused: invitation.Pending},
	}
	wire := map[s]string{invitation.Creating: "InProgress", invitation.Pending: "PendingAcceptance", invitation.Redeeming: "InProgress", invitation.Completed: "Completed"}
	for from := invitation.Creating; from <= invitation.Failed; from++ {
		want, ok := wire[from]
		if !ok {
			want = "Error"
		}
		if from.Wire() != want || from.Terminal() != (allowed[from] == nil) {
			t.Errorf("%s: wire %s, terminal %v", from, from.Wire(), from.Terminal())
		}
		for event := invitation.UserCreated; event <= invitation.TimedOut; event++ {
			to, err := invitation.Next(from, event)
			if exp, ok := allowed[from][event]; ok != (err == nil) || ok && to != exp {
				t.Errorf("%s on %s: %s, %v", from, event, to, err)
			} else if err != nil && to != from {
				t.Errorf("%s on %s: refused and moved", from, event)
			}
		}
	}
	if _, err := invitation.Next(99, invitation.Bound); err == nil || !slices.Contains([]string{"unknown"}, invitation.State(99).String()) || errors.Unwrap(err) != nil {
		t.Error("an unknown state moves")
	}
}

package crosstenant

import (
	"fmt"
	"strings"
	"testing"

	"entente.dev/policy-svc/internal/patch"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

const (
	g1 = "20000000-0000-4000-8000-000000000001"
	a1 = "30000000-0000-4000-8000-000000000001"
)

func users(a Access, targets ...Target) TargetConfiguration {
	return TargetConfiguration{Access: a, Targets: targets}
}

func apps(a Access, ids ...string) TargetConfiguration {
	c := TargetConfiguration{Access: a}
	for _, id := range ids {
		c.Targets = append(c.Targets, Target{Target: id, Type: TargetApplication})
	}
	return c
}

var (
	allUsers = Target{Target: AllUsers, Type: TargetUser}
	groupOne = Target{Target: g1, Type: TargetGroup}
)

func both(u, a TargetConfiguration) *SettingPatch {
	return &SettingPatch{UsersAndGroups: patch.Set(u), Applications: patch.Set(a)}
}

func TestConflictingHalves(t *testing.T) {
	t.Parallel()
	// The table of POL-19: users by applications.
	rows := map[string]TargetConfiguration{
		"allowed group": users(Allowed, groupOne), "allowed all": users(Allowed, allUsers),
		"blocked group": users(Blocked, groupOne), "blocked all": users(Blocked, allUsers),
	}
	columns := map[string]TargetConfiguration{
		"allowed app": apps(Allowed, a1), "allowed all": apps(Allowed, AllApplications),
		"blocked app": apps(Blocked, a1), "blocked all": apps(Blocked, AllApplications),
	}
	refused := map[string]bool{
		"allowed group|blocked all": true, "allowed all|blocked all": true,
		"blocked all|allowed app": true, "blocked all|allowed all": true, "blocked all|blocked app": true,
	}
	for u, uc := range rows {
		for a, ac := range columns {
			_, err := UpdatePartner(Partner{}, PartnerPatch{Settings: SettingsPatch{CollaborationInbound: both(uc, ac)}})
			if got := fault.Is(err, errorspb.Reason_CONFLICTING_SETTINGS); got != refused[u+"|"+a] {
				t.Errorf("users %s, applications %s: %v", u, a, err)
			}
		}
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	many := make([]Target, maxTargets+1)
	for i := range many {
		many[i] = Target{Target: uuid.UUID{0: 1, 14: byte(i >> 8), 15: byte(i)}.String(), Type: TargetUser}
	}
	for name, p := range map[string]*SettingPatch{
		"no access type":               {UsersAndGroups: patch.Set(TargetConfiguration{Targets: []Target{allUsers}})},
		"no targets":                   {UsersAndGroups: patch.Set(users(Allowed))},
		"too many targets":             {UsersAndGroups: patch.Set(users(Allowed, many...))},
		"an empty target":              {UsersAndGroups: patch.Set(users(Allowed, Target{Type: TargetUser}))},
		"a target over 100 characters": {UsersAndGroups: patch.Set(users(Allowed, Target{Target: strings.Repeat("a", 101), Type: TargetUser}))},
		"an application among users":   {UsersAndGroups: patch.Set(users(Allowed, Target{Target: a1, Type: TargetApplication}))},
		"a user among applications":    {Applications: patch.Set(users(Allowed, Target{Target: a1, Type: TargetUser}))},
		"AllUsers as a group":          {UsersAndGroups: patch.Set(users(Allowed, Target{Target: AllUsers, Type: TargetGroup}))},
		"AllUsers and somebody":        {UsersAndGroups: patch.Set(users(Allowed, allUsers, groupOne))},
		"AllApplications and another":  {Applications: patch.Set(apps(Allowed, AllApplications, a1))},
		"the same target twice":        {UsersAndGroups: patch.Set(users(Allowed, groupOne, Target{Target: strings.ToUpper(g1), Type: TargetGroup}))},
		"MicrosoftAdminPortals":        {Applications: patch.Set(apps(Allowed, "MicrosoftAdminPortals"))},
		"a GUID in braces":             {Applications: patch.Set(apps(Allowed, "{"+a1+"}"))},
	} {
		_, err := UpdatePartner(Partner{}, PartnerPatch{Settings: SettingsPatch{CollaborationInbound: p}})
		if !fault.Is(err, errorspb.Reason_INVALID_REQUEST) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTargetsAreKeptInCanonicalForm(t *testing.T) {
	t.Parallel()
	got, err := UpdatePartner(Partner{}, PartnerPatch{Settings: SettingsPatch{CollaborationInbound: both(
		users(Allowed, Target{Target: strings.ToUpper(g1), Type: TargetGroup}), apps(Allowed, "office365", strings.ToUpper(a1)))}})
	if err != nil {
		t.Fatal(err)
	}
	u, a := users(Allowed, groupOne), apps(Allowed, Office365, a1)
	want := Partner{Settings: Settings{CollaborationInbound: &Setting{UsersAndGroups: &u, Applications: &a}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHalvesAreReplacedAsUnits(t *testing.T) {
	t.Parallel()
	start, err := UpdatePartner(Partner{}, PartnerPatch{Settings: SettingsPatch{
		CollaborationInbound: both(users(Blocked, groupOne), apps(Blocked, a1)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(p SettingPatch) *Setting {
		t.Helper()
		got, err := UpdatePartner(start, PartnerPatch{Settings: SettingsPatch{CollaborationInbound: &p}})
		if err != nil {
			t.Fatal(err)
		}
		return got.Settings.CollaborationInbound
	}
	if got := apply(SettingPatch{}); !cmp.Equal(got, start.Settings.CollaborationInbound) {
		t.Errorf("an empty object changed the setting to %+v", got)
	}
	if got := apply(SettingPatch{UsersAndGroups: patch.Clear[TargetConfiguration]()}); got.UsersAndGroups != nil || got.Applications == nil {
		t.Errorf("null for one half gave %+v", got)
	}
	if got := apply(SettingPatch{Clear: true}); got != nil {
		t.Errorf("null gave %+v", got)
	}
	if got := apply(SettingPatch{UsersAndGroups: patch.Clear[TargetConfiguration](), Applications: patch.Clear[TargetConfiguration]()}); got != nil {
		t.Errorf("null for both halves gave %+v", got)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	u := func(a Access, ts ...Target) *TargetConfiguration { c := users(a, ts...); return &c }
	ap := func(a Access, ids ...string) *TargetConfiguration { c := apps(a, ids...); return &c }
	for name, c := range map[string]struct{ given, want Setting }{
		"users allowed":             {Setting{u(Allowed, groupOne), nil}, Setting{u(Allowed, groupOne), ap(Allowed, AllApplications)}},
		"users blocked":             {Setting{u(Blocked, groupOne), nil}, Setting{u(Blocked, groupOne), ap(Blocked, AllApplications)}},
		"every application blocked": {Setting{nil, ap(Blocked, AllApplications)}, Setting{u(Blocked, allUsers), ap(Blocked, AllApplications)}},
		"one application blocked":   {Setting{nil, ap(Blocked, a1)}, Setting{u(Allowed, allUsers), ap(Blocked, a1)}},
		"one application allowed":   {Setting{nil, ap(Allowed, a1)}, Setting{u(Allowed, allUsers), ap(Allowed, a1)}},
	} {
		if diff := cmp.Diff(c.want, c.given.Complete()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWidening(t *testing.T) {
	t.Parallel()
	if u := users(Blocked, groupOne); !(Partner{Settings: Settings{DirectConnectInbound: &Setting{UsersAndGroups: &u}}}).Widens(Default{}) {
		t.Error("direct connect with only a blocked group lets others in, unnoticed")
	}
	if u := users(Blocked, allUsers); (Partner{Settings: Settings{DirectConnectInbound: &Setting{UsersAndGroups: &u}}}).Widens(Default{}) {
		t.Error("blocking everybody widens nothing")
	}
	if a := apps(Allowed, a1); (Partner{Settings: Settings{CollaborationInbound: &Setting{Applications: &a}}}).Widens(Default{}) {
		t.Error("nothing is wider than open")
	}
}

func TestDefaultRefuses(t *testing.T) {
	t.Parallel()
	yes := true
	half := TargetConfiguration{Access: Blocked, Targets: []Target{groupOne}}
	for name, p := range map[string]DefaultPatch{
		"a group inbound":         {Settings: SettingsPatch{CollaborationInbound: &SettingPatch{UsersAndGroups: patch.Set(half)}}},
		"a group direct inbound":  {Settings: SettingsPatch{DirectConnectInbound: &SettingPatch{UsersAndGroups: patch.Set(half)}}},
		"a group in restrictions": {Settings: SettingsPatch{Restrictions: &RestrictionsPatch{Setting: SettingPatch{UsersAndGroups: patch.Set(half)}}}},
		"a missing half":          {Settings: SettingsPatch{CollaborationOutbound: &SettingPatch{Applications: patch.Clear[TargetConfiguration]()}}},
		"automatic consent":       {Settings: SettingsPatch{Consent: &ConsentPatch{Inbound: patch.Change[bool]{Named: true, To: &yes}}}},
		"a provider twice":        {Redemption: &RedemptionPatch{Primary: patch.Set([]Provider{ExternalFederation, ExternalFederation})}},
		"a fallback as primary":   {Redemption: &RedemptionPatch{Primary: patch.Set([]Provider{MicrosoftAccount})}},
		"a primary as fallback":   {Redemption: &RedemptionPatch{Fallback: patch.Set(AzureActiveDirectory)}},
		"no fallback":             {Redemption: &RedemptionPatch{Fallback: patch.Clear[Provider]()}},
	} {
		if _, err := UpdateDefault(Default{}, p); !fault.Is(err, errorspb.Reason_INVALID_REQUEST) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := UpdateDefault(Default{}, DefaultPatch{Settings: SettingsPatch{CollaborationOutbound: &SettingPatch{UsersAndGroups: patch.Set(half)}}}); err != nil || !d.Customized {
		t.Errorf("own groups outbound: %+v, %v", d, err)
	}
}

func TestTrustInheritsLeafByLeaf(t *testing.T) {
	t.Parallel()
	yes := true
	p := Policy{Default: Default{Customized: true, Settings: Settings{Trust: &Trust{CompliantDevice: &yes}}}}
	q, err := UpdatePartner(Partner{}, PartnerPatch{Settings: SettingsPatch{Trust: &TrustPatch{MFA: patch.Set(true)}}})
	if err != nil {
		t.Fatal(err)
	}
	e := p.EffectiveToward(&q)
	want := [3]Sourced[bool]{{true, FromPartner}, {true, FromDefault}, {false, FromSystem}}
	if got := [3]Sourced[bool]{e.MFA, e.CompliantDevice, e.HybridJoined}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCloudEndpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list []string
		ok   bool
	}{
		{nil, true},
		{[]string{"microsoftonline.us", "peer.example"}, true},
		{[]string{"microsoftonline.us", "microsoftonline.us"}, false},
		{[]string{"own.example"}, false},
		{[]string{"elsewhere.example"}, false},
	} {
		if err := CheckClouds(c.list, "own.example", []string{"peer.example"}); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.list, err)
		}
	}
}

func TestCloudGate(t *testing.T) {
	t.Parallel()
	for i := range 16 {
		home := Policy{Tenant: fabrikam, Cloud: "h"}
		resource := Policy{Tenant: contoso, Cloud: "r"}
		var hp, rp *Partner
		if i&1 > 0 {
			home.Clouds = []string{"r"}
		}
		if i&2 > 0 {
			resource.Clouds = []string{"h"}
		}
		if i&4 > 0 {
			hp = &Partner{TenantID: contoso}
		}
		if i&8 > 0 {
			rp = &Partner{TenantID: fabrikam}
		}
		p := Pair{home.Compile().Toward(contoso, hp), resource.Compile().Toward(fabrikam, rp)}
		if got := p.SignIn(User{GroupsKnown: true}, Application{}); got.Allowed() != (i == 15) || !got.Allowed() && got.Rule != RuleCloudGate {
			t.Errorf("%04b: %+v", i, got)
		}
		if p.DirectConnect(User{GroupsKnown: true}, Application{DirectConnect: true}).Allowed() {
			t.Errorf("%04b: direct connect between clouds", i)
		}
	}
}

func TestAutomaticRedemptionAndSync(t *testing.T) {
	t.Parallel()
	for i := range 16 {
		bit := func(n int) *bool { b := i&n > 0; return &b }
		s := &Partner{Settings: Settings{Consent: &Consent{Outbound: bit(1)}}}
		r := &Partner{Settings: Settings{Consent: &Consent{Inbound: bit(2)}}, Sync: &SyncPolicy{UserSync: bit(4), GroupSync: bit(8)}}
		p := Pair{Policy{Tenant: fabrikam}.Compile().Toward(contoso, s), Policy{Tenant: contoso}.Compile().Toward(fabrikam, r)}
		if in, _, _ := p.Redemption(); in != (i&3 == 3) {
			t.Errorf("%04b: in effect %v", i, in)
		}
		var want []SyncFailure
		if i&1 == 0 {
			want = append(want, OutboundRedemptionMissing)
		}
		if i&2 == 0 {
			want = append(want, InboundRedemptionMissing)
		}
		if i&8 == 0 {
			want = append(want, InboundSyncNotAllowed)
		}
		if diff := cmp.Diff(want, p.SyncFailures(SyncGroups)); diff != "" {
			t.Errorf("%04b: %s", i, diff)
		}
	}
}

func TestHonouredClaims(t *testing.T) {
	t.Parallel()
	claims := Claims{MFA: true, CompliantDevice: true, HybridJoined: true}
	for i := range 8 {
		bit := func(n int) *bool { b := i&n > 0; return &b }
		r := &Partner{Settings: Settings{Trust: &Trust{MFA: bit(1), CompliantDevice: bit(2), HybridJoined: bit(4)}}}
		p := Pair{Policy{}.Compile().Toward(contoso, nil), Policy{}.Compile().Toward(fabrikam, r)}
		got := p.Honour(claims, false)
		want := Trusted{Claims: Claims{MFA: *bit(1), CompliantDevice: *bit(2), HybridJoined: *bit(4)}}
		if *bit(1) {
			want.MFAChallenge = ChallengeHome
		}
		if got != want {
			t.Errorf("%03b: got %+v, want %+v", i, got, want)
		}
	}
	p := Pair{Policy{}.Compile().Toward(contoso, nil), Policy{}.Compile().Toward(fabrikam, nil)}
	if got := p.Honour(claims, true); got != (Trusted{MFAChallenge: ChallengeNever}) {
		t.Errorf("direct connect without trust: %+v", got)
	}
	if got := (Pair{Resource: p.Resource}).Honour(claims, false); got != (Trusted{}) {
		t.Errorf("without a home: %+v", got)
	}
	yes := true
	p.Resource = Policy{}.Compile().Toward(fabrikam, &Partner{ServiceProvider: &yes})
	if got := p.Honour(claims, false); !got.MFA || got.CompliantDevice || got.MFAChallenge != ChallengeHome {
		t.Errorf("a service provider: %+v", got)
	}
}

func TestTenantRestrictions(t *testing.T) {
	t.Parallel()
	app := apps(Allowed, a1)
	r := &Partner{Settings: Settings{Restrictions: &Restrictions{Setting: Setting{UsersAndGroups: everybody(Allowed), Applications: &app}}}}
	s := Policy{Tenant: contoso}.Compile()
	known, other := s.Toward(fabrikam, r), s.Toward(fabrikam, nil)
	u := User{ID: names["u1"], GroupsKnown: true}
	if !known.Restricted(u, Application{Resource: names["a1"]}, false).Allowed() {
		t.Error("a listed application is refused")
	}
	if known.Restricted(u, Application{Resource: names["a2"]}, false).Allowed() {
		t.Error("an application that is not listed is open")
	}
	if other.Restricted(u, Application{Resource: names["a1"]}, false).Allowed() {
		t.Error("the default lets other tenants' accounts in")
	}
	group := users(Allowed, groupOne)
	listed := s.Toward(fabrikam, &Partner{Settings: Settings{Restrictions: &Restrictions{Setting: Setting{UsersAndGroups: &group}}}})
	if listed.Restricted(User{}, Application{Resource: names["a1"]}, true).Allowed() {
		t.Error("an anonymous account matches a group")
	}
}

func TestAuditValues(t *testing.T) {
	t.Parallel()
	blockAll := whole(Blocked)
	p := Partner{TenantID: fabrikam, Settings: Settings{CollaborationInbound: blockAll, Trust: &Trust{MFA: new(bool)}}}
	show := func(ms []patch.Modified) []string {
		var out []string
		for _, m := range ms {
			v := func(s *string) string {
				if s == nil {
					return "null"
				}
				return *s
			}
			out = append(out, fmt.Sprintf("%s: %s -> %s", m.Name, v(m.Old), v(m.New)))
		}
		return out
	}
	blocked := `[{"UsersAndGroups":{"AccessType":2,"Targets":[{"Target":"AllUsers","TargetType":1}]},"Applications":{"AccessType":2,"Targets":[{"Target":"AllApplications","TargetType":3}]}}]`
	id := `"` + fabrikam.String() + `"`
	for name, c := range map[string]struct{ got, want []string }{
		"add": {show(AddPartnerChanges(p)), []string{
			"tenantId: null -> " + id,
			`inboundTrust: null -> [{"IsMfaAccepted":false}]`,
			"b2bCollaborationInbound: null -> " + blocked,
		}},
		"update": {show(PartnerChanges(p, Partner{TenantID: fabrikam, Settings: Settings{Trust: p.Settings.Trust}})), []string{
			"b2bCollaborationInbound: " + blocked + " -> null",
			"tenantId: " + id + " -> " + id,
		}},
		"update nothing": {show(PartnerChanges(p, p)), nil},
		"delete": {show(DeletePartnerChanges(Partner{TenantID: fabrikam, ServiceProvider: new(bool)})), []string{
			"tenantId: " + id + " -> null",
			"isServiceProvider: false -> null",
		}},
		"reset nothing": {show(ResetChanges(Default{})), []string{"isServiceDefault: true -> true"}},
		"reset": {show(ResetChanges(Default{Customized: true, Settings: Settings{CollaborationInbound: blockAll}})), []string{
			"isServiceDefault: false -> true",
			"b2bCollaborationInbound: " + blocked + " -> null",
		}},
		"customize without a difference": {show(DefaultChanges(Default{}, Default{Customized: true})), []string{
			"isServiceDefault: true -> false",
		}},
		"create sync": {show(CreateSyncChanges(fabrikam, SyncPolicy{})), []string{
			`userSyncInbound: null -> [{"IsSyncAllowed":false}]`,
			"PartnerIdentifier: null -> " + id,
		}},
		"delete sync": {show(DeleteSyncChanges(fabrikam, SyncPolicy{UserSync: new(bool)})), []string{
			`userSyncInbound: [{"IsSyncAllowed":false}] -> null`,
			"PartnerIdentifier: " + id + " -> null",
		}},
		"clouds": {show(RootChanges(RootNames{}, RootNames{Clouds: []string{"microsoftonline.us"}})), []string{
			`allowedCloudEndpoints: [] -> ["microsoftonline.us"]`,
		}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

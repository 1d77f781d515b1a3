package crosstenant

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// rounds is how many random cases each property is tried on.
const rounds = 20_000

// pool is small so that random targets and random people meet often.
var pool = func() []uuid.UUID {
	ids := make([]uuid.UUID, 4)
	for i := range ids {
		ids[i] = uuid.UUID{15: byte(i + 1)}
	}
	return ids
}()

func randomHalf(r *rand.Rand, kinds []TargetType, all string) *TargetConfiguration {
	c := &TargetConfiguration{Access: Access(1 + r.IntN(2))}
	if r.IntN(3) == 0 {
		c.Targets = []Target{{Target: all, Type: kinds[0]}}
		return c
	}
	for range 1 + r.IntN(3) {
		t := Target{Target: pool[r.IntN(len(pool))].String(), Type: kinds[r.IntN(len(kinds))]}
		if !slices.Contains(c.Targets, t) {
			c.Targets = append(c.Targets, t)
		}
	}
	return c
}

// randomSetting is legal (POL-19) and may miss a half.
func randomSetting(r *rand.Rand) *Setting {
	for {
		s := &Setting{
			UsersAndGroups: randomHalf(r, []TargetType{TargetUser, TargetGroup}, AllUsers),
			Applications:   randomHalf(r, []TargetType{TargetApplication}, AllApplications),
		}
		switch r.IntN(6) {
		case 0:
			s.UsersAndGroups = nil
		case 1:
			s.Applications = nil
		}
		if checkConflict("", *s) == nil {
			return s
		}
	}
}

func maybe[T any](r *rand.Rand, f func(*rand.Rand) *T) *T {
	if r.IntN(3) == 0 {
		return nil
	}
	return f(r)
}

func randomSwitch(r *rand.Rand) *bool { b := r.IntN(2) == 0; return &b }

func randomSettings(r *rand.Rand) Settings {
	return Settings{
		CollaborationInbound: maybe(r, randomSetting), CollaborationOutbound: maybe(r, randomSetting),
		DirectConnectInbound: maybe(r, randomSetting), DirectConnectOutbound: maybe(r, randomSetting),
		Trust: &Trust{MFA: maybe(r, randomSwitch), CompliantDevice: maybe(r, randomSwitch), HybridJoined: maybe(r, randomSwitch)},
	}
}

func randomStance(r *rand.Rand) *Stance {
	p := Policy{Tenant: fabrikam, Version: 1}
	p.Default.Settings = randomSettings(r)
	partner := maybe(r, func(r *rand.Rand) *Partner { return &Partner{TenantID: contoso, Settings: randomSettings(r)} })
	return p.Compile().Toward(contoso, partner)
}

func randomUser(r *rand.Rand) User {
	u := User{ID: pool[r.IntN(len(pool))], GroupsKnown: r.IntN(4) > 0}
	if r.IntN(5) == 0 {
		u.ID = uuid.Nil
	}
	if u.GroupsKnown && r.IntN(2) == 0 {
		u.Groups = []uuid.UUID{pool[r.IntN(len(pool))]}
	}
	return u
}

func randomApp(r *rand.Rand) Application {
	return Application{Client: pool[r.IntN(len(pool))], Resource: pool[r.IntN(len(pool))], DirectConnect: true}
}

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(1, 2))
}

func TestPOL141_NothingIsGrantedUnlessBothSidesPermit(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	granted := 0
	for range rounds {
		p := Pair{Home: randomStance(r), Resource: randomStance(r)}
		u, a := randomUser(r), randomApp(r)
		if p.SignIn(u, a).Allowed() {
			granted++
			if !p.Home.collaborationOut.Permits(u, a) || !p.Resource.collaborationIn.Permits(u, a) {
				t.Fatalf("sign-in granted against a side: %+v %+v", u, a)
			}
		}
		if p.DirectConnect(u, a).Allowed() && (!p.Home.directOut.Permits(u, a) || !p.Resource.directIn.Permits(u, a)) {
			t.Fatalf("direct connect granted against a side: %+v %+v", u, a)
		}
		if p.Invite(Gates{Inviter: true, Domain: true}, u).Allowed() &&
			(!p.Home.collaborationOut.PermitsAny(u) || !p.Resource.collaborationIn.PermitsAny(u)) {
			t.Fatalf("invitation granted against a side: %+v", u)
		}
	}
	if granted == 0 {
		t.Error("no case was granted; the generator proves nothing")
	}
}

func TestPOL141_AddingATargetMovesOneWayOnly(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range rounds {
		s := randomSetting(r).Complete()
		u, a := randomUser(r), randomApp(r)
		before := Compile(s).Permits(u, a)
		more := s
		half := *s.UsersAndGroups
		add := Target{Target: pool[r.IntN(len(pool))].String(), Type: TargetUser + TargetType(r.IntN(2))}
		if r.IntN(2) == 0 {
			half = *s.Applications
			add.Type = TargetApplication
		}
		half.Targets = append(slices.Clone(half.Targets), add)
		if add.Type == TargetApplication {
			more.Applications = &half
		} else {
			more.UsersAndGroups = &half
		}
		after := Compile(more).Permits(u, a)
		// In a half of a setting that blocks both, a target is part of a
		// conjunction: it still only ever denies more.
		if half.Access == Blocked && !before && after {
			t.Fatalf("a blocked target opened %+v to %+v %+v", more, u, a)
		}
		if half.Access == Allowed && before && !after {
			t.Fatalf("an allowed target closed %+v to %+v %+v", more, u, a)
		}
	}
}

func TestPOL142_EqualInputsGiveEqualAnswers(t *testing.T) {
	t.Parallel()
	one, two := rand.New(rand.NewPCG(3, 4)), rand.New(rand.NewPCG(3, 4))
	for range rounds {
		p, q := Pair{randomStance(one), randomStance(one)}, Pair{randomStance(two), randomStance(two)}
		u, v := randomUser(one), randomUser(two)
		a, b := randomApp(one), randomApp(two)
		if first, again, other := p.SignIn(u, a), p.SignIn(u, a), q.SignIn(v, b); first != again || first != other {
			t.Fatalf("%+v, then %+v, elsewhere %+v", first, again, other)
		}
	}
}

func TestPOL143_PermitsAnyIsPermitsForSomeApplication(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	// One application of the pool each, and one that no setting names.
	apps := []Application{{Resource: uuid.Max}}
	for _, id := range pool {
		apps = append(apps, Application{Resource: id})
	}
	for range rounds {
		rules, u := Compile(*randomSetting(r)), randomUser(r)
		some := slices.ContainsFunc(apps, func(a Application) bool { return rules.Permits(u, a) })
		if got := rules.PermitsAny(u); got != some {
			t.Fatalf("permitsAny %v, some application %v: %+v %+v", got, some, rules, u)
		}
	}
}

func TestPOL144_AnEmptyRowMeansNoRow(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range rounds / 10 {
		p := Policy{Tenant: fabrikam}
		p.Default.Settings = randomSettings(r)
		if diff := cmp.Diff(p.EffectiveToward(nil), p.EffectiveToward(&Partner{TenantID: contoso})); diff != "" {
			t.Fatalf("an empty row differs from none (-none +empty):\n%s", diff)
		}
		// Clearing every property leads to the same.
		full := Partner{TenantID: contoso, Settings: randomSettings(r)}
		clear := &SettingPatch{Clear: true}
		cleared, err := UpdatePartner(full, PartnerPatch{Settings: SettingsPatch{
			CollaborationInbound: clear, CollaborationOutbound: clear, DirectConnectInbound: clear, DirectConnectOutbound: clear,
			Trust: &TrustPatch{Clear: true}, Consent: &ConsentPatch{Clear: true}, Restrictions: &RestrictionsPatch{Setting: *clear},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.EffectiveToward(nil), p.EffectiveToward(&cleared)); diff != "" {
			t.Fatalf("a cleared row differs from none (-none +cleared):\n%s", diff)
		}
	}
}

func TestPOL145_ResetIsTheSystemDefault(t *testing.T) {
	t.Parallel()
	settings, order := Default{}.Shown()
	if diff := cmp.Diff(SystemSettings(), settings); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(SystemRedemption(), order); diff != "" {
		t.Error(diff)
	}
}

func TestPOL148_ConsentOfTheDefaultIsConstant(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range rounds / 10 {
		p := Pair{Home: randomStance(r), Resource: randomStance(r)} // neither has a sync policy
		if in, _, _ := p.Redemption(); in {
			t.Fatal("automatic redemption without a partner's true")
		}
		if !slices.Contains(p.SyncFailures(SyncUsers), InboundSyncNotAllowed) {
			t.Fatal("sync without a partner's true")
		}
	}
}

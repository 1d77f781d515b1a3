package redemption_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/redemption"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const invited = "alice@partner.example"

// hop is a provider of another kind than the passcode, as later ones will be.
type hop struct{}

func (hop) ID() string                       { return "hop" }
func (hop) Stage() redemption.Stage          { return redemption.Organization }
func (hop) Waits() redemption.State          { return redemption.AwaitIdp }
func (hop) Serves(i redemption.Invitee) bool { return i.HomeTenant }

var rules = redemption.Rules{Registry: redemption.Registry{hop{}, redemption.Passcode{}}, Keys: []string{invited, "alice@other.example"}}

func home(level redemption.Level, address string) redemption.Identity {
	return redemption.Identity{Provider: "hop", HomeTenant: tenant.MustParse("0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01"), HomeObject: uuid.UUID{1}, Address: address, Evidence: level}
}

// edges is INV-107: every move that may ever be seen.
var edges = map[redemption.State][]redemption.State{
	redemption.Opened:               {redemption.Discovered},
	redemption.Discovered:           {redemption.AwaitChoice, redemption.AwaitIdp, redemption.AwaitOtp, redemption.AwaitAccountCreation},
	redemption.AwaitChoice:          {redemption.AwaitIdp, redemption.AwaitOtp},
	redemption.AwaitIdp:             {redemption.AwaitIdp, redemption.Authenticated, redemption.Failed},
	redemption.AwaitOtp:             {redemption.Authenticated},
	redemption.AwaitAccountCreation: {redemption.Authenticated},
	redemption.Authenticated:        {redemption.MailboxProof, redemption.PolicyCheck, redemption.Failed},
	redemption.MailboxProof:         {redemption.PolicyCheck},
	redemption.PolicyCheck:          {redemption.StepUp, redemption.Consent, redemption.Terms, redemption.Commit, redemption.Blocked},
	redemption.StepUp:               {redemption.Consent, redemption.Terms, redemption.Commit, redemption.Blocked},
	redemption.Consent:              {redemption.Terms, redemption.Commit, redemption.Declined},
	redemption.Terms:                {redemption.Terms, redemption.Commit, redemption.Declined},
	redemption.Commit:               {redemption.Landed, redemption.Failed},
}

// everything is all that could be posted or could happen, the hostile
// included.
var everything = []redemption.Event{
	redemption.Validated{},
	redemption.Found{}, redemption.Found{Candidates: []string{"otp"}}, redemption.Found{Candidates: []string{"hop", "otp"}}, redemption.Found{Candidates: []string{"hop"}}, redemption.Found{Candidates: []string{"unknown"}},
	redemption.Chosen{Provider: "otp"}, redemption.Chosen{Provider: "hop"}, redemption.Chosen{Provider: "unknown"}, redemption.Chosen{},
	redemption.ProviderFailed{},
	redemption.Shown{}, redemption.Shown{Identity: redemption.PasscodeIdentity(invited)},
	redemption.Shown{Identity: home(redemption.E1, invited)}, redemption.Shown{Identity: home(redemption.E2, invited)}, redemption.Shown{Identity: home(redemption.E2, "mallory@evil.example")}, redemption.Shown{Identity: home(redemption.E0, invited)},
	redemption.Weighed{},
	redemption.MailboxShown{},
	redemption.Judged{}, redemption.Judged{Allowed: true}, redemption.Judged{Allowed: true, Automatic: true}, redemption.Judged{Allowed: true, StepUp: true}, redemption.Judged{Allowed: true, Terms: []string{"a", "b"}}, redemption.Judged{Allowed: true, StepUp: true, Automatic: true, Terms: []string{"a"}},
	redemption.SteppedUp{}, redemption.SteppedUp{Passed: true},
	redemption.Answered{}, redemption.Answered{Accepted: true},
	redemption.TermsAnswered{Agreement: "a"}, redemption.TermsAnswered{Agreement: "a", Accepted: true}, redemption.TermsAnswered{Agreement: "b", Accepted: true}, redemption.TermsAnswered{Accepted: true},
	redemption.Committed{}, redemption.Committed{Bound: true},
	redemption.Stopped{Code: redemption.CodeDisabled},
}

// history is the oracle: what has verifiably happened on the way, told by the
// events that were accepted and by nothing the machine remembers.
type history struct {
	shown, weighed, proven, judged, stepUp, stepped, accepted, waived bool
	strong                                                            bool // E2 or E3 for the invited address
	due                                                               string
	commits                                                           int
}

func (h history) after(e redemption.Event) history {
	switch e := e.(type) {
	case redemption.Shown:
		h.shown, h.strong = true, e.Identity.Evidence >= redemption.E2 && e.Identity.Address == invited
		h.waived = !e.Identity.HomeTenant.IsZero()
	case redemption.Weighed:
		h.weighed = true
	case redemption.MailboxShown:
		h.proven = true
	case redemption.Judged:
		h.judged, h.stepUp, h.waived = e.Allowed, e.StepUp, h.waived && e.Automatic
		h.due = ""
		for _, a := range e.Terms {
			h.due += a
		}
	case redemption.SteppedUp:
		h.stepped = e.Passed
	case redemption.Answered:
		h.accepted = e.Accepted
	case redemption.TermsAnswered:
		if e.Accepted && h.due != "" && h.due[:1] == e.Agreement {
			h.due = h.due[1:]
		} else {
			h.due += "!"
		}
	case redemption.Committed:
		h.commits++
	}
	return h
}

// fault says why a flow must not have landed after this history.
func (h history) fault() string {
	switch {
	case !h.shown || !h.weighed:
		return "nobody was identified"
	case !h.strong && !h.proven:
		return "no proof of the invited address"
	case !h.judged:
		return "no policy answer"
	case h.stepUp && !h.stepped:
		return "step-up skipped"
	case !h.accepted && !h.waived:
		return "no consent"
	case h.due != "":
		return "terms open: " + h.due
	case h.commits != 1:
		return fmt.Sprintf("%d commits", h.commits)
	default:
		return ""
	}
}

// TestResists_11_NoStepIsSkippedRepeatedOrReordered walks every order of all
// events, from every kind of link, until no new situation appears, and
// compares each landing with what an independent record says happened.
func TestResists_11_NoStepIsSkippedRepeatedOrReordered(t *testing.T) {
	t.Parallel()
	type node struct {
		flow redemption.Flow
		past history
	}
	for _, link := range []redemption.Link{redemption.Ticketless, redemption.ByMail, redemption.ByAPI} {
		seen := map[string]bool{}
		queue := []node{{flow: redemption.Open(link, start)}}
		landed, steps := 0, 0
		for len(queue) > 0 {
			n := queue[0]
			queue = queue[1:]
			for _, e := range everything {
				steps++
				next, err := n.flow.On(e, rules, start)
				if err != nil {
					if !fault.Is(err, errorspb.Reason_FLOW_INPUT_REFUSED) || fmt.Sprint(next) != fmt.Sprint(n.flow) {
						t.Fatalf("%s: %T refused with %v and changed the flow", n.flow.State, e, err)
					}
					continue
				}
				past := n.past.after(e)
				if _, stop := e.(redemption.Stopped); stop && next.State == redemption.Blocked && n.flow.State < redemption.Commit {
					continue
				}
				if !slices.Contains(edges[n.flow.State], next.State) {
					t.Fatalf("%T moves %s to %s", e, n.flow.State, next.State)
				}
				if link == redemption.Ticketless && past.proven {
					t.Fatal("a mailbox proof without a ticket")
				}
				if next.State == redemption.Landed {
					landed++
					if why := past.fault(); why != "" {
						t.Fatalf("landed from %v although: %s", link, why)
					}
				}
				if key := fmt.Sprintf("%v|%+v", next, past); !seen[key] {
					seen[key] = true
					queue = append(queue, node{next, past})
				}
			}
		}
		if landed == 0 || len(seen) < 100 {
			t.Fatalf("link %v: %d situations, %d landings: the walk is not one", link, len(seen), landed)
		}
		t.Logf("link %v: %d situations, %d steps tried, %d ways to land", link, len(seen), steps, landed)
	}
}

func TestThePasscodePath(t *testing.T) {
	t.Parallel()
	f := redemption.Open(redemption.ByMail, start)
	for _, step := range []struct {
		event redemption.Event
		want  redemption.State
	}{
		{redemption.Validated{}, redemption.Discovered},
		{redemption.Found{Candidates: []string{"otp"}}, redemption.AwaitOtp},
		{redemption.Shown{Identity: redemption.PasscodeIdentity(invited)}, redemption.Authenticated},
		{redemption.Weighed{}, redemption.PolicyCheck},
		{redemption.Judged{Allowed: true, Automatic: true}, redemption.Consent}, // not for passcodes
		{redemption.Answered{Accepted: true}, redemption.Commit},
		{redemption.Committed{Bound: true}, redemption.Landed},
	} {
		var err error
		if f, err = f.On(step.event, rules, start); err != nil || f.State != step.want {
			t.Fatalf("%T: %s, %v; want %s", step.event, f.State, err, step.want)
		}
	}
}

// TestResists_2: an address that somebody asserts, and be it the invited one,
// binds nothing; only the authority for its domain or the mailbox does.
func TestResists_2_OnlyEvidenceBinds(t *testing.T) {
	t.Parallel()
	const other = "mallory@evil.example"
	lists := home(redemption.E2, other)
	lists.ListsInvited = true
	weakLists := home(redemption.E1, other)
	weakLists.ListsInvited = true
	for _, tc := range []struct {
		name                  string
		who                   redemption.Identity
		mail, api, ticketless redemption.Need
	}{
		{"nobody", redemption.Identity{}, redemption.Refuse, redemption.Refuse, redemption.Refuse},
		{"ticket alone", redemption.Identity{Issuer: "x", Address: invited}, redemption.Refuse, redemption.Refuse, redemption.Refuse},
		{"asserted, same address", home(redemption.E1, invited), redemption.Proof, redemption.Proof, redemption.Refuse},
		{"asserted, other address", home(redemption.E1, other), redemption.Proof, redemption.Proof, redemption.Refuse},
		{"asserted, says it lists the address", weakLists, redemption.Proof, redemption.Proof, redemption.Refuse},
		{"authority, same address", home(redemption.E2, invited), redemption.Enough, redemption.Enough, redemption.Enough},
		{"authority, other mail of the guest", home(redemption.E2, "alice@other.example"), redemption.Enough, redemption.Enough, redemption.Enough},
		{"authority, other address", home(redemption.E2, other), redemption.Proof, redemption.Proof, redemption.Refuse},
		{"authority, lists the invited address", lists, redemption.Enough, redemption.Enough, redemption.Enough},
		{"mailbox, same address", redemption.PasscodeIdentity(invited), redemption.Enough, redemption.Enough, redemption.Enough},
		{"mailbox, other address", redemption.PasscodeIdentity(other), redemption.Proof, redemption.Proof, redemption.Refuse},
	} {
		for link, want := range map[redemption.Link]redemption.Need{redemption.ByMail: tc.mail, redemption.ByAPI: tc.api, redemption.Ticketless: tc.ticketless} {
			if got := redemption.Require(tc.who, rules.Keys, link); got != want {
				t.Errorf("%s, link %d: %d, want %d", tc.name, link, got, want)
			}
		}
	}
}

func TestDiscoveryFollowsTheOrder(t *testing.T) {
	t.Parallel()
	all := []redemption.Stage{redemption.Organization, redemption.Federation, redemption.Social}
	for _, tc := range []struct {
		name    string
		invitee redemption.Invitee
		order   redemption.Order
		want    []string
	}{
		{"home tenant first", redemption.Invitee{HomeTenant: true}, redemption.Order{Primary: all, PasscodesEnabled: true}, []string{"hop"}},
		{"no home tenant", redemption.Invitee{}, redemption.Order{Primary: all, PasscodesEnabled: true}, []string{"otp"}},
		{"empty order goes to the fallback", redemption.Invitee{HomeTenant: true}, redemption.Order{Fallback: "defaultConfiguredIdp", PasscodesEnabled: true}, []string{"otp"}},
		{"passcode only", redemption.Invitee{}, redemption.Order{Fallback: "emailOneTimePasscode", PasscodesEnabled: true}, []string{"otp"}},
		{"passcodes off", redemption.Invitee{}, redemption.Order{Primary: all}, nil},
		{"personal accounts only, none here", redemption.Invitee{}, redemption.Order{Fallback: "microsoftAccount", PasscodesEnabled: true}, nil},
	} {
		if got := rules.Registry.Discover(tc.invitee, tc.order); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestFlowsGrowOld(t *testing.T) {
	t.Parallel()
	at := func(s redemption.State, entered, now time.Duration) redemption.State {
		return redemption.Flow{State: s, StartedAt: start, EnteredAt: start.Add(entered)}.At(start.Add(now)).State
	}
	for _, tc := range []struct {
		state        redemption.State
		entered, now time.Duration
		want         redemption.State
	}{
		{redemption.AwaitOtp, 0, 30*time.Minute - 1, redemption.AwaitOtp},
		{redemption.AwaitOtp, 0, 30 * time.Minute, redemption.Expired},
		{redemption.Consent, 40 * time.Minute, 60 * time.Minute, redemption.Expired},
		{redemption.AwaitIdp, time.Minute, 16 * time.Minute, redemption.Expired},
		{redemption.PolicyCheck, 0, 59 * time.Minute, redemption.PolicyCheck},
		{redemption.Commit, 0, 24 * time.Hour, redemption.Commit},
		{redemption.Landed, 0, 24 * time.Hour, redemption.Landed},
	} {
		if got := at(tc.state, tc.entered, tc.now); got != tc.want {
			t.Errorf("%s after %v is %s, want %s", tc.state, tc.now, got, tc.want)
		}
	}
	f := redemption.Flow{State: redemption.Consent, StartedAt: start, EnteredAt: start.Add(10 * time.Minute)}
	if got := f.Deadline(); !got.Equal(start.Add(40*time.Minute)) || f.At(got).State != redemption.Expired || f.At(got.Add(-1)).State == redemption.Expired {
		t.Errorf("deadline %v", got)
	}
	if old, err := f.On(redemption.Answered{Accepted: true}, rules, start.Add(2*time.Hour)); err == nil || old.State != redemption.Expired {
		t.Errorf("an old flow takes input: %s, %v", old.State, err)
	}
}

func TestAProviderMayFailFiveTimes(t *testing.T) {
	t.Parallel()
	f := redemption.Flow{State: redemption.AwaitIdp, StartedAt: start, EnteredAt: start}
	for range 5 {
		if f, _ = f.On(redemption.ProviderFailed{}, rules, start); f.State != redemption.AwaitIdp {
			t.Fatal(f.State)
		}
	}
	if f, _ = f.On(redemption.ProviderFailed{}, rules, start); f.State != redemption.Failed {
		t.Fatal(f.State)
	}
}

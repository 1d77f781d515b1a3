package redemption

import (
	"slices"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// maxRestarts is how often a failing provider may be tried again.
const maxRestarts = 5

// Flow is one redemption in one browser.
type Flow struct {
	State      State
	Version    int64 // of the stored row; every saved step raises it
	Link       Link
	Candidates []string // ids of providers, in the order of the page
	Provider   string   // the one that is waited for, or was used
	Restarts   int
	Identity   Identity
	Proven     bool // mailbox proof given in this flow
	Waived     bool // automatic redemption: no consent page
	Consented  bool
	TermsDue   []string // ids of agreements, the next first
	Code       string   // why it ended, for people and support
	StartedAt  time.Time
	EnteredAt  time.Time
}

// Open is a flow that begins at now.
func Open(link Link, now time.Time) Flow {
	return Flow{State: Opened, Version: 1, Link: link, StartedAt: now, EnteredAt: now}
}

// At is the flow at now: what has waited too long is Expired.
func (f Flow) At(now time.Time) Flow {
	if f.State.Terminal() || f.State == Commit {
		return f // a commit that has begun is finished or compensated, never forgotten
	}
	wait, limited := patience[f.State]
	if now.Sub(f.StartedAt) >= Overall || limited && now.Sub(f.EnteredAt) >= wait {
		return f.enter(Expired, now)
	}
	return f
}

// Deadline is when At will say Expired.
func (f Flow) Deadline() time.Time {
	end := f.StartedAt.Add(Overall)
	if wait, limited := patience[f.State]; limited && f.EnteredAt.Add(wait).Before(end) {
		end = f.EnteredAt.Add(wait)
	}
	return end
}

// Event is something that happens to a flow.
type Event interface {
	happens(f Flow, r Rules) (State, Flow)
}

// Rules is what the machine must know to judge an event.
type Rules struct {
	Registry Registry
	// Keys are the comparison keys of the invited address and of the guest's
	// other mails.
	Keys []string
}

// none is the answer of an event that cannot happen in the state.
const none State = 0

// On is the flow after an event at now. FLOW_INPUT_REFUSED says that the
// event cannot happen in the state; the flow is then as At has it.
func (f Flow) On(e Event, r Rules, now time.Time) (Flow, error) {
	f = f.At(now)
	to, changed := e.happens(f, r)
	if f.State.Terminal() || to == none {
		return f, fault.Precondition(errorspb.Reason_FLOW_INPUT_REFUSED, "This step is not the current one.").WithMeta("state", f.State.String())
	}
	return changed.enter(to, now), nil
}

func (f Flow) enter(s State, now time.Time) Flow {
	if f.State != s {
		f.EnteredAt = now
	}
	f.State = s
	return f
}

func (f Flow) end(s State, code string) (State, Flow) {
	f.Code = code
	return s, f
}

// Validated says that the link was looked at and discovery may begin.
type Validated struct{}

func (Validated) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != Opened {
		return none, f
	}
	return Discovered, f
}

// Found carries the outcome of discovery.
type Found struct{ Candidates []string }

func (e Found) happens(f Flow, r Rules) (State, Flow) {
	if f.State != Discovered {
		return none, f
	}
	f.Candidates = slices.Clone(e.Candidates)
	switch len(f.Candidates) {
	case 0:
		return AwaitAccountCreation, f
	case 1:
		return f.wait(f.Candidates[0], r)
	default:
		return AwaitChoice, f
	}
}

func (f Flow) wait(id string, r Rules) (State, Flow) {
	p := r.Registry.Find(id)
	if p == nil || !slices.Contains(f.Candidates, id) {
		return none, f
	}
	f.Provider = id
	return p.Waits(), f
}

// Chosen is a choice on the page of candidates. Only those offered count.
type Chosen struct{ Provider string }

func (e Chosen) happens(f Flow, r Rules) (State, Flow) {
	if f.State != AwaitChoice {
		return none, f
	}
	return f.wait(e.Provider, r)
}

// ProviderFailed says that the provider gave an error. It may be tried again
// a few times.
type ProviderFailed struct{}

func (ProviderFailed) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != AwaitIdp {
		return none, f
	}
	if f.Restarts++; f.Restarts > maxRestarts {
		return f.end(Failed, CodeProvider)
	}
	return AwaitIdp, f
}

// Shown carries the identity that the awaited provider verified.
type Shown struct{ Identity Identity }

func (e Shown) happens(f Flow, _ Rules) (State, Flow) {
	switch f.State {
	case AwaitIdp, AwaitOtp, AwaitAccountCreation:
	default:
		return none, f
	}
	if e.Identity.IsZero() || e.Identity.Provider != f.Provider {
		return none, f
	}
	f.Identity = e.Identity
	return Authenticated, f
}

// Weighed asks the evidence table about the identity.
type Weighed struct{}

func (Weighed) happens(f Flow, r Rules) (State, Flow) {
	if f.State != Authenticated {
		return none, f
	}
	switch Require(f.Identity, r.Keys, f.Link) {
	case Enough:
		return PolicyCheck, f
	case Proof:
		return MailboxProof, f
	default:
		return f.end(Failed, CodeNoAccount)
	}
}

// MailboxShown says that a code for the purpose of proof, sent to the invited
// address, was right.
type MailboxShown struct{}

func (MailboxShown) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != MailboxProof {
		return none, f
	}
	f.Proven = true
	return PolicyCheck, f
}

// Judged carries what policy says about the identity at the moment.
type Judged struct {
	Allowed bool
	Code    string // of a refusal
	StepUp  bool   // more authentication is wanted first
	// Automatic says that both tenants waive consent; it counts for accounts of
	// a home tenant only (INV-121).
	Automatic bool
	Terms     []string // agreements due
}

func (e Judged) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != PolicyCheck {
		return none, f
	}
	if !e.Allowed {
		return f.end(Blocked, e.Code)
	}
	f.Waived = e.Automatic && !f.Identity.HomeTenant.IsZero()
	f.TermsDue = slices.Clone(e.Terms)
	if e.StepUp {
		return StepUp, f
	}
	return f.afterPolicy(), f
}

func (f Flow) afterPolicy() State {
	switch {
	case !f.Waived && !f.Consented:
		return Consent
	case len(f.TermsDue) > 0:
		return Terms
	default:
		return Commit
	}
}

// SteppedUp carries the outcome of more authentication.
type SteppedUp struct{ Passed bool }

func (e SteppedUp) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != StepUp {
		return none, f
	}
	if !e.Passed {
		return f.end(Blocked, CodePolicy)
	}
	return f.afterPolicy(), f
}

// Answered is the click on the review-permissions page.
type Answered struct{ Accepted bool }

func (e Answered) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != Consent {
		return none, f
	}
	if !e.Accepted {
		return f.end(Declined, CodeDeclined)
	}
	f.Consented = true
	return f.afterPolicy(), f
}

// TermsAnswered is the answer about the agreement that was shown.
type TermsAnswered struct {
	Agreement string
	Accepted  bool
}

func (e TermsAnswered) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != Terms || len(f.TermsDue) == 0 || f.TermsDue[0] != e.Agreement {
		return none, f
	}
	if !e.Accepted {
		return f.end(Declined, CodeDeclined)
	}
	f.TermsDue = slices.Clone(f.TermsDue[1:])
	return f.afterPolicy(), f
}

// Committed carries the outcome of the commit.
type Committed struct {
	Bound bool
	Code  string // of a refusal
}

func (e Committed) happens(f Flow, _ Rules) (State, Flow) {
	if f.State != Commit {
		return none, f
	}
	if !e.Bound {
		return f.end(Failed, e.Code)
	}
	return Landed, f
}

// Stopped ends a flow whose guest was disabled, deleted or redeemed
// elsewhere, or whose invitation was withdrawn, wherever it stands before the
// commit.
type Stopped struct{ Code string }

func (e Stopped) happens(f Flow, _ Rules) (State, Flow) {
	if f.State == Commit {
		return none, f
	}
	return f.end(Blocked, e.Code)
}

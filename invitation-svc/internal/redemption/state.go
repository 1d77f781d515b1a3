package redemption

import "time"

// State is where a flow stands (INV-107).
type State int8

// The states; the numbers are stored.
const (
	Opened               State = 1
	Discovered           State = 2
	AwaitChoice          State = 3
	AwaitIdp             State = 4
	AwaitOtp             State = 5
	AwaitAccountCreation State = 6
	Authenticated        State = 7
	MailboxProof         State = 8
	PolicyCheck          State = 9
	StepUp               State = 10
	Consent              State = 11
	Terms                State = 12
	Commit               State = 13
	Landed               State = 14
	Declined             State = 15
	Blocked              State = 16
	Failed               State = 17
	Expired              State = 18
)

var names = [...]string{Opened: "Opened", Discovered: "Discovered", AwaitChoice: "AwaitChoice", AwaitIdp: "AwaitIdp",
	AwaitOtp: "AwaitOtp", AwaitAccountCreation: "AwaitAccountCreation", Authenticated: "Authenticated",
	MailboxProof: "MailboxProof", PolicyCheck: "PolicyCheck", StepUp: "StepUp", Consent: "Consent", Terms: "Terms",
	Commit: "Commit", Landed: "Landed", Declined: "Declined", Blocked: "Blocked", Failed: "Failed", Expired: "Expired"}

// String is the name of the specification.
func (s State) String() string {
	if s > 0 && int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Terminal reports that a new open must start over.
func (s State) Terminal() bool { return s >= Landed }

// Automatic reports that the flow goes on by itself: no person is waited for.
func (s State) Automatic() bool {
	switch s {
	case Opened, Discovered, Authenticated, PolicyCheck, Commit:
		return true
	default:
		return false
	}
}

// Overall is the life of a flow; patience is how long it waits in one state.
const Overall = time.Hour

var patience = map[State]time.Duration{
	AwaitChoice: 15 * time.Minute, AwaitIdp: 15 * time.Minute, AwaitOtp: 30 * time.Minute,
	AwaitAccountCreation: 30 * time.Minute, MailboxProof: 30 * time.Minute, StepUp: 15 * time.Minute,
	Consent: 30 * time.Minute, Terms: 30 * time.Minute,
}

// Error numbers shown to people and support (INV-164).
const (
	CodeDeclined   = "AADSTS65004"
	CodeNoAccount  = "AADSTS50020"
	CodeDisabled   = "AADSTS50057"
	CodePolicy     = "AADSTS500213"
	CodeDomain     = "AADSTS53003"
	CodeNotPending = "AADSTS50014"
	CodeBound      = "AADSTS90072"
	CodeProvider   = "AADSTS50000"
)

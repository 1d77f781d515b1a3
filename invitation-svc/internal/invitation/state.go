package invitation

import (
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// State is the internal state of an invitation (INV-106).
type State int8

// The states; the numbers are stored.
const (
	Creating   State = 1 // the saga has not made the user yet
	Pending    State = 2
	Redeeming  State = 3 // the commit lock is held
	Completed  State = 4
	Superseded State = 5 // a later invitation or link took its place
	Expired    State = 6
	Revoked    State = 7
	Failed     State = 8 // the saga was given up and compensated
)

var stateNames = map[State]string{
	Creating: "Creating", Pending: "Pending", Redeeming: "Redeeming", Completed: "Completed",
	Superseded: "Superseded", Expired: "Expired", Revoked: "Revoked", Failed: "Error",
}

// String is the name used in the native API and in audit details.
func (s State) String() string {
	if n, ok := stateNames[s]; ok {
		return n
	}
	return "unknown"
}

// Wire is the status that Graph clients see.
func (s State) Wire() string {
	switch s {
	case Creating, Redeeming:
		return "InProgress"
	case Pending:
		return "PendingAcceptance"
	case Completed:
		return "Completed"
	default:
		return "Error"
	}
}

// Terminal reports that no event leads out of the state.
func (s State) Terminal() bool { return s >= Completed }

// Event is something that happens to an invitation.
type Event int8

// The events of INV-106.
const (
	UserCreated    Event = iota + 1 // the saga's directory step is done
	CreationFailed                  // the saga was given up
	BornAccepted                    // automatic redemption bound the account at creation
	CommitBegun                     // a redemption took the commit lock
	Bound                           // the directory holds the identity
	BindRefused                     // the directory refused the identity
	Reinvited                       // a later invitation or a fresh link
	Withdrawn                       // revoke, or the user is disabled or deleted
	TimedOut                        // the link's lifetime is over
)

var eventNames = [...]string{UserCreated: "user created", CreationFailed: "creation failed", BornAccepted: "born accepted",
	CommitBegun: "commit begun", Bound: "bound", BindRefused: "bind refused", Reinvited: "reinvited", Withdrawn: "withdrawn", TimedOut: "timed out"}

// String is the event for error texts.
func (e Event) String() string {
	if int(e) < len(eventNames) && e > 0 {
		return eventNames[e]
	}
	return "unknown"
}

// moves is the whole of INV-106: what is not here does not happen.
var moves = map[State]map[Event]State{
	Creating:  {UserCreated: Pending, CreationFailed: Failed, BornAccepted: Completed},
	Pending:   {CommitBegun: Redeeming, Reinvited: Superseded, Withdrawn: Revoked, TimedOut: Expired},
	Redeeming: {Bound: Completed, BindRefused: Pending},
}

// Next is the state after an event, or a fault when the event cannot happen
// in the state.
func Next(s State, e Event) (State, error) {
	to, ok := moves[s][e]
	if !ok {
		return s, fault.Precondition(errorspb.Reason_CONFLICT, "The invitation is %s.", s).WithMeta("event", e.String())
	}
	return to, nil
}

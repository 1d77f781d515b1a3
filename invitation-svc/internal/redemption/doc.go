// Package redemption is the state machine between a redeem link and an
// accepted guest (INV-107): which step follows which, what each needs, and how
// strong the proof of a person must be before an account is bound (INV-67).
//
// A Flow is a value; On answers the flow after an event, or refuses it. There
// is no other way forward, so no step can be skipped, repeated or reordered:
// whoever stores flows compares and sets the version. The ways to show who one
// is are Providers in a Registry; the machine knows where they wait and what
// they must deliver, never how they work.
//
// Start reading at Flow.On and the table of moves in step.go.
package redemption

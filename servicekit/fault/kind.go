package fault

// Kind is the class of a failure. There is one per gRPC code in use.
type Kind int

// The kinds, with what they tell the caller to do.
const (
	KindInternal        Kind = iota // our fault; no detail leaves the process
	KindInvalid                     // the request can never succeed as it is
	KindUnauthenticated             // no valid credential
	KindDenied                      // credential valid, act refused
	KindNotFound                    // no such object in the tenant of the caller
	KindExists                      // an object with that key is there
	KindPrecondition                // the state of the object forbids the act
	KindExhausted                   // quota or rate limit
	KindAborted                     // lost against a concurrent change: start over
	KindOutOfRange                  // position outside of what is kept
	KindUnimplemented               // known, not offered
	KindUnavailable                 // try again
	KindDeadline                    // no answer in time
	KindCanceled                    // the caller went away
)

var kindNames = [...]string{"internal", "invalid", "unauthenticated", "denied", "not found", "exists", "precondition",
	"exhausted", "aborted", "out of range", "unimplemented", "unavailable", "deadline", "canceled"}

// String names the kind, for logs.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[KindInternal]
	}
	return kindNames[k]
}

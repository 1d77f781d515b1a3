package redemption

import (
	"slices"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Level is how well an identity shows that it owns its address (INV-67).
type Level int8

// The levels; the numbers are stored.
const (
	E0 Level = 0 // nothing, a ticket of any class alone
	E1 Level = 1 // asserted by somebody who is not the authority
	E2 Level = 2 // the issuer is the authority for the domain
	E3 Level = 3 // the mailbox was shown just now
)

// Link says how the browser came.
type Link int8

// The ways; the numbers are those of the ticket classes.
const (
	Ticketless Link = 0
	ByMail     Link = 1
	ByAPI      Link = 2
)

// Identity is who a provider says holds the browser. The zero value is
// nobody.
type Identity struct {
	Provider string
	// Issuer and Subject are the key that is bound; for an account of a tenant
	// of this deployment HomeTenant and HomeObject are.
	Issuer     string
	Subject    string
	HomeTenant tenant.ID
	HomeObject uuid.UUID
	// Address is the comparison key of the address that the evidence is about.
	Address  string
	Evidence Level
	// ListsInvited says that the home object has the invited address as a proxy
	// address on a domain verified there.
	ListsInvited bool
}

// IsZero reports that nobody has shown who they are.
func (i Identity) IsZero() bool { return i.Issuer == "" && i.HomeTenant.IsZero() }

// Need is what is still missing before an identity may be bound.
type Need int8

// The needs. The zero value refuses.
const (
	Refuse Need = iota
	Proof       // a code to the invited address
	Enough
)

// Require is the second table of INV-67. The keys are those of the invited
// address and of the guest's other mails. A ticket adds nothing to the
// evidence: it only decides whether the gap may be closed by a mailbox proof.
func Require(i Identity, keys []string, link Link) Need {
	if i.IsZero() || i.Evidence <= E0 {
		return Refuse
	}
	if i.Evidence >= E2 && (slices.Contains(keys, i.Address) || i.ListsInvited) {
		return Enough
	}
	if link == Ticketless {
		return Refuse
	}
	return Proof
}

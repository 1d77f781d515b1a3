package ticket

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// Class says who was given a ticket.
type Class int8

// The classes; the numbers are stored.
const (
	Mail Class = 1 // only ever in the body of the invitation mail
	API  Class = 2 // returned to the inviter as inviteRedeemUrl
)

// String is the name used in audit details.
func (c Class) String() string {
	switch c {
	case Mail:
		return "mail"
	case API:
		return "api"
	default:
		return "none"
	}
}

// Size is the number of random bytes of a ticket.
const Size = 32

// textLength is the number of base64url characters of a ticket.
const textLength = 43

// encoding is strict, so that one ticket has exactly one text.
var encoding = base64.RawURLEncoding.Strict()

// Ticket is the secret of a redeem link. It prints as a fixed word wherever
// it is formatted; Text alone gives the secret away.
type Ticket struct{ secret [Size]byte }

// New draws a ticket from random, which must be a cryptographic source.
func New(random io.Reader) (Ticket, error) {
	var t Ticket
	if _, err := io.ReadFull(random, t.secret[:]); err != nil {
		return Ticket{}, fmt.Errorf("draw ticket: %w", err)
	}
	return t, nil
}

// Parse reads the text of a ticket. Anything but the one canonical spelling
// is refused: no padding, no blanks, no other trailing bits.
func Parse(text string) (Ticket, bool) {
	var t Ticket
	if len(text) != textLength {
		return Ticket{}, false
	}
	n, err := encoding.Decode(t.secret[:], []byte(text))
	if err != nil || n != Size {
		return Ticket{}, false
	}
	return t, true
}

// Text is the secret as it stands in a link.
func (t Ticket) Text() string { return encoding.EncodeToString(t.secret[:]) }

// String hides the secret from logs and error texts.
func (Ticket) String() string { return "[ticket]" }

// GoString hides the secret from %#v.
func (Ticket) GoString() string { return "[ticket]" }

// Sum is what is stored of a ticket.
type Sum [sha256.Size]byte

// Sum binds the ticket to one invitation.
func (t Ticket) Sum(invitation uuid.UUID) Sum {
	h := sha256.New()
	h.Write(t.secret[:])
	h.Write(invitation[:])
	return Sum(h.Sum(nil))
}

// Match is the index of the stored sum that belongs to the ticket, or -1. It
// looks at every sum, in time that depends on their number alone.
func Match(t Ticket, invitation uuid.UUID, stored []Sum) int {
	given := t.Sum(invitation)
	found := -1
	for i := range stored {
		hit := subtle.ConstantTimeCompare(given[:], stored[i][:])
		found = subtle.ConstantTimeSelect(hit, i, found)
	}
	return found
}

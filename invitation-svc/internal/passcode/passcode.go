package passcode

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Figures of INV-79 and of the settled design; a tenant may set the validity.
const (
	Digits          = 8
	DefaultValidity = 10 * time.Minute
	MaxValidity     = 30 * time.Minute
	Tries           = 5
	ResendAfter     = 60 * time.Second
)

// space is the number of different codes.
const space = 100_000_000

// Purpose keeps codes of different acts apart: a code asked for one is wrong
// for the other (INV-68).
type Purpose int8

// The purposes; the numbers are stored and part of what is signed.
const (
	SignIn Purpose = 1 // proves who redeems
	Proof  Purpose = 2 // proves the mailbox beside an identity of another kind
)

// Code is a passcode in clear. It prints as a fixed word; Text alone gives it
// away.
type Code struct{ value uint32 }

// New draws a code, every one of the space with equal probability.
func New(random io.Reader) (Code, error) {
	var b [4]byte
	// The largest multiple of space that fits; values above are drawn again,
	// else small codes would be likelier.
	const limit = (1 << 32) / space * space
	for {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return Code{}, fmt.Errorf("draw passcode: %w", err)
		}
		if v := binary.BigEndian.Uint32(b[:]); uint64(v) < limit {
			return Code{value: v % space}, nil
		}
	}
}

// Parse reads what a person typed. Blanks and dashes are ignored; exactly
// eight ASCII digits must remain.
func Parse(typed string) (Code, bool) {
	if len(typed) > 64 {
		return Code{}, false
	}
	var v uint32
	n := 0
	for _, r := range typed {
		switch {
		case r >= '0' && r <= '9':
			if n++; n > Digits {
				return Code{}, false
			}
			v = v*10 + uint32(r-'0')
		case r == ' ' || r == '-':
		default:
			return Code{}, false
		}
	}
	return Code{value: v}, n == Digits
}

// Text is the code with its leading zeros, as it stands in the mail.
func (c Code) Text() string { return fmt.Sprintf("%0*d", Digits, c.value) }

// String hides the code from logs and error texts.
func (Code) String() string { return "[passcode]" }

// GoString hides the code from %#v.
func (Code) GoString() string { return "[passcode]" }

// Scope is what a code is good for: one flow, one address, one purpose.
type Scope struct {
	Flow    [16]byte
	Address string // comparison key of the address, not as typed
	Purpose Purpose
}

// MAC is what is stored of a code: HMAC-SHA-256 under the server's key over
// the code and its scope, each part with its length.
func MAC(key []byte, c Code, s Scope) [sha256.Size]byte {
	h := hmac.New(sha256.New, key)
	part := func(b []byte) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte("entente passcode v1"))
	part([]byte(c.Text()))
	part(s.Flow[:])
	part([]byte(s.Address))
	part([]byte{byte(s.Purpose)})
	return [sha256.Size]byte(h.Sum(nil))
}

// Stored is a code as the store keeps it.
type Stored struct {
	MAC       [sha256.Size]byte
	ExpiresAt time.Time
	Tries     int // wrong and right ones, counted before they are looked at
	UsedAt    time.Time
}

// Open reports whether one more try may be looked at.
func (s Stored) Open(now time.Time) bool {
	return s.UsedAt.IsZero() && s.Tries < Tries && now.Before(s.ExpiresAt)
}

// Right compares in constant time.
func (s Stored) Right(key []byte, c Code, scope Scope) bool {
	given := MAC(key, c, scope)
	return hmac.Equal(given[:], s.MAC[:])
}

// Validity clamps a tenant's setting to what is allowed; zero is the default.
func Validity(set time.Duration) time.Duration {
	switch {
	case set <= 0:
		return DefaultValidity
	case set > MaxValidity:
		return MaxValidity
	default:
		return set
	}
}

package password

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/big"

	"golang.org/x/crypto/argon2"
)

// Scheme says how a verifier was made. The numbers are stored.
type Scheme int16

// The schemes.
const (
	Keyed    Scheme = 1
	Hardened Scheme = 2
)

// Parameters of argon2id (security ground rules: m ≥ 19 MiB, t ≥ 2, p = 1).
const (
	memoryKiB  = 19 * 1024
	passes     = 2
	lanes      = 1
	saltLength = 16
	macLength  = sha256.Size
)

var errVerifier = errors.New("malformed password verifier")

// Verifiers makes and checks verifiers. At most two memory-hard computations
// run at a time; others wait. It is safe for concurrent use.
type Verifiers struct {
	key   []byte
	slots chan struct{}
}

// NewVerifiers uses a key that is kept outside of the database.
func NewVerifiers(key []byte) *Verifiers { return &Verifiers{key: key, slots: make(chan struct{}, 2)} }

// Key makes a keyed verifier: salt and MAC.
func (v *Verifiers) Key(password string) []byte {
	out := make([]byte, saltLength, saltLength+macLength)
	_, _ = rand.Read(out) // never fails
	return v.mac(out, password)
}

func (v *Verifiers) mac(salt []byte, password string) []byte {
	h := hmac.New(sha256.New, v.key)
	h.Write(salt)
	h.Write([]byte(password))
	return h.Sum(salt)
}

// Fingerprint tells wrong passwords of one user apart, without saying what
// they are.
func (v *Verifiers) Fingerprint(user, password string) []byte {
	h := hmac.New(sha256.New, v.key)
	h.Write([]byte("wrong\x00" + user + "\x00" + password))
	return h.Sum(nil)[:16]
}

// Nobody is the verifier of a password that nobody has, for names that nobody
// has: checking against it takes as long as against a real one.
func (v *Verifiers) Nobody() []byte {
	out := make([]byte, 8+2*saltLength+macLength)
	binary.BigEndian.PutUint32(out, passes)
	binary.BigEndian.PutUint32(out[4:], memoryKiB)
	return out
}

// Harden lifts a keyed verifier to argon2id. The layout is: passes and memory
// (4 bytes each), second salt, first salt, hash.
func (v *Verifiers) Harden(keyed []byte) ([]byte, error) {
	if len(keyed) != saltLength+macLength {
		return nil, errVerifier
	}
	out := make([]byte, 8, 8+2*saltLength+macLength)
	binary.BigEndian.PutUint32(out, passes)
	binary.BigEndian.PutUint32(out[4:], memoryKiB)
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt)
	out = append(append(out, salt...), keyed[:saltLength]...)
	v.slots <- struct{}{}
	defer func() { <-v.slots }()
	return append(out, argon2.IDKey(keyed[saltLength:], salt, passes, memoryKiB, lanes, macLength)...), nil
}

// Verify reports whether password is the one the verifier was made from.
func (v *Verifiers) Verify(scheme Scheme, verifier []byte, password string) bool {
	switch {
	case scheme == Keyed && len(verifier) == saltLength+macLength:
		return hmac.Equal(v.mac(verifier[:saltLength:saltLength], password), verifier)
	case scheme == Hardened && len(verifier) == 8+2*saltLength+macLength:
		t, m := binary.BigEndian.Uint32(verifier), binary.BigEndian.Uint32(verifier[4:])
		salt, first, want := verifier[8:8+saltLength], verifier[8+saltLength:8+2*saltLength], verifier[8+2*saltLength:]
		keyed := v.mac(append([]byte{}, first...), password)
		v.slots <- struct{}{}
		defer func() { <-v.slots }()
		got := argon2.IDKey(keyed[saltLength:], salt, t, m, lanes, macLength)
		return subtle.ConstantTimeCompare(got, want) == 1
	}
	return false
}

const (
	generatedLength = 16
	alphabet        = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789@#%^&*-_!+="
)

// Generate makes a password of 16 characters with all four classes and no
// letters that are easily confused (DIR-78).
func Generate() string {
	out := make([]byte, generatedLength)
	for {
		for i := range out {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
			if err != nil {
				panic(err) // the system has no randomness
			}
			out[i] = alphabet[n.Int64()]
		}
		if classes, _ := classesOf(string(out)); classes == 4 && Check(string(out), Context{}) == nil {
			return string(out)
		}
	}
}

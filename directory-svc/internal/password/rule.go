package password

import (
	_ "embed"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/address"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

const (
	minLength = 8
	maxLength = 256
	symbols   = " @#$%^&*-_!+=[]{}|\\:',.?/`~\"();<>"
	minScore  = 5
	minName   = 4
)

// Codes of refusals, details[].code of DIR-87.
const (
	tooShort         = "PasswordTooShort"
	tooLong          = "PasswordTooLong"
	invalidCharacter = "PasswordInvalidCharacter"
	tooWeak          = "PasswordTooWeak"
	banned           = "PasswordBanned"
)

// Context is what a password is judged against.
type Context struct {
	// WaiveStrength waives the character classes (DisableStrongPassword).
	WaiveStrength bool
	// Names are the user's given name and surname and the tenant's name.
	Names []string
	// Banned are the terms of the tenant.
	Banned []string
}

//go:embed banned.txt
var shipped string

var shippedTerms = normalizeAll(strings.Fields(shipped))

func normalizeAll(terms []string) []string {
	out := make([]string, len(terms))
	for i, t := range terms {
		out[i] = normalize(t)
	}
	return out
}

// Check refuses a password that breaks a rule (DIR-85 to DIR-89).
func Check(password string, in Context) error {
	var code string
	switch classes, ok := classesOf(password); {
	case len(password) < minLength:
		code = tooShort
	case len(password) > maxLength:
		code = tooLong
	case !ok:
		code = invalidCharacter
	case classes < 3 && !in.WaiveStrength:
		code = tooWeak
	case isBanned(password, in):
		code = banned
	default:
		return nil
	}
	const text = "The specified password does not comply with password complexity requirements. Please provide a different password."
	return fault.Invalid(errorspb.Reason_PASSWORD_REFUSED, text).WithMeta("property", "passwordProfile").WithMeta("code", code).
		WithViolation("passwordProfile", text, code)
}

func classesOf(password string) (n int, ok bool) {
	var lower, upper, digit, symbol int
	for _, r := range password {
		switch {
		case r >= 'a' && r <= 'z':
			lower = 1
		case r >= 'A' && r <= 'Z':
			upper = 1
		case r >= '0' && r <= '9':
			digit = 1
		case r < 0x80 && strings.IndexByte(symbols, byte(r)) >= 0:
			symbol = 1
		default:
			return 0, false
		}
	}
	return lower + upper + digit + symbol, true
}

var look = strings.NewReplacer("0", "o", "1", "l", "$", "s", "@", "a")

// normalize is the form that banned terms are looked for in.
func normalize(s string) string { return look.Replace(address.Fold(s)) }

func isBanned(password string, in Context) bool {
	plain := normalize(password)
	terms := shippedTerms
	if len(in.Banned) > 0 {
		terms = append(slices.Clip(terms), normalizeAll(in.Banned)...)
	}
	for _, term := range terms {
		if nearly(plain, term) {
			return true
		}
	}
	for _, name := range in.Names {
		if n := normalize(name); len(n) >= minName && strings.Contains(plain, n) {
			return true
		}
	}
	return score(plain, terms) < minScore
}

// score is the least number of parts that password falls into, a part being a
// banned term or a single character.
func score(password string, terms []string) int {
	best := make([]int, len(password)+1)
	for i := 1; i <= len(password); i++ {
		best[i] = best[i-1] + 1
		for _, term := range terms {
			if term != "" && strings.HasSuffix(password[:i], term) {
				best[i] = min(best[i], best[i-len(term)]+1)
			}
		}
	}
	return best[len(password)]
}

// nearly reports an edit distance of at most one.
func nearly(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(a)-len(b) > 1 {
		return false
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i == len(a) || a[i+1:] == b[i+1:]
	}
	return a[i+1:] == b[i:]
}

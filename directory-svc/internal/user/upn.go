package user

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/property"
)

const resource = "User"

// ExternalMark separates the home address from the tenant in the name of an
// invited user.
const ExternalMark = "#EXT#"

// CheckName decides whether upn may name a user: its form (DIR-35) and that
// its domain is one of the tenant's verified domains.
func CheckName(upn string, owns func(domain string) bool) error {
	local, domain, ok := address.Split(upn)
	if !ok || len(upn) > 113 || len(local) > 64 || len(domain) > 48 || local[len(local)-1] == '.' || !nameLocal(local) {
		return property.Refused("userPrincipalName", "Property userPrincipalName is invalid.")
	}
	if !owns(domain) {
		return property.Refused("userPrincipalName",
			"The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.")
	}
	return nil
}

func nameLocal(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("'.-_!#^~", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// Limits of the name of an invited user (DIR-59).
const (
	maxLocal    = 64
	keptOfLong  = 40
	hashDigits  = 16
	clashDigits = 8
)

// ExternalName makes the userPrincipalName of an external user from the
// invited address, or from the home name under synchronization (DIR-59).
func ExternalName(from, initialDomain string) string {
	return externalLocal(from, "") + ExternalMark + "@" + initialDomain
}

// ExternalNameOnClash is ExternalName when a live user has that name: eight
// hexadecimal digits, random ones from the caller, tell the two apart.
func ExternalNameOnClash(from, initialDomain string, random [clashDigits / 2]byte) string {
	return externalLocal(from, "_"+hex.EncodeToString(random[:])) + ExternalMark + "@" + initialDomain
}

func externalLocal(from, suffix string) string {
	local := make([]byte, 0, len(from)+len(suffix))
	for _, r := range from {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			local = append(local, byte(r))
		default:
			local = append(local, '_')
		}
	}
	if len(local)+len(suffix)+len(ExternalMark) > maxLocal {
		// 40 + 1 + 16 leaves room for the mark, not for a clash suffix as well:
		// there the hash already covers the address, so it makes way.
		sum := sha256.Sum256([]byte(from))
		hash := hex.EncodeToString(sum[:])[:hashDigits]
		if suffix != "" {
			hash, suffix = hash[:clashDigits-2], suffix[:1+clashDigits]
		}
		local = append(local[:min(keptOfLong, len(local))], '_')
		local = append(local, hash...)
	}
	return string(append(local, suffix...))
}

// Nickname is the mailNickname of an external user: the name before the at
// sign (DIR-60).
func Nickname(upn string) string {
	local, _, _ := strings.Cut(upn, "@")
	return local
}

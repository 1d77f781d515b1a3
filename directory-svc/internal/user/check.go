package user

import (
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
)

// Limits of DIR-35 that are no text lengths.
const (
	maxDisplayName   = 256
	maxOtherMails    = 250
	maxOtherMail     = 250
	maxPhone         = 64
	maxOrgData       = 64
	maxExtension     = 1024
	maxBusinessPhone = 1
)

// Check decides whether the values of u are within the rules of DIR-35. It
// does not look at the name's domain, which only matters when it is set.
func Check(u *User) error {
	if u.DisplayName == "" || property.TooLong(u.DisplayName, maxDisplayName) || property.Padded(u.DisplayName) {
		return property.Invalid(resource, "displayName")
	}
	for i := range Texts {
		t := &Texts[i]
		if v := *t.Of(u); v != nil && (*v == "" || property.TooLong(*v, t.Limit) || property.Padded(*v)) {
			return property.Invalid(resource, t.Name)
		}
	}
	for _, check := range []func(*User) string{badNickname, badMail, badOtherMails, badPhones, badLocation, badAge, badPolicies, badNested, badType} {
		if name := check(u); name != "" {
			return property.Invalid(resource, name)
		}
	}
	return nil
}

// The checks below answer the name of the property that is wrong, or nothing.

func badNickname(u *User) string {
	if u.MailNickname != nil && !IsNickname(*u.MailNickname) {
		return "mailNickname"
	}
	return ""
}

// IsNickname reports whether s may be the mailNickname of a user or group:
// printable ASCII without the characters that mail syntax needs.
func IsNickname(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`@()\[]";:<>,`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func badMail(u *User) string {
	if u.Mail != nil && !address.IsMail(*u.Mail) {
		return "mail"
	}
	return ""
}

func badOtherMails(u *User) string {
	if len(u.OtherMails) > maxOtherMails {
		return "otherMails"
	}
	for _, m := range u.OtherMails {
		if len(m) > maxOtherMail || !address.IsMail(m) {
			return "otherMails"
		}
	}
	return ""
}

func badPhones(u *User) string {
	if len(u.BusinessPhones) > maxBusinessPhone {
		return "businessPhones"
	}
	for _, p := range u.BusinessPhones {
		if p == "" || property.TooLong(p, maxPhone) {
			return "businessPhones"
		}
	}
	return ""
}

func badLocation(u *User) string {
	if u.UsageLocation != nil && !organization.IsCountry(*u.UsageLocation) {
		return "usageLocation"
	}
	if u.PreferredLanguage != nil && !organization.IsLanguage(*u.PreferredLanguage) {
		return "preferredLanguage"
	}
	return ""
}

func badAge(u *User) string {
	if u.AgeGroup != nil && !slices.Contains([]string{"Minor", "NotAdult", "Adult"}, *u.AgeGroup) {
		return "ageGroup"
	}
	if c := u.ConsentProvidedForMinor; c != nil {
		minor := u.AgeGroup != nil && *u.AgeGroup == "Minor"
		if !slices.Contains([]string{"Granted", "Denied", "NotRequired"}, *c) || *c != "NotRequired" && !minor {
			return "consentProvidedForMinor"
		}
	}
	return ""
}

// Policies of passwordPolicies.
const (
	DisableStrongPassword     = "DisableStrongPassword"
	DisablePasswordExpiration = "DisablePasswordExpiration"
)

func badPolicies(u *User) string {
	if u.PasswordPolicies == nil {
		return ""
	}
	for policy := range strings.SplitSeq(*u.PasswordPolicies, ",") {
		switch strings.TrimSpace(policy) {
		case "None", DisableStrongPassword, DisablePasswordExpiration:
		default:
			return "passwordPolicies"
		}
	}
	return ""
}

// HasPolicy reports whether passwordPolicies names policy; order and blanks
// do not matter.
func (u *User) HasPolicy(policy string) bool {
	if u.PasswordPolicies == nil {
		return false
	}
	for p := range strings.SplitSeq(*u.PasswordPolicies, ",") {
		if strings.TrimSpace(p) == policy {
			return true
		}
	}
	return false
}

func badNested(u *User) string {
	for _, v := range []*string{u.CostCenter, u.Division} {
		if v != nil && (*v == "" || property.TooLong(*v, maxOrgData)) {
			return "employeeOrgData"
		}
	}
	for _, v := range u.ExtensionAttributes {
		if v != nil && (*v == "" || property.TooLong(*v, maxExtension)) {
			return "onPremisesExtensionAttributes"
		}
	}
	return ""
}

func badType(u *User) string {
	if u.Type != Member && u.Type != Guest {
		return "userType"
	}
	return ""
}

package job

import (
	"encoding/json"
	"maps"
	"net/mail"
	"slices"
	"sort"
	"strconv"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"

	"entente.dev/sync-svc/internal/plan"
)

// Setting is one key and value of a configuration, a `secret` on the wire.
type Setting struct{ Key, Value string }

// Keys with a meaning for this connector.
const (
	KeyAuthenticationType = "AuthenticationType"
	KeyCompanyID          = "CompanyId"
	KeySyncAll            = "SyncAll"
	KeyNotifications      = "SyncNotificationSettings"
	KeySkipOutOfScope     = "SkipOutOfScopeDeletions"
	KeyHardDeletes        = "HardDeletesEnabled"
	// SyncPolicy is the one authentication type of this connector.
	SyncPolicy = "SyncPolicy"
)

// Names of job settings with a meaning for this connector (SYN-42).
const (
	NameDeprovisionDisabled   = "entente.deprovisionDisabled"
	NameIncludeInternalGuests = "entente.includeInternalGuests"
	NameAdoptPending          = "entente.adoptPending"
	NameMinFailures           = "entente.minFailures"
)

// names lists the job settings there are; the first two are Graph's, kept and
// shown without effect.
var names = []string{"AzureIngestionAttributeOptimization", "LookaheadQueryEnabled",
	NameDeprovisionDisabled, NameIncludeInternalGuests, NameAdoptPending, NameMinFailures}

// MaxSettings bounds all settings of one configuration together, and those of
// one job.
const MaxSettings = 64 << 10

// known lists the keys Graph has; the value says whether it is a credential,
// which is never read back.
var known = map[string]bool{
	"None": false, "UserName": false, "Password": true, "SecretToken": true, "AppKey": true, "BaseAddress": false, "ClientIdentifier": false,
	"ClientSecret": true, "SingleSignOnType": false, "Sandbox": false, "Url": false, "Domain": false, "ConsumerKey": false, "ConsumerSecret": true,
	"TokenKey": true, "TokenExpiration": false, "Oauth2AccessToken": true, "Oauth2AccessTokenCreationTime": false, "Oauth2RefreshToken": true,
	"SyncAll": false, "InstanceName": false, "Oauth2ClientId": false, "Oauth2ClientSecret": true, "CompanyId": false, "UpdateKeyOnSoftDelete": false,
	"SynchronizationSchedule": false, "SystemOfRecord": false, "SandboxName": false, "EnforceDomain": false, "SyncNotificationSettings": false,
	"SkipOutOfScopeDeletions": false, "Oauth2AuthorizationCode": true, "Oauth2RedirectUri": false, "ApplicationTemplateIdentifier": false,
	"Oauth2TokenExchangeUri": false, "Oauth2AuthorizationUri": false, "AuthenticationType": false, "Server": false,
	"PerformInboundEntitlementGrants": false, "HardDeletesEnabled": false, "SyncAgentCompatibilityKey": false, "SyncAgentADContainer": false,
	"ValidateDomain": false, "TestReferences": false, "ConnectionString": true,
}

// Hidden stands for a stored credential on the wire.
const Hidden = "*"

// IsCredential reports whether values of the key are never shown.
func IsCredential(key string) bool { return known[key] }

// Merge replaces the stored settings by what a client sent (SYN-27): an empty
// value removes a key, a credential sent as `*` stays.
func Merge(stored map[string]string, sent []Setting) (map[string]string, error) {
	merged := make(map[string]string, len(sent))
	seen := map[string]bool{}
	size := 0
	for _, s := range sent {
		key := canonical(s.Key)
		if key == "" {
			return nil, invalid("The synchronization secret '%s' is not known.", s.Key)
		}
		if seen[key] {
			return nil, invalid("The synchronization secret '%s' is given twice.", key)
		}
		seen[key] = true
		value := s.Value
		if IsCredential(key) && value == Hidden {
			value = stored[key]
		}
		if value == "" {
			continue
		}
		if size += len(key) + len(value); size > MaxSettings {
			return nil, invalid("The synchronization secrets exceed 64 KiB.")
		}
		if err := check(key, value); err != nil {
			return nil, err
		}
		merged[key] = value
	}
	return merged, nil
}

// MergeSettings adds sent job settings to the stored ones, by name (SYN-17).
// Stored ones whose name has no meaning fall away.
func MergeSettings(stored map[string]string, sent []Setting) (map[string]string, error) {
	merged := maps.Clone(stored)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.DeleteFunc(merged, func(name, _ string) bool { return !slices.Contains(names, name) })
	for _, s := range sent {
		i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, s.Key) })
		if i < 0 {
			return nil, invalid("The synchronization job setting '%s' is not known.", clip(s.Key))
		}
		if err := checkSetting(names[i], s.Value); err != nil {
			return nil, err
		}
		merged[names[i]] = s.Value
	}
	size := 0
	for name, value := range merged {
		size += len(name) + len(value)
	}
	if size > MaxSettings {
		return nil, invalid("The synchronization job settings exceed 64 KiB.")
	}
	return merged, nil
}

func checkSetting(name, value string) error {
	switch name {
	case NameDeprovisionDisabled, NameIncludeInternalGuests, NameAdoptPending:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return invalid("The synchronization job setting '%s' must be True or False.", name)
		}
	case NameMinFailures:
		if _, err := strconv.ParseUint(value, 10, 31); err != nil {
			return invalid("The synchronization job setting '%s' must be a whole number.", name)
		}
	}
	return nil
}

// clip shortens what a client sent for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100])
	}
	return s
}

// canonical is the key as Graph writes it, "" when there is none.
func canonical(key string) string {
	if _, ok := known[key]; ok {
		return key
	}
	for k := range known {
		if strings.EqualFold(k, key) {
			return k
		}
	}
	return ""
}

func check(key, value string) error {
	switch key {
	case KeySyncAll, KeySkipOutOfScope, KeyHardDeletes:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return invalid("The synchronization secret '%s' must be true or false.", key)
		}
	case KeyCompanyID:
		if _, err := tenant.Parse(value); err != nil {
			return invalid("The synchronization secret 'CompanyId' must be the id of a tenant.")
		}
	case KeyNotifications:
		return checkNotifications(value)
	}
	return nil
}

// notifications is the document inside SyncNotificationSettings; members it
// does not know are kept in the stored text.
type notifications struct {
	Enabled                *bool
	Recipients             string
	DeleteThresholdEnabled *bool
	DeleteThresholdValue   *int
}

func checkNotifications(value string) error {
	var n notifications
	if err := json.Unmarshal([]byte(value), &n); err != nil {
		return invalid("The synchronization secret 'SyncNotificationSettings' must be a JSON document.")
	}
	if n.DeleteThresholdValue != nil && (*n.DeleteThresholdValue < 1 || *n.DeleteThresholdValue > 100_000) {
		return invalid("DeleteThresholdValue must be between 1 and 100000.")
	}
	recipients := strings.FieldsFunc(n.Recipients, func(c rune) bool { return c == ';' || c == ',' })
	if len(recipients) > 10 {
		return invalid("At most 10 recipients are allowed.")
	}
	for _, r := range recipients {
		if _, err := mail.ParseAddress(strings.TrimSpace(r)); err != nil {
			return invalid("A recipient of notifications is no mail address.")
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_INVALID_REQUEST, format, args...)
}

// Shown lists settings as a client may read them, by key.
func Shown(stored map[string]string) []Setting {
	list := make([]Setting, 0, len(stored))
	for k, v := range stored {
		if IsCredential(k) {
			v = Hidden
		}
		list = append(list, Setting{k, v})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Key < list[j].Key })
	return list
}

// Meaning is what the settings of configuration and job say.
type Meaning struct {
	Authentication          string
	Target                  tenant.ID
	SyncAll                 bool
	SkipOutOfScopeDeletions bool
	HardDeletes             bool
	Guard                   plan.Guard
	NotificationsEnabled    bool
	DeprovisionDisabled     bool
	IncludeInternalGuests   bool
	AdoptPending            bool
	MinFailures             int64
}

// Read interprets stored settings; unset ones have their defaults.
func Read(secrets, settings map[string]string) Meaning {
	yes := func(m map[string]string, key string, otherwise bool) bool {
		if v, ok := m[key]; ok {
			return strings.EqualFold(v, "true")
		}
		return otherwise
	}
	m := Meaning{
		Authentication:          secrets[KeyAuthenticationType],
		SyncAll:                 yes(secrets, KeySyncAll, false),
		SkipOutOfScopeDeletions: yes(secrets, KeySkipOutOfScope, false),
		HardDeletes:             yes(secrets, KeyHardDeletes, false),
		Guard:                   plan.Guard{Enabled: true},
		DeprovisionDisabled:     yes(settings, NameDeprovisionDisabled, true),
		IncludeInternalGuests:   yes(settings, NameIncludeInternalGuests, false),
		AdoptPending:            yes(settings, NameAdoptPending, true),
	}
	if id, err := tenant.Parse(secrets[KeyCompanyID]); err == nil {
		m.Target = id
	}
	var n notifications
	if err := json.Unmarshal([]byte(secrets[KeyNotifications]), &n); err == nil {
		if n.DeleteThresholdEnabled != nil {
			m.Guard.Enabled = *n.DeleteThresholdEnabled
		}
		if n.DeleteThresholdValue != nil {
			m.Guard.Threshold = *n.DeleteThresholdValue
		}
		m.NotificationsEnabled = n.Enabled != nil && *n.Enabled
	}
	if v := settings[NameMinFailures]; v != "" {
		for _, c := range v {
			if c < '0' || c > '9' || m.MinFailures > 1<<40 {
				m.MinFailures = 0
				break
			}
			m.MinFailures = m.MinFailures*10 + int64(c-'0')
		}
	}
	return m
}

// NeedsInitial reports whether a change of settings demands an initial cycle
// (SYN-162).
func NeedsInitial(before, after Meaning) bool {
	return before.SyncAll != after.SyncAll || before.Target != after.Target
}

package store

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/odata"
)

// userColumn ties one column of users to the properties it stands for. arg
// gives the value to store, nil for null; dest gives where to scan it to.
type userColumn struct {
	name       string
	properties []string // in Graph's spelling; none for hidden columns
	arg        func(*user.User) any
	dest       func(*userScan) any
	fixed      bool // never updated
	written    bool // never read
}

// userScan receives columns whose stored form is not the domain's.
type userScan struct {
	u           user.User
	proxies     []string
	identities  []byte
	alternative *string
	extensions  []*string
	// Enumerations whose zero is stored as null, so that filters see it so.
	origin, state *int16
}

// identityRow is one element of the identities column.
type identityRow struct {
	Type   int16  `json:"type"`
	Issuer string `json:"issuer"`
	ID     string `json:"id,omitempty"`
}

func text(name string, of func(*user.User) **string, properties ...string) userColumn {
	return userColumn{
		name: name, properties: properties,
		arg: func(u *user.User) any {
			if v := *of(u); v != nil {
				return *v
			}
			return nil
		},
		dest: func(s *userScan) any { return textInto{of(&s.u)} },
	}
}

// key is the column beside a text column that filters compare.
func key(name string, of func(*user.User) **string) userColumn {
	return userColumn{name: name + "_key", written: true, arg: func(u *user.User) any {
		if v := *of(u); v != nil {
			return odata.Fold(*v)
		}
		return nil
	}}
}

func moment(name string, of func(*user.User) **time.Time, properties ...string) userColumn {
	return userColumn{
		name: name, properties: properties,
		arg: func(u *user.User) any {
			if v := *of(u); v != nil {
				return *v
			}
			return nil
		},
		dest: func(s *userScan) any { return timeInto{of(&s.u)} },
	}
}

func truth(name string, of func(*user.User) *bool, properties ...string) userColumn {
	return userColumn{
		name: name, properties: properties,
		arg:  func(u *user.User) any { return *of(u) },
		dest: func(s *userScan) any { return of(&s.u) },
	}
}

func maybe(name string, of func(*user.User) **bool, properties ...string) userColumn {
	return userColumn{
		name: name, properties: properties,
		arg: func(u *user.User) any {
			if v := *of(u); v != nil {
				return *v
			}
			return nil
		},
		dest: func(s *userScan) any { return boolInto{of(&s.u)} },
	}
}

func texts(name string, of func(*user.User) *[]string, properties ...string) userColumn {
	return userColumn{
		name: name, properties: properties,
		arg: func(u *user.User) any {
			if v := *of(u); len(v) > 0 {
				return v
			}
			return nil
		},
		dest: func(s *userScan) any { return of(&s.u) },
	}
}

// userColumns are all columns of users but tenant_id and version, id first.
var userColumns = buildUserColumns()

func buildUserColumns() []userColumn {
	columns := []userColumn{
		{name: "id", properties: []string{"id", "securityIdentifier"}, fixed: true,
			arg: func(u *user.User) any { return [16]byte(u.ID) }, dest: func(s *userScan) any { return idInto{&s.u.ID} }},
		{name: "display_name", properties: []string{"displayName"},
			arg: func(u *user.User) any { return u.DisplayName }, dest: func(s *userScan) any { return &s.u.DisplayName }},
		{name: "user_principal_name", properties: []string{"userPrincipalName", "identities"},
			arg: func(u *user.User) any { return u.UserPrincipalName }, dest: func(s *userScan) any { return &s.u.UserPrincipalName }},
		{name: "display_name_words", written: true, arg: func(u *user.User) any { return odata.SearchTokens(u.DisplayName) }},
		{name: "display_name_key", written: true, arg: func(u *user.User) any { return odata.Fold(u.DisplayName) }},
		{name: "user_principal_name_key", written: true, arg: func(u *user.User) any { return odata.Fold(u.UserPrincipalName) }},
		truth("account_enabled", func(u *user.User) *bool { return &u.AccountEnabled }, "accountEnabled"),
	}
	for _, t := range user.Texts {
		names := []string{t.Name}
		if t.Name == "ageGroup" || t.Name == "consentProvidedForMinor" {
			names = append(names, "legalAgeGroupClassification")
		}
		columns = append(columns, text(t.Field, t.Of, names...), key(t.Field, t.Of))
	}
	columns = append(columns,
		texts("business_phones", func(u *user.User) *[]string { return &u.BusinessPhones }, "businessPhones"),
		texts("other_mails", func(u *user.User) *[]string { return &u.OtherMails }, "otherMails"),
		texts("im_addresses", func(u *user.User) *[]string { return &u.IMAddresses }, "imAddresses"),
		userColumn{name: "proxy_addresses", properties: []string{"proxyAddresses"}, arg: proxiesArg, dest: func(s *userScan) any { return &s.proxies }},
		userColumn{name: "identities", properties: []string{"identities"}, arg: identitiesArg, dest: func(s *userScan) any { return &s.identities }},
		userColumn{name: "alternative_security_id", dest: func(s *userScan) any { return textInto{&s.alternative} }, arg: func(u *user.User) any {
			if u.HomeKey.IsZero() {
				return nil
			}
			return u.HomeKey.String()
		}},
		userColumn{name: "user_type", properties: []string{"userType"},
			arg: func(u *user.User) any { return int16(u.Type) }, dest: func(s *userScan) any { return (*int16)(&s.u.Type) }},
		userColumn{name: "creation_type", properties: []string{"creationType"}, fixed: true,
			arg: func(u *user.User) any { return orNull(int16(u.Origin)) }, dest: func(s *userScan) any { return &s.origin }},
		userColumn{name: "external_user_state", properties: []string{"externalUserState"},
			arg: func(u *user.User) any { return orNull(int16(u.ExternalState)) }, dest: func(s *userScan) any { return &s.state }},
		moment("external_user_state_changed_at", func(u *user.User) **time.Time { return &u.ExternalStateChanged }, "externalUserStateChangeDateTime"),
		maybe("show_in_address_list", func(u *user.User) **bool { return &u.ShowInAddressList }, "showInAddressList"),
		moment("employee_hire_date", func(u *user.User) **time.Time { return &u.EmployeeHireDate }, "employeeHireDate"),
		moment("employee_leave_date_time", func(u *user.User) **time.Time { return &u.EmployeeLeaveDate }, "employeeLeaveDateTime"),
		text("cost_center", func(u *user.User) **string { return &u.CostCenter }, "employeeOrgData"),
		text("division", func(u *user.User) **string { return &u.Division }, "employeeOrgData"),
		userColumn{name: "extension_attributes", properties: []string{"onPremisesExtensionAttributes"}, arg: extensionsArg,
			dest: func(s *userScan) any { return &s.extensions }},
		maybe("on_premises_sync_enabled", func(u *user.User) **bool { return &u.OnPremises.SyncEnabled }, "onPremisesSyncEnabled"),
		text("on_premises_sam_account_name", func(u *user.User) **string { return &u.OnPremises.SamAccountName }, "onPremisesSamAccountName"),
		text("on_premises_distinguished_name", func(u *user.User) **string { return &u.OnPremises.DistinguishedName }, "onPremisesDistinguishedName"),
		text("on_premises_domain_name", func(u *user.User) **string { return &u.OnPremises.DomainName }, "onPremisesDomainName"),
		text("on_premises_security_identifier", func(u *user.User) **string { return &u.OnPremises.SecurityIdentifier }, "onPremisesSecurityIdentifier"),
		text("on_premises_user_principal_name", func(u *user.User) **string { return &u.OnPremises.UserPrincipalName }, "onPremisesUserPrincipalName"),
		moment("on_premises_last_sync_at", func(u *user.User) **time.Time { return &u.OnPremises.LastSync }, "onPremisesLastSyncDateTime"),
		userColumn{name: "created_at", properties: []string{"createdDateTime"}, fixed: true,
			arg: func(u *user.User) any { return u.Created }, dest: func(s *userScan) any { return &s.u.Created }},
		moment("deleted_at", func(u *user.User) **time.Time { return &u.Deleted }, "deletedDateTime"),
		moment("last_password_change_at", func(u *user.User) **time.Time { return &u.LastPasswordChange }, "lastPasswordChangeDateTime"),
		moment("sessions_valid_from", func(u *user.User) **time.Time { return &u.SessionsValidFrom }, "signInSessionsValidFromDateTime", "refreshTokensValidFromDateTime"),
		userColumn{name: "manager_id", properties: []string{"manager"}, arg: func(u *user.User) any { return idOf(u.ManagerID) }, dest: func(s *userScan) any { return optionalIDInto{&s.u.ManagerID} }},
		userColumn{name: "sponsor_ids", properties: []string{"sponsors"}, dest: func(s *userScan) any { return &s.u.Sponsors }, arg: func(u *user.User) any {
			if len(u.Sponsors) == 0 {
				return nil
			}
			return ids(u.Sponsors)
		}},
		moment("converted_to_internal_at", func(u *user.User) **time.Time { return &u.Converted }),
		text("invited_email", func(u *user.User) **string { return &u.InvitedEmail }),
		key("invited_email", func(u *user.User) **string { return &u.InvitedEmail }),
		text("invitation_id", func(u *user.User) **string { return &u.InvitationID }),
		text("redemption_id", func(u *user.User) **string { return &u.RedemptionID }),
		truth("never_mail_enabled", func(u *user.User) *bool { return &u.NeverMailEnabled }),
		text("sync_job_id", func(u *user.User) **string { return &u.SyncJob }),
		truth("sync_deleted", func(u *user.User) *bool { return &u.SyncDeleted }),
		userColumn{name: "management_restricted", properties: []string{"isManagementRestricted"}, fixed: true,
			arg: func(*user.User) any { return false }, dest: func(s *userScan) any { return &s.u.Restricted }},
		userColumn{name: hasPassword, fixed: true, arg: func(*user.User) any { return nil }, dest: func(s *userScan) any { return &s.u.HasPassword }},
		userColumn{name: "version", fixed: true, arg: func(*user.User) any { return int64(1) }, dest: func(s *userScan) any { return &s.u.Version }},
	)
	return columns
}

func orNull(n int16) any {
	if n == 0 {
		return nil
	}
	return n
}

func proxiesArg(u *user.User) any {
	if len(u.Proxies) == 0 {
		return nil
	}
	out := make([]string, len(u.Proxies))
	for i, p := range u.Proxies {
		out[i] = p.String()
	}
	return out
}

func identitiesArg(u *user.User) any {
	if len(u.Identities) == 0 {
		return nil
	}
	rows := make([]identityRow, len(u.Identities))
	for i, id := range u.Identities {
		rows[i] = identityRow{int16(id.Type), id.Issuer, id.AssignedID}
	}
	out, err := json.Marshal(rows)
	if err != nil {
		panic(err) // three plain fields always marshal
	}
	return string(out)
}

func extensionsArg(u *user.User) any {
	if u.ExtensionAttributes == [15]*string{} {
		return nil
	}
	return u.ExtensionAttributes[:]
}

// finish brings scanned columns into the domain's form.
func (s *userScan) finish() (*user.User, error) {
	for _, p := range s.proxies {
		kind, addr, _ := strings.Cut(p, ":")
		s.u.Proxies = append(s.u.Proxies, address.Proxy{Kind: strings.ToLower(kind), Address: addr, Primary: kind == "SMTP"})
	}
	if len(s.identities) > 0 {
		var rows []identityRow
		if err := json.Unmarshal(s.identities, &rows); err != nil {
			return nil, err
		}
		for _, r := range rows {
			s.u.Identities = append(s.u.Identities, identity.Identity{Type: identity.Type(r.Type), Issuer: r.Issuer, AssignedID: r.ID})
		}
	}
	if s.alternative != nil {
		s.u.HomeKey = identity.ParseHomeKey(*s.alternative)
	}
	if s.origin != nil {
		s.u.Origin = user.Origin(*s.origin)
	}
	if s.state != nil {
		s.u.ExternalState = user.ExternalState(*s.state)
	}
	copy(s.u.ExtensionAttributes[:], s.extensions)
	return &s.u, nil
}

// hasPassword stands for a column that is never read itself.
const hasPassword = "has_password"

// userSelection is a list of columns to read.
type userSelection struct {
	sql     string
	columns []userColumn
}

func selectUsers(columns []userColumn) userSelection {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = "users." + c.name
		if c.name == hasPassword {
			names[i] = "users.password_verifier is not null"
		}
	}
	return userSelection{strings.Join(names, ", "), columns}
}

// wholeUser is everything that is read of a user.
var wholeUser = selectUsers(slices.DeleteFunc(slices.Clone(userColumns), func(c userColumn) bool { return c.written }))

// userProperties selects the columns behind properties, and those every
// reader needs.
func userProperties(properties []string) userSelection {
	if len(properties) == 0 {
		return wholeUser
	}
	var columns []userColumn
	for _, c := range userColumns {
		if c.name == "id" || c.name == "user_principal_name" || c.name == "display_name" || c.name == "deleted_at" ||
			slices.ContainsFunc(c.properties, func(p string) bool { return slices.Contains(properties, p) }) {
			columns = append(columns, c)
		}
	}
	return selectUsers(columns)
}

// scanner is a row of a result.
type scanner interface{ Scan(dest ...any) error }

// scan reads a row; further columns, if any, go to more.
func (sel userSelection) scan(row scanner, more ...any) (*user.User, error) {
	s := &userScan{}
	dest := make([]any, len(sel.columns), len(sel.columns)+len(more))
	for i := range sel.columns {
		dest[i] = sel.columns[i].dest(s)
	}
	dest = append(dest, more...)
	if err := row.Scan(dest...); err != nil {
		return nil, err
	}
	return s.finish()
}

// Difference lists what distinguishes two states of a user: the properties in
// Graph's spelling, sorted, and behind them the columns.
type Difference struct {
	Properties []string
	columns    []userColumn
}

// Differ compares two states of a user.
func Differ(old, u *user.User) Difference {
	var d Difference
	for _, c := range userColumns {
		if c.fixed || reflect.DeepEqual(c.arg(old), c.arg(u)) {
			continue
		}
		d.columns = append(d.columns, c)
		if len(c.properties) > 0 {
			d.Properties = append(d.Properties, c.properties[0])
		}
	}
	d.Properties = sorted(d.Properties)
	return d
}

// Empty reports that nothing is to be written.
func (d Difference) Empty() bool { return len(d.columns) == 0 }

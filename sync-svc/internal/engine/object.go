package engine

import (
	"slices"
	"strconv"
	"strings"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/mapping"
)

// textField connects an attribute of the schema with a field of a user.
type textField struct {
	path string
	at   func(*directorypb.User) **string
}

var textFields = map[string]textField{
	"displayName":                  {"display_name", func(u *directorypb.User) **string { return &u.DisplayName }},
	"givenName":                    {"given_name", func(u *directorypb.User) **string { return &u.GivenName }},
	"surname":                      {"surname", func(u *directorypb.User) **string { return &u.Surname }},
	"jobTitle":                     {"job_title", func(u *directorypb.User) **string { return &u.JobTitle }},
	"department":                   {"department", func(u *directorypb.User) **string { return &u.Department }},
	"companyName":                  {"company_name", func(u *directorypb.User) **string { return &u.CompanyName }},
	"physicalDeliveryOfficeName":   {"office_location", func(u *directorypb.User) **string { return &u.OfficeLocation }},
	"streetAddress":                {"street_address", func(u *directorypb.User) **string { return &u.StreetAddress }},
	"city":                         {"city", func(u *directorypb.User) **string { return &u.City }},
	"state":                        {"state", func(u *directorypb.User) **string { return &u.State }},
	"postalCode":                   {"postal_code", func(u *directorypb.User) **string { return &u.PostalCode }},
	"country":                      {"country", func(u *directorypb.User) **string { return &u.Country }},
	"employeeId":                   {"employee_id", func(u *directorypb.User) **string { return &u.EmployeeId }},
	"employeeType":                 {"employee_type", func(u *directorypb.User) **string { return &u.EmployeeType }},
	"mailNickname":                 {"mail_nickname", func(u *directorypb.User) **string { return &u.MailNickname }},
	"preferredLanguage":            {"preferred_language", func(u *directorypb.User) **string { return &u.PreferredLanguage }},
	"mobile":                       {"mobile_phone", func(u *directorypb.User) **string { return &u.MobilePhone }},
	"facsimileTelephoneNumber":     {"fax_number", func(u *directorypb.User) **string { return &u.FaxNumber }},
	"usageLocation":                {"usage_location", func(u *directorypb.User) **string { return &u.UsageLocation }},
	"mail":                         {"mail", func(u *directorypb.User) **string { return &u.Mail }},
	"onPremisesSecurityIdentifier": {"on_premises_security_identifier", func(u *directorypb.User) **string { return &u.OnPremisesSecurityIdentifier }},
	"originalUserPrincipalName":    {"user_principal_name", func(u *directorypb.User) **string { return &u.UserPrincipalName }},
}

// user reads a user as an object of the schema, on either side.
type user struct {
	u       *directorypb.User
	manager string // id
	deleted bool
	// external makes the home key of a source user something other than None.
	external bool
}

func text(s *string) expression.Value {
	if s == nil {
		return expression.NullValue
	}
	return expression.TextValue(*s)
}

// Attribute implements expression.Object.
func (o user) Attribute(name string) expression.Value {
	if f, ok := textFields[name]; ok {
		return text(*f.at(o.u))
	}
	switch name {
	case "objectId", "netId":
		return expression.TextValue(o.u.GetId())
	case mapping.AttrHomeKey:
		if o.external {
			return expression.TextValue(o.u.GetId())
		}
		return expression.TextValue("None")
	case mapping.AttrSoftDeleted:
		return expression.BooleanValue(o.deleted)
	case mapping.AttrEnabled:
		return boolean(o.u.AccountEnabled)
	case "showInAddressList":
		return boolean(o.u.ShowInAddressList)
	case mapping.AttrManager:
		if o.manager == "" {
			return expression.NullValue
		}
		return expression.ReferenceValue(o.manager)
	case mapping.AttrUserType:
		if o.u.UserType == nil {
			return expression.NullValue
		}
		return expression.TextValue(o.u.GetUserType().String())
	case mapping.AttrUPN:
		return text(homeForm(o.u.UserPrincipalName))
	case "telephoneNumber":
		if len(o.u.GetBusinessPhones()) == 0 {
			return expression.NullValue
		}
		return expression.TextValue(o.u.GetBusinessPhones()[0])
	case "proxyAddresses":
		return expression.ListValue(o.u.GetProxyAddresses())
	case "otherMails":
		return expression.ListValue(o.u.GetOtherMails())
	case "employeeHireDate":
		if o.u.EmployeeHireDate == nil {
			return expression.NullValue
		}
		return expression.DateTimeValue(o.u.EmployeeHireDate.AsTime())
	}
	if i, ok := freeAttribute(name); ok {
		return text(*freeField(o.u, i))
	}
	if v := o.u.GetExtensions().GetFields()[name]; v != nil {
		return extensionValue(v)
	}
	return expression.NullValue
}

// homeForm undoes the sign-in name an external user has in a tenant, so that
// it reads as `alias@home` (SYN-81).
func homeForm(upn *string) *string {
	if upn == nil {
		return nil
	}
	alias, _, found := strings.Cut(*upn, "#EXT#")
	at := strings.LastIndexByte(alias, '_')
	if !found || at < 0 {
		return upn
	}
	home := alias[:at] + "@" + alias[at+1:]
	return &home
}

func boolean(b *bool) expression.Value {
	if b == nil {
		return expression.NullValue
	}
	return expression.BooleanValue(*b)
}

func freeAttribute(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "extensionAttribute")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 1 && i <= 15
}

func freeField(u *directorypb.User, i int) **string {
	a := u.OnPremisesExtensionAttributes
	if a == nil {
		a = &directorypb.OnPremisesExtensionAttributes{}
	}
	return [...]**string{&a.ExtensionAttribute1, &a.ExtensionAttribute2, &a.ExtensionAttribute3, &a.ExtensionAttribute4, &a.ExtensionAttribute5,
		&a.ExtensionAttribute6, &a.ExtensionAttribute7, &a.ExtensionAttribute8, &a.ExtensionAttribute9, &a.ExtensionAttribute10,
		&a.ExtensionAttribute11, &a.ExtensionAttribute12, &a.ExtensionAttribute13, &a.ExtensionAttribute14, &a.ExtensionAttribute15}[i-1]
}

func extensionValue(v *structpb.Value) expression.Value {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return expression.TextValue(k.StringValue)
	case *structpb.Value_BoolValue:
		return expression.BooleanValue(k.BoolValue)
	case *structpb.Value_NumberValue:
		return expression.DecimalValue(k.NumberValue)
	case *structpb.Value_ListValue:
		var list []string
		for _, e := range k.ListValue.GetValues() {
			list = append(list, extensionValue(e).String())
		}
		return expression.ListValue(list)
	}
	return expression.NullValue
}

// assign puts a write into the user that is sent, and returns the path of the
// field; an empty path means that the target has no such attribute.
func assign(u *directorypb.User, w mapping.Write) string {
	var value *string
	if !w.New.IsEmpty() {
		s := w.New.String()
		value = &s
	}
	if f, ok := textFields[w.Attribute]; ok {
		*f.at(u) = value
		return f.path
	}
	switch w.Attribute {
	case mapping.AttrEnabled:
		b := w.New.Bool()
		u.AccountEnabled = &b
		return "account_enabled"
	case "showInAddressList":
		if value != nil {
			b := w.New.Bool()
			u.ShowInAddressList = &b
		}
		return "show_in_address_list"
	case mapping.AttrUserType:
		t := directorypb.User_UserType(directorypb.User_UserType_value[w.New.String()])
		u.UserType = &t
		return "user_type"
	case "telephoneNumber":
		if value != nil {
			u.BusinessPhones = []string{*value}
		}
		return "business_phones"
	case "employeeHireDate":
		if t, ok := w.New.Time(); ok {
			u.EmployeeHireDate = timestamppb.New(t)
		}
		return "employee_hire_date"
	}
	if i, ok := freeAttribute(w.Attribute); ok {
		if u.OnPremisesExtensionAttributes == nil {
			u.OnPremisesExtensionAttributes = &directorypb.OnPremisesExtensionAttributes{}
		}
		*freeField(u, i) = value
		return "on_premises_extension_attributes.extension_attribute" + strconv.Itoa(i)
	}
	if strings.HasPrefix(w.Attribute, "extension_") {
		if u.Extensions == nil {
			u.Extensions = &structpb.Struct{Fields: map[string]*structpb.Value{}}
		}
		if value != nil {
			u.Extensions.Fields[w.Attribute] = extensionOf(w.New)
		}
		return "extensions." + w.Attribute
	}
	return ""
}

func extensionOf(v expression.Value) *structpb.Value {
	switch v.Kind() {
	case expression.Boolean:
		return structpb.NewBoolValue(v.Bool())
	case expression.Integer:
		n, _ := v.Int()
		return structpb.NewNumberValue(float64(n))
	}
	return structpb.NewStringValue(v.String())
}

// addresses lists where the source user can be reached, for the adoption of a
// pending invited user: mail, sign-in name, proxy addresses.
func addresses(u *directorypb.User) []string {
	var list []string
	add := func(s string) {
		s = strings.ToLower(strings.TrimSpace(s))
		if s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	add(u.GetMail())
	add(u.GetUserPrincipalName())
	for _, p := range u.GetProxyAddresses() {
		if len(p) > 5 && strings.EqualFold(p[:5], "smtp:") {
			add(p[5:])
		}
	}
	return list
}

// domain is the part of an address after the at sign, in lower case.
func domain(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

package user

// Text is one property of a user that is free text with a limit. The table
// serves validation, the conversion from the wire and the columns alike.
type Text struct {
	Name  string // on the wire
	Field string // name of the proto field, and of the column
	Limit int    // characters
	// Of points at the value inside a user.
	Of func(*User) **string
}

// Texts are the clearable text properties (DIR-35). The ones with rules
// beyond their length are checked by name in check.go as well.
var Texts = []Text{
	{"mailNickname", "mail_nickname", 64, func(u *User) **string { return &u.MailNickname }},
	{"givenName", "given_name", 64, func(u *User) **string { return &u.GivenName }},
	{"surname", "surname", 64, func(u *User) **string { return &u.Surname }},
	{"jobTitle", "job_title", 128, func(u *User) **string { return &u.JobTitle }},
	{"department", "department", 64, func(u *User) **string { return &u.Department }},
	{"companyName", "company_name", 64, func(u *User) **string { return &u.CompanyName }},
	{"officeLocation", "office_location", 128, func(u *User) **string { return &u.OfficeLocation }},
	{"city", "city", 128, func(u *User) **string { return &u.City }},
	{"state", "state", 128, func(u *User) **string { return &u.State }},
	{"country", "country", 128, func(u *User) **string { return &u.Country }},
	{"streetAddress", "street_address", 1024, func(u *User) **string { return &u.StreetAddress }},
	{"postalCode", "postal_code", 40, func(u *User) **string { return &u.PostalCode }},
	{"faxNumber", "fax_number", 64, func(u *User) **string { return &u.FaxNumber }},
	{"employeeId", "employee_id", 16, func(u *User) **string { return &u.EmployeeID }},
	{"employeeType", "employee_type", 64, func(u *User) **string { return &u.EmployeeType }},
	{"mobilePhone", "mobile_phone", 64, func(u *User) **string { return &u.MobilePhone }},
	{"usageLocation", "usage_location", 2, func(u *User) **string { return &u.UsageLocation }},
	{"preferredLanguage", "preferred_language", 35, func(u *User) **string { return &u.PreferredLanguage }},
	{"ageGroup", "age_group", 16, func(u *User) **string { return &u.AgeGroup }},
	{"consentProvidedForMinor", "consent_provided_for_minor", 16, func(u *User) **string { return &u.ConsentProvidedForMinor }},
	{"passwordPolicies", "password_policies", 64, func(u *User) **string { return &u.PasswordPolicies }},
	{"onPremisesImmutableId", "on_premises_immutable_id", 256, func(u *User) **string { return &u.OnPremises.ImmutableID }},
	{"mail", "mail", 254, func(u *User) **string { return &u.Mail }},
}

// TextByField finds a text property by the name of its proto field.
func TextByField(field string) (Text, bool) {
	for _, t := range Texts {
		if t.Field == field {
			return t, true
		}
	}
	return Text{}, false
}

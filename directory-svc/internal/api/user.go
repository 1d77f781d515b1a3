package api

import (
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/caller"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// userToProto converts a user; the initial domain is the issuer of its own
// name.
func userToProto(u *user.User, initialDomain string) *pb.User {
	out := &pb.User{
		Id: u.ID.String(), AccountEnabled: &u.AccountEnabled, DisplayName: &u.DisplayName, UserPrincipalName: &u.UserPrincipalName,
		MailNickname: u.MailNickname, GivenName: u.GivenName, Surname: u.Surname, JobTitle: u.JobTitle, Department: u.Department,
		CompanyName: u.CompanyName, OfficeLocation: u.OfficeLocation, City: u.City, State: u.State, Country: u.Country,
		StreetAddress: u.StreetAddress, PostalCode: u.PostalCode, FaxNumber: u.FaxNumber, EmployeeId: u.EmployeeID, EmployeeType: u.EmployeeType,
		EmployeeHireDate: stamp(u.EmployeeHireDate), EmployeeLeaveDateTime: stamp(u.EmployeeLeaveDate),
		MobilePhone: u.MobilePhone, BusinessPhones: u.BusinessPhones, Mail: u.Mail, OtherMails: u.OtherMails, ImAddresses: u.IMAddresses,
		ExternalUserStateChangeDateTime: stamp(u.ExternalStateChanged), ShowInAddressList: u.ShowInAddressList,
		UsageLocation: u.UsageLocation, PreferredLanguage: u.PreferredLanguage, AgeGroup: u.AgeGroup,
		ConsentProvidedForMinor: u.ConsentProvidedForMinor, PasswordPolicies: u.PasswordPolicies,
		LastPasswordChangeDateTime: stamp(u.LastPasswordChange), DeletedDateTime: stamp(u.Deleted),
		SignInSessionsValidFromDateTime: stamp(u.SessionsValidFrom), RefreshTokensValidFromDateTime: stamp(u.SessionsValidFrom),
		OnPremisesImmutableId: u.OnPremises.ImmutableID, OnPremisesSyncEnabled: u.OnPremises.SyncEnabled,
		OnPremisesSamAccountName: u.OnPremises.SamAccountName, OnPremisesDistinguishedName: u.OnPremises.DistinguishedName,
		OnPremisesDomainName: u.OnPremises.DomainName, OnPremisesSecurityIdentifier: u.OnPremises.SecurityIdentifier,
		OnPremisesUserPrincipalName: u.OnPremises.UserPrincipalName, OnPremisesLastSyncDateTime: stamp(u.OnPremises.LastSync),
	}
	if u.Deleted != nil {
		out.UserPrincipalName = ptr(u.DeletedName())
	}
	if !u.Created.IsZero() {
		out.CreatedDateTime = timestamppb.New(u.Created)
	}
	if u.Type != 0 {
		out.UserType = pb.User_UserType(u.Type).Enum()
	}
	if u.Origin != user.WorkAccount {
		out.CreationType = pb.User_CreationType(u.Origin).Enum()
	}
	if u.ExternalState != user.NeverInvited {
		out.ExternalUserState = pb.User_ExternalUserState(u.ExternalState).Enum()
	}
	if class := u.LegalAgeGroup(); class != "" {
		out.LegalAgeGroupClassification = &class
	}
	if u.CostCenter != nil || u.Division != nil {
		out.EmployeeOrgData = &pb.EmployeeOrgData{CostCenter: u.CostCenter, Division: u.Division}
	}
	for _, p := range u.Proxies {
		out.ProxyAddresses = append(out.ProxyAddresses, p.String())
	}
	out.SecurityIdentifier = ptr(user.SecurityIdentifier(u.ID))
	out.IsManagementRestricted = ptr(u.Restricted)
	out.OnPremisesExtensionAttributes = extensionsToProto(u)
	out.Identities = identitiesToProto(u.AllIdentities(initialDomain))
	return out
}

// cardToProto converts what the default answer of a list shows, for pages of
// users that were read without more.
func cardToProto(u *user.User) *pb.User {
	return &pb.User{
		Id: u.ID.String(), DisplayName: &u.DisplayName, UserPrincipalName: &u.UserPrincipalName, GivenName: u.GivenName, Surname: u.Surname,
		JobTitle: u.JobTitle, OfficeLocation: u.OfficeLocation, MobilePhone: u.MobilePhone, BusinessPhones: u.BusinessPhones, Mail: u.Mail,
		PreferredLanguage: u.PreferredLanguage,
	}
}

func identitiesToProto(list []identity.Identity) []*pb.ObjectIdentity {
	out := make([]*pb.ObjectIdentity, len(list))
	for i, id := range list {
		out[i] = &pb.ObjectIdentity{SignInType: ptr(id.Type.String()), Issuer: ptr(id.Issuer)}
		if id.AssignedID != "" {
			out[i].IssuerAssignedId = ptr(id.AssignedID)
		}
	}
	return out
}

// extensionFields are the descriptors of extensionAttribute1 to 15.
var extensionFields = (&pb.OnPremisesExtensionAttributes{}).ProtoReflect().Descriptor().Fields()

func extensionsToProto(u *user.User) *pb.OnPremisesExtensionAttributes {
	out := &pb.OnPremisesExtensionAttributes{}
	for i, v := range u.ExtensionAttributes {
		if v != nil {
			out.ProtoReflect().Set(extensionFields.Get(i), protoreflect.ValueOfString(*v))
		}
	}
	return out
}

// shown is a user as the caller may see it.
func shown(who caller.Caller, t *store.Tenant, u *user.User) *pb.User {
	return limited(who, userToProto(u, t.InitialDomain), access.ReadUser(who, u.ID, rights(t)))
}

// limited reduces a user to what the caller may see (DIR-42, DIR-175): the id
// where it may see nothing of one that it meets as the end of a link.
func limited(who caller.Caller, u *pb.User, degree access.Reading) *pb.User {
	switch degree {
	case access.Everything:
		if !access.SeesLifecycle(who) {
			u.EmployeeLeaveDateTime = nil
		}
		return u
	case access.Card:
		return &pb.User{Id: u.Id, DisplayName: u.DisplayName, Mail: u.Mail, UserPrincipalName: u.UserPrincipalName, UserType: u.UserType}
	case access.Short:
		return &pb.User{Id: u.Id, DisplayName: u.DisplayName, GivenName: u.GivenName, Surname: u.Surname, Mail: u.Mail,
			UserPrincipalName: u.UserPrincipalName, PreferredLanguage: u.PreferredLanguage}
	}
	return &pb.User{Id: u.Id}
}

// userFields are the properties of the message by proto name.
var userFields = (&pb.User{}).ProtoReflect().Descriptor().Fields()

// present lists the paths of the fields that are set in a create.
func present(m proto.Message) []string {
	var paths []string
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		paths = append(paths, string(f.Name()))
		return true
	})
	slices.Sort(paths)
	return paths
}

// propertyNames are the properties in Graph's spelling that paths touch.
func propertyNames(fields protoreflect.FieldDescriptors, paths []string) []string {
	var names []string
	for _, path := range paths {
		top, _, _ := strings.Cut(path, ".")
		name := top
		if f := fields.ByName(protoreflect.Name(top)); f != nil {
			name = f.JSONName()
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// applyUser copies the properties that paths name from a message into u. A
// path whose field is unset clears the property. What a client cannot set is
// refused, unless it repeats the present value.
func applyUser(u *user.User, in *pb.User, paths []string, initialDomain string) error {
	var now *pb.User
	for _, path := range paths {
		top, rest, _ := strings.Cut(path, ".")
		if t, ok := user.TextByField(top); ok {
			f := userFields.ByName(protoreflect.Name(top))
			*t.Of(u) = nil
			if m := in.ProtoReflect(); m.Has(f) {
				if v := m.Get(f).String(); v != "" {
					*t.Of(u) = &v
				}
			}
			continue
		}
		switch top {
		case "account_enabled":
			if in.AccountEnabled == nil {
				return property.Invalid("User", "accountEnabled")
			}
			u.AccountEnabled = *in.AccountEnabled
		case "display_name":
			u.DisplayName = in.GetDisplayName() // empty is refused by the rules
		case "user_principal_name":
			u.UserPrincipalName = in.GetUserPrincipalName()
		case "employee_hire_date":
			u.EmployeeHireDate = momentOf(in.EmployeeHireDate)
		case "employee_leave_date_time":
			u.EmployeeLeaveDate = momentOf(in.EmployeeLeaveDateTime)
		case "employee_org_data":
			applyOrgData(u, in.EmployeeOrgData, rest)
		case "business_phones":
			u.BusinessPhones = in.BusinessPhones
		case "other_mails":
			u.OtherMails = in.OtherMails
		case "user_type":
			if in.GetUserType() == pb.User_userTypeUnspecified {
				return property.Invalid("User", "userType")
			}
			u.Type = user.Type(in.GetUserType())
		case "show_in_address_list":
			u.ShowInAddressList = in.ShowInAddressList
		case "on_premises_extension_attributes":
			applyExtensions(u, in.OnPremisesExtensionAttributes, rest)
		case "identities":
			if err := applyIdentities(u, in.Identities); err != nil {
				return err
			}
		case "password_profile", extensionsField: // the handler's business
		default:
			if now == nil {
				now = userToProto(u, initialDomain)
			}
			if err := sameOrReadOnly(now, in, top); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameOrReadOnly refuses a read-only property unless it is null or repeats
// the present value (WIRE-49).
func sameOrReadOnly(now, in proto.Message, field string) error {
	f := now.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field))
	if f == nil {
		return property.Refused(field, "The property '%s' does not exist.", clip(field))
	}
	if !in.ProtoReflect().Has(f) || same(f, in.ProtoReflect().Get(f), now.ProtoReflect().Get(f)) {
		return nil
	}
	return property.ReadOnly(f.JSONName())
}

// same compares values as the wire shows them: times in whole seconds.
func same(f protoreflect.FieldDescriptor, a, b protoreflect.Value) bool {
	if f.Message() != nil && !f.IsList() && f.Message().FullName() == "google.protobuf.Timestamp" {
		x, okX := a.Message().Interface().(*timestamppb.Timestamp)
		y, okY := b.Message().Interface().(*timestamppb.Timestamp)
		return okX && okY && x.GetSeconds() == y.GetSeconds()
	}
	return a.Equal(b)
}

func applyOrgData(u *user.User, in *pb.EmployeeOrgData, rest string) {
	if in == nil {
		if rest == "" || rest == "cost_center" {
			u.CostCenter = nil
		}
		if rest == "" || rest == "division" {
			u.Division = nil
		}
		return
	}
	// PATCH merges the members of the object; a path to one may clear it.
	if rest == "cost_center" || rest == "" && in.CostCenter != nil {
		u.CostCenter = optional(in.CostCenter)
	}
	if rest == "division" || rest == "" && in.Division != nil {
		u.Division = optional(in.Division)
	}
}

func applyExtensions(u *user.User, in *pb.OnPremisesExtensionAttributes, rest string) {
	for i := range u.ExtensionAttributes {
		f := extensionFields.Get(i)
		if rest != "" && rest != string(f.Name()) {
			continue
		}
		if rest == "" && in != nil && !in.ProtoReflect().Has(f) {
			continue // PATCH merges the members of the object
		}
		u.ExtensionAttributes[i] = nil
		if in != nil && in.ProtoReflect().Has(f) {
			if v := in.ProtoReflect().Get(f).String(); v != "" {
				u.ExtensionAttributes[i] = &v
			}
		}
	}
}

func applyIdentities(u *user.User, in []*pb.ObjectIdentity) error {
	u.Identities = nil
	for _, row := range in {
		kind, ok := identity.ParseType(row.GetSignInType())
		if !ok {
			return property.Invalid("User", "identities")
		}
		if kind == identity.UserPrincipalName { // DIR-40: such a row names the user
			u.UserPrincipalName = row.GetIssuerAssignedId()
			continue
		}
		u.Identities = append(u.Identities, identity.Identity{Type: kind, Issuer: row.GetIssuer(), AssignedID: row.GetIssuerAssignedId()})
	}
	return nil
}

package store

import (
	"errors"

	"entente.dev/directory-svc/internal/property"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"gorm.io/gorm"
)

// refusals says what breaking a constraint means. Indexes are named so that
// they can be told apart here.
var refusals = map[string]*fault.Error{
	"users_user_principal_name":     property.Conflict("userPrincipalName"),
	"users_immutable_id":            property.Conflict("onPremisesImmutableId"),
	"user_identities_unique":        property.Conflict("identities"),
	"addresses_unique":              property.Conflict("proxyAddresses"),
	"groups_mail_nickname":          property.Conflict("mailNickname"),
	"groups_unique_name":            property.Conflict("uniqueName"),
	"applications_unique_name":      property.Conflict("uniqueName"),
	"tenants_initial_domain":        property.Conflict("initialDomainPrefix"),
	"tenants_pkey":                  property.Conflict("tenantId"),
	"domains_verified":              property.Conflict("id"),
	"users_invitation":              fault.Aborted(errorspb.Reason_CONFLICT, "The invitation is being carried out by another call."),
	"users_alternative_security_id": fault.Exists(errorspb.Reason_IDENTITY_BOUND, "The account is bound to another user of the tenant."),
	"group_members_pkey":            property.ReferenceExists("members"),
	"object_owners_pkey":            property.ReferenceExists("owners"),
	"unit_members_pkey":             property.ReferenceExists("members"),
	"unit_members_limit":            fault.Exhausted(errorspb.Reason_QUOTA_EXCEEDED, "The object is in as many administrative units as it can be."),
	"administrative_units_restricted_limit": fault.Exhausted(errorspb.Reason_QUOTA_EXCEEDED,
		"The tenant has as many restricted management administrative units as it can have."),
	"extension_properties_name":     property.Conflict("name"),
	"federated_credentials_name":    property.Conflict("name"),
	"federated_credentials_subject": property.Conflict("subject"),
	"permission_grants_unique":      fault.Exists(errorspb.Reason_CONFLICTING_OBJECT, "Permission entry already exists."),
	"group_settings_unique": fault.Exists(errorspb.Reason_CONFLICTING_OBJECT,
		"A conflicting object with one or more of the specified property values is present in the directory."),
	"object_owners_limit":      fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The object has as many owners as it can have."),
	"last_owner":               fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The group must have at least one owner, hence this owner cannot be removed."),
	"group_members_kind":       fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The group does not take members of this type."),
	"users_sponsors":           property.Refused("sponsors", "The user has as many sponsors as it can have."),
	"users_business_phones":    property.Invalid("User", "businessPhones"),
	"users_password":           property.Invalid("User", "passwordProfile"),
	"users_never_mail_enabled": property.Refused("proxyAddresses", "An external member that was never mail-enabled cannot have proxy addresses."),
	"extension_values_limit":   property.Refused("extensions", "The object has as many extension values as it can have."),
	"domains_complete":         property.Refused("id", "A tenant keeps its initial domain and a default domain."),
	"members_by_rule":          fault.Invalid(errorspb.Reason_DYNAMIC_MEMBERSHIP, "Membership of a dynamic group cannot be changed directly."),
	"group_members_acyclic":    fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The membership would make the group a member of itself."),
	"last_administrator":       fault.Precondition(errorspb.Reason_LAST_ADMINISTRATOR, "The last enabled Global Administrator of the tenant cannot be removed, disabled or deleted."),
	"role_assignments_unique": fault.Exists(errorspb.Reason_CONFLICTING_OBJECT,
		"A conflicting object with one or more of the specified property values is present in the directory."),
	"directory_roles_template": fault.Exists(errorspb.Reason_CONFLICTING_OBJECT,
		"A conflicting object with one or more of the specified property values is present in the directory."),
	"app_role_assignments_unique": fault.Exists(errorspb.Reason_ASSIGNMENT_EXISTS, "Permission being assigned already exists on the object"),
	"service_principals_app_id": fault.Exists(errorspb.Reason_ALREADY_EXISTS,
		"The service principal cannot be created because the service principal name is already in use."),
}

// translate makes a fault of a broken constraint that has a meaning.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := refusals[pg.Constraint(err)]; ok {
		return f.WithCause(err)
	}
	return err
}

// missing tells whether a point read found nothing.
func missing(err error) bool { return errors.Is(err, gorm.ErrRecordNotFound) }

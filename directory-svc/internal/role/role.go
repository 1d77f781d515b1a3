package role

import (
	"strings"

	"github.com/google/uuid"
)

// Names of the roles that rules speak of.
const (
	ApplicationAdministrator              = "Application Administrator"
	ApplicationDeveloper                  = "Application Developer"
	AuthenticationAdministrator           = "Authentication Administrator"
	CloudApplicationAdministrator         = "Cloud Application Administrator"
	DirectoryReaders                      = "Directory Readers"
	DirectoryWriters                      = "Directory Writers"
	DomainNameAdministrator               = "Domain Name Administrator"
	GlobalAdministrator                   = "Global Administrator"
	GlobalReader                          = "Global Reader"
	GroupsAdministrator                   = "Groups Administrator"
	GuestInviter                          = "Guest Inviter"
	HelpdeskAdministrator                 = "Helpdesk Administrator"
	HybridIdentityAdministrator           = "Hybrid Identity Administrator"
	LicenseAdministrator                  = "License Administrator"
	MessageCenterReader                   = "Message Center Reader"
	PasswordAdministrator                 = "Password Administrator"
	PrivilegedAuthenticationAdministrator = "Privileged Authentication Administrator"
	PrivilegedRoleAdministrator           = "Privileged Role Administrator"
	ReportsReader                         = "Reports Reader"
	SecurityAdministrator                 = "Security Administrator"
	SecurityOperator                      = "Security Operator"
	SecurityReader                        = "Security Reader"
	UsageSummaryReportsReader             = "Usage Summary Reports Reader"
	UserAdministrator                     = "User Administrator"
)

// Template is one built-in role.
type Template struct {
	ID          uuid.UUID
	Name        string
	Description string
	// Scoped tells that the role may be assigned over an administrative unit
	// (DIR-160).
	Scoped bool
}

// IDs of the permission sets that users have without a role; they are no
// assignable roles (DIR-167).
var (
	Member          = uuid.MustParse("a0b1b346-4d3e-4e8b-98f8-753987be4970")
	Guest           = uuid.MustParse("10dae51f-b6af-4016-8d66-8c2a99b929b3")
	RestrictedGuest = uuid.MustParse("2af84b1e-32c8-42b7-82bc-daa82404023b")
)

// Templates are all built-in roles by name.
var Templates = []Template{
	{ID: uuid.MustParse("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"), Name: "Application Administrator", Description: "Can manage all applications and service principals."},
	{ID: uuid.MustParse("cf1c38e5-3621-4004-a7cb-879624dced7c"), Name: "Application Developer", Description: "Can register applications whatever members may do."},
	{ID: uuid.MustParse("c4e39bd9-1100-46d3-8c65-fb160da0071f"), Name: "Authentication Administrator", Description: "Can view, set and reset credentials of users who are no administrators.", Scoped: true},
	{ID: uuid.MustParse("0526716b-113d-4c15-b2c8-68e3c22b9f80"), Name: "Authentication Policy Administrator", Description: "Holds the rights of the role Authentication Policy Administrator."},
	{ID: uuid.MustParse("158c047a-c907-4556-b7ef-446551a6b5f7"), Name: "Cloud Application Administrator", Description: "Can manage all applications and service principals in the cloud."},
	{ID: uuid.MustParse("b1be1c3e-b65d-4f19-8427-f6fa0d97feb9"), Name: "Conditional Access Administrator", Description: "Holds the rights of the role Conditional Access Administrator."},
	{ID: uuid.MustParse("88d8e3e3-8f55-4a1e-953a-9b9898b8876b"), Name: "Directory Readers", Description: "Can read basic directory information."},
	{ID: uuid.MustParse("9360feb5-f418-4baa-8175-e2a00bac4301"), Name: "Directory Writers", Description: "Can read and write basic directory information."},
	{ID: uuid.MustParse("8329153b-31d0-4727-b945-745eb3bc5f31"), Name: "Domain Name Administrator", Description: "Holds the rights of the role Domain Name Administrator."},
	{ID: uuid.MustParse("6e591065-9bad-43ed-90f3-e9424366d2f0"), Name: "External ID User Flow Administrator", Description: "Holds the rights of the role External ID User Flow Administrator."},
	{ID: uuid.MustParse("0f971eea-41eb-4569-a71e-57bb8a3eff1e"), Name: "External ID User Flow Attribute Administrator", Description: "Holds the rights of the role External ID User Flow Attribute Administrator."},
	{ID: uuid.MustParse("be2f45a1-457d-42af-a067-6ec1fa63bc45"), Name: "External Identity Provider Administrator", Description: "Holds the rights of the role External Identity Provider Administrator."},
	{ID: uuid.MustParse("62e90394-69f5-4237-9190-012177145e10"), Name: "Global Administrator", Description: "Can manage every aspect of the tenant and of everything in it."},
	{ID: uuid.MustParse("f2ef992c-3afb-46b9-b7cf-a126ee74c451"), Name: "Global Reader", Description: "Can read everything that a Global Administrator can, and change nothing."},
	{ID: uuid.MustParse("fdd7a751-b60b-444a-984c-02652fe8fa1c"), Name: "Groups Administrator", Description: "Can create and manage groups and their settings.", Scoped: true},
	{ID: uuid.MustParse("95e79109-95c0-4d8e-aee3-d01accf2d47b"), Name: "Guest Inviter", Description: "Can invite guests whatever members may do."},
	{ID: uuid.MustParse("729827e3-9c14-49f7-bb1b-9608f156bbb8"), Name: "Helpdesk Administrator", Description: "Can reset passwords of users and of helpdesk administrators.", Scoped: true},
	{ID: uuid.MustParse("8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2"), Name: "Hybrid Identity Administrator", Description: "Holds the rights of the role Hybrid Identity Administrator."},
	{ID: uuid.MustParse("45d8d3c5-c802-45c6-b32a-1d70b5e1e86e"), Name: "Identity Governance Administrator", Description: "Holds the rights of the role Identity Governance Administrator."},
	{ID: uuid.MustParse("4d6ac14f-3453-41d0-bef9-a3e0c569773a"), Name: "License Administrator", Description: "Holds the rights of the role License Administrator.", Scoped: true},
	{ID: uuid.MustParse("59d46f88-662b-457b-bceb-5c3809e5908f"), Name: "Lifecycle Workflows Administrator", Description: "Holds the rights of the role Lifecycle Workflows Administrator."},
	{ID: uuid.MustParse("790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b"), Name: "Message Center Reader", Description: "Holds the rights of the role Message Center Reader."},
	{ID: uuid.MustParse("966707d0-3269-4727-9be2-8c3a10f19b9d"), Name: "Password Administrator", Description: "Can reset passwords of users and of password administrators.", Scoped: true},
	{ID: uuid.MustParse("644ef478-e28f-4e28-b9dc-3fdde9aa0b1f"), Name: "Printer Administrator", Description: "Holds the rights of the role Printer Administrator."},
	{ID: uuid.MustParse("7be44c8a-adaf-4e2a-84d6-ab2649e08a13"), Name: "Privileged Authentication Administrator", Description: "Can view, set and reset credentials of any user, administrators included.", Scoped: true},
	{ID: uuid.MustParse("e8611ab8-c189-46e8-94e1-60213ab1f814"), Name: "Privileged Role Administrator", Description: "Can assign roles and manage administrative units."},
	{ID: uuid.MustParse("4a5d8f65-41da-4de4-8968-e035b65339cf"), Name: "Reports Reader", Description: "Holds the rights of the role Reports Reader."},
	{ID: uuid.MustParse("194ae4cb-b126-40b2-bd5b-6091b380977d"), Name: "Security Administrator", Description: "Holds the rights of the role Security Administrator."},
	{ID: uuid.MustParse("5f2222b1-57c3-48ba-8ad5-d4759f1fde6f"), Name: "Security Operator", Description: "Holds the rights of the role Security Operator."},
	{ID: uuid.MustParse("5d6b6bb7-de71-4623-b4af-96380a352509"), Name: "Security Reader", Description: "Holds the rights of the role Security Reader."},
	{ID: uuid.MustParse("112ca1a2-15ad-4102-995e-45b0bc479a6a"), Name: "Tenant Creator", Description: "Holds the rights of the role Tenant Creator."},
	{ID: uuid.MustParse("75934031-6c7e-415a-99d7-48dbd49e875e"), Name: "Usage Summary Reports Reader", Description: "Holds the rights of the role Usage Summary Reports Reader."},
	{ID: uuid.MustParse("fe930be7-5e62-47db-91af-98c3a49a38b1"), Name: "User Administrator", Description: "Can manage users and groups, and reset passwords of limited administrators.", Scoped: true},
}

// ByID finds a role by the id of its template.
func ByID(id uuid.UUID) (Template, bool) {
	for _, t := range Templates {
		if t.ID == id {
			return t, true
		}
	}
	return Template{}, false
}

// ByName finds a role by its English name, without regard to case.
func ByName(name string) (Template, bool) {
	for _, t := range Templates {
		if strings.EqualFold(t.Name, name) {
			return t, true
		}
	}
	return Template{}, false
}

// GlobalAdministratorID is the template that every tenant's first
// administrator holds.
var GlobalAdministratorID = uuid.MustParse("62e90394-69f5-4237-9190-012177145e10")

// TenantScope is the directoryScopeId of an assignment over the whole tenant.
const TenantScope = "/"

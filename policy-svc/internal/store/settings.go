package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"entente.dev/policy-svc/internal/guestsettings"
	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// authorizationRow is a row of authorizations.
type authorizationRow struct {
	TenantID               uuid.UUID
	AllowInvitesFrom       int16
	GuestUserRoleID        uuid.UUID
	EmailVerifiedUsersJoin bool
	EmailSubscriptions     bool
	Sspr                   bool
	ConsentForRiskyApps    *bool
	BlockMsolPowerShell    *bool
	CreateApps             bool
	CreateSecurityGroups   bool
	CreateTenants          *bool
	ReadBitlockerKeys      *bool
	ReadOtherUsers         bool
	GrantPolicies          []byte
	Revision               int64
}

// TableName is GORM's name of the table.
func (authorizationRow) TableName() string { return "authorizations" }

func (r authorizationRow) authorization() (guestsettings.Authorization, error) {
	a := guestsettings.Authorization{
		AllowInvitesFrom: guestsettings.AllowInvitesFrom(r.AllowInvitesFrom), GuestUserRole: r.GuestUserRoleID,
		EmailVerifiedUsersJoin: r.EmailVerifiedUsersJoin, EmailSubscriptions: r.EmailSubscriptions, SSPR: r.Sspr,
		ConsentForRiskyApps: r.ConsentForRiskyApps, BlockMsolPowerShell: r.BlockMsolPowerShell,
		UserRole: guestsettings.UserRolePermissions{
			CreateApps: r.CreateApps, CreateSecurityGroups: r.CreateSecurityGroups, CreateTenants: r.CreateTenants,
			ReadBitlockerKeys: r.ReadBitlockerKeys, ReadOtherUsers: r.ReadOtherUsers,
		},
	}
	return a, decode(r.GrantPolicies, &a.UserRole.GrantPolicies)
}

// Authorization is the tenant's authorization policy, or its defaults, and the
// version that last changed it.
func (tx *Tx) Authorization() (guestsettings.Authorization, int64, error) {
	var r authorizationRow
	err := tx.Gorm().Take(&r, "tenant_id = ?", tx.Tenant.UUID()).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return guestsettings.DefaultAuthorization(), 0, nil
	}
	if err != nil {
		return guestsettings.Authorization{}, 0, fmt.Errorf("read authorization policy: %w", err)
	}
	a, err := r.authorization()
	return a, r.Revision, err
}

// SaveAuthorization writes the tenant's authorization policy.
func (tx *Tx) SaveAuthorization(a guestsettings.Authorization, version int64) error {
	policies := a.UserRole.GrantPolicies
	if policies == nil {
		policies = []string{}
	}
	text, err := json.Marshal(policies)
	if err != nil {
		return err
	}
	r := authorizationRow{
		TenantID: tx.Tenant.UUID(), AllowInvitesFrom: int16(a.AllowInvitesFrom), GuestUserRoleID: a.GuestUserRole,
		EmailVerifiedUsersJoin: a.EmailVerifiedUsersJoin, EmailSubscriptions: a.EmailSubscriptions, Sspr: a.SSPR,
		ConsentForRiskyApps: a.ConsentForRiskyApps, BlockMsolPowerShell: a.BlockMsolPowerShell,
		CreateApps: a.UserRole.CreateApps, CreateSecurityGroups: a.UserRole.CreateSecurityGroups,
		CreateTenants: a.UserRole.CreateTenants, ReadBitlockerKeys: a.UserRole.ReadBitlockerKeys,
		ReadOtherUsers: a.UserRole.ReadOtherUsers, GrantPolicies: text, Revision: version,
	}
	return tx.Gorm().Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "tenant_id"}}, UpdateAll: true}).Create(&r).Error
}

// domainListRow is a row of domain_lists.
type domainListRow struct {
	TenantID    uuid.UUID
	ID          uuid.UUID
	DisplayName string
	Description *string
	Enforced    bool
	Definition  string
	Revision    int64
}

// TableName is GORM's name of the table.
func (domainListRow) TableName() string { return "domain_lists" }

// DomainList is a stored domain list.
type DomainList struct {
	guestsettings.DomainList
	ID       uuid.UUID
	Revision int64
}

// DomainList finds the tenant's list, nil when there is none.
func (tx *Tx) DomainList() (*DomainList, error) {
	var r domainListRow
	err := tx.Gorm().Take(&r, "tenant_id = ?", tx.Tenant.UUID()).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read domain list: %w", err)
	}
	return &DomainList{
		DomainList: guestsettings.DomainList{
			DisplayName: r.DisplayName, Description: r.Description, Enforced: r.Enforced, Definition: r.Definition,
		},
		ID: r.ID, Revision: r.Revision,
	}, nil
}

// AddDomainList inserts the tenant's list.
func (tx *Tx) AddDomainList(l DomainList) error {
	return tx.QueueCreate(&domainListRow{
		TenantID: tx.Tenant.UUID(), ID: l.ID, DisplayName: l.DisplayName, Description: l.Description,
		Enforced: l.Enforced, Definition: l.Definition, Revision: l.Revision,
	})
}

// SaveDomainList writes the list back; isOrganizationDefault never changes.
func (tx *Tx) SaveDomainList(l DomainList) {
	tx.Queue(`update domain_lists set display_name = $3, description = $4, definition = $5, revision = $6 where tenant_id = $1 and id = $2`,
		tx.Tenant.UUID(), l.ID, l.DisplayName, l.Description, l.Definition, l.Revision)
}

// DeleteDomainList removes the list.
func (tx *Tx) DeleteDomainList(l DomainList) {
	tx.Queue(`delete from domain_lists where tenant_id = $1 and id = $2`, tx.Tenant.UUID(), l.ID)
}

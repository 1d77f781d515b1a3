package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"gorm.io/gorm"
)

// Tenant is a tenant as the store keeps it.
type Tenant struct {
	organization.Tenant
	Country               string
	PreferredLanguage     *string
	DefaultUsageLocation  *string
	BillingAccountID      *string
	PrivacyStatementURL   *string
	PrivacyContactEmail   *string
	MarketingMails        []string
	TechnicalMails        []string
	SecurityMails         []string
	SecurityPhones        []string
	DeletionScheduled     *time.Time
	Suspended             bool  // when the deletion was scheduled
	UserCount, GroupCount int32 // filled by TenantCounts
	// Policy is what the tenant lets users without a role do, where it was asked.
	Policy access.Policy
}

type tenantRow struct {
	ID                                   uuid.UUID
	DisplayName                          string
	TenantType                           int16
	State                                int16
	InitialDomain                        string
	CountryLetterCode                    string
	PreferredLanguage                    *string
	DefaultUsageLocation                 *string
	BillingAccountID                     *string
	PrivacyStatementURL                  *string
	PrivacyContactEmail                  *string
	MarketingNotificationEmails          textArray
	TechnicalNotificationMails           textArray
	SecurityComplianceNotificationMails  textArray
	SecurityComplianceNotificationPhones textArray
	CreatedAt                            time.Time
	DeletionScheduledAt                  *time.Time
	Limits                               quota.Limits `gorm:"serializer:json"`
	Suspended                            bool
}

func (tenantRow) TableName() string { return "tenants" }

type domainRow struct {
	TenantID                 uuid.UUID
	Name                     string
	IsVerified               bool
	IsDefault                bool
	IsInitial                bool
	IsRoot                   bool
	SupportedServices        textArray
	PasswordValidityDays     int32
	PasswordNotificationDays int32
	CreatedAt                time.Time
}

func (domainRow) TableName() string { return "domains" }

func tenantToRow(t *Tenant) tenantRow {
	return tenantRow{
		ID: t.ID.UUID(), DisplayName: t.DisplayName, TenantType: int16(t.Type), State: int16(t.State), InitialDomain: t.InitialDomain,
		CountryLetterCode: t.Country, PreferredLanguage: t.PreferredLanguage, DefaultUsageLocation: t.DefaultUsageLocation,
		BillingAccountID: t.BillingAccountID, PrivacyStatementURL: t.PrivacyStatementURL, PrivacyContactEmail: t.PrivacyContactEmail,
		MarketingNotificationEmails: list(t.MarketingMails), TechnicalNotificationMails: list(t.TechnicalMails),
		SecurityComplianceNotificationMails: list(t.SecurityMails), SecurityComplianceNotificationPhones: list(t.SecurityPhones),
		CreatedAt: t.Created, DeletionScheduledAt: t.DeletionScheduled, Limits: t.Limits, Suspended: t.Suspended,
	}
}

func tenantFromRow(r *tenantRow, domains []domainRow) *Tenant {
	t := &Tenant{
		Tenant: organization.Tenant{
			ID: tenant.ID(r.ID), DisplayName: r.DisplayName, Type: organization.Type(r.TenantType), State: organization.State(r.State),
			InitialDomain: r.InitialDomain, Created: r.CreatedAt, Limits: r.Limits,
		},
		Country: r.CountryLetterCode, PreferredLanguage: r.PreferredLanguage, DefaultUsageLocation: r.DefaultUsageLocation,
		BillingAccountID: r.BillingAccountID, PrivacyStatementURL: r.PrivacyStatementURL, PrivacyContactEmail: r.PrivacyContactEmail,
		MarketingMails: r.MarketingNotificationEmails, TechnicalMails: r.TechnicalNotificationMails,
		SecurityMails: r.SecurityComplianceNotificationMails, SecurityPhones: r.SecurityComplianceNotificationPhones,
		DeletionScheduled: r.DeletionScheduledAt, Suspended: r.Suspended,
	}
	for _, d := range domains {
		t.Domains = append(t.Domains, organization.Domain{
			Name: d.Name, Verified: d.IsVerified, Default: d.IsDefault, Initial: d.IsInitial, Root: d.IsRoot, Services: d.SupportedServices,
			PasswordValidity: d.PasswordValidityDays, PasswordNotifyDays: d.PasswordNotificationDays, Created: d.CreatedAt,
		})
	}
	return t
}

func domainToRow(t tenant.ID, d organization.Domain) domainRow {
	return domainRow{
		TenantID: t.UUID(), Name: d.Name, IsVerified: d.Verified, IsDefault: d.Default, IsInitial: d.Initial, IsRoot: d.Root,
		SupportedServices: list(d.Services), PasswordValidityDays: d.PasswordValidity, PasswordNotificationDays: d.PasswordNotifyDays, CreatedAt: d.Created,
	}
}

// tenantsFresh is how old a cached tenant may be. Changes made by this
// process are seen at once.
const tenantsFresh = 500 * time.Millisecond

// maxTenants bounds the cache; a full one starts anew.
const maxTenants = 10000

// tenants caches tenants with their domains, which nearly every call needs.
type tenants struct {
	store *Store
	mu    sync.Mutex
	byID  map[tenant.ID]cachedTenant
	// owners are the tenants of verified domains, by name.
	owners map[string]cachedOwner
}

type cachedOwner struct {
	id   tenant.ID
	read time.Time
}

// owner answers the tenant that verified a domain a moment ago.
func (c *tenants) owner(name string) (tenant.ID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.owners[name]
	return entry.id, ok && time.Since(entry.read) <= tenantsFresh
}

func (c *tenants) own(name string, id tenant.ID, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owners == nil || len(c.owners) > maxTenants {
		c.owners = make(map[string]cachedOwner)
	}
	c.owners[name] = cachedOwner{id, read}
}

type cachedTenant struct {
	tenant *Tenant
	read   time.Time
}

func (c *tenants) get(id tenant.ID) *Tenant {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.byID[id]
	if !ok || time.Since(entry.read) > tenantsFresh {
		return nil
	}
	return entry.tenant
}

func (c *tenants) put(t *Tenant, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil || len(c.byID) > maxTenants {
		c.byID = make(map[tenant.ID]cachedTenant)
	}
	c.byID[t.ID] = cachedTenant{t, read}
}

func (c *tenants) forget(id tenant.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}

// Tenant answers a tenant with its domains, at most half a second old. It is
// shared: callers do not change it.
func (s *Store) Tenant(ctx context.Context, id tenant.ID) (*Tenant, error) {
	if t := s.tenants.get(id); t != nil {
		return t, nil
	}
	read := time.Now()
	var t *Tenant
	err := s.db.GlobalRead(ctx, func(tx *pg.Tx) error {
		var err error
		t, err = readTenant(tx.Gorm(), id)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.tenants.put(t, read)
	return t, nil
}

// limited is the tenant of the transaction for what limits it. It is shared:
// callers do not change it.
func (tx *Tx) limited() (*Tenant, error) {
	if t := tx.store.tenants.get(tx.Tenant); t != nil {
		return t, nil
	}
	return readTenant(tx.Gorm(), tx.Tenant)
}

func readTenant(db *gorm.DB, id tenant.ID) (*Tenant, error) {
	var row tenantRow
	if err := db.Where("id = ?", id.UUID()).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(id.String())
		}
		return nil, err
	}
	var domains []domainRow
	if err := db.Where("tenant_id = ?", id.UUID()).Order("name").Find(&domains).Error; err != nil {
		return nil, err
	}
	return tenantFromRow(&row, domains), nil
}

// TenantByDomain finds the tenant that verified a domain. Like a tenant, the
// answer may be half a second old.
func (s *Store) TenantByDomain(ctx context.Context, domain string) (*Tenant, error) {
	name := address.Fold(domain)
	id, ok := s.tenants.owner(name)
	if !ok {
		read := time.Now()
		err := s.db.GlobalRead(ctx, func(tx *pg.Tx) error {
			err := tx.Pgx().QueryRow(ctx, "select tenant_id from domains where name = $1 and is_verified", name).Scan((*[16]byte)(&id))
			return orNothing(err)
		})
		if err != nil {
			return nil, err
		}
		if id.IsZero() {
			return nil, property.NotFound(domain)
		}
		s.tenants.own(name, id, read)
	}
	t, err := s.Tenant(ctx, id)
	if err == nil && !t.Owns(name) { // it was taken away meanwhile
		return nil, property.NotFound(domain)
	}
	return t, err
}

// Tenants lists tenants ordered by id, after the given one.
func (s *Store) Tenants(ctx context.Context, state organization.State, prefix string, after tenant.ID, limit int) ([]*Tenant, error) {
	var out []*Tenant
	err := s.db.GlobalRead(ctx, func(tx *pg.Tx) error {
		q := tx.Gorm().Where("id > ?", after.UUID()).Order("id").Limit(limit)
		if state != 0 {
			q = q.Where("state = ?", int16(state))
		}
		if prefix != "" {
			q = q.Where("initial_domain ^@ ?", address.Fold(prefix))
		}
		var rows []tenantRow
		if err := q.Find(&rows).Error; err != nil {
			return err
		}
		keys := make([]uuid.UUID, len(rows))
		for i := range rows {
			keys[i] = rows[i].ID
		}
		var domains []domainRow
		if err := tx.Gorm().Where("tenant_id in ?", keys).Order("name").Find(&domains).Error; err != nil {
			return err
		}
		for i := range rows {
			own := slices.DeleteFunc(slices.Clone(domains), func(d domainRow) bool { return d.TenantID != rows[i].ID })
			out = append(out, tenantFromRow(&rows[i], own))
		}
		return nil
	})
	return out, err
}

// TenantCounts counts the live users and groups of a tenant.
func (s *Store) TenantCounts(ctx context.Context, id tenant.ID) (users, groups int32, err error) {
	err = s.Read(ctx, id, func(tx *Tx) error {
		return tx.Pgx().QueryRow(ctx, `select (select count(*) from users where tenant_id = $1 and deleted_at is null),
			(select count(*) from groups where tenant_id = $1 and deleted_at is null)`, [16]byte(id)).Scan(&users, &groups)
	})
	return users, groups, err
}

// InsertTenant queues a new tenant with its domains. The transaction is the
// new tenant's own, so that its first objects can be made with it.
func (tx *Tx) InsertTenant(t *Tenant) error {
	row := tenantToRow(t)
	if err := tx.QueueCreate(&row); err != nil {
		return err
	}
	for _, d := range t.Domains {
		row := domainToRow(t.ID, d)
		if err := tx.QueueCreate(&row); err != nil {
			return err
		}
	}
	tx.tenantChanged()
	return nil
}

// LockTenant reads the tenant of the transaction for an update.
func (tx *Tx) LockTenant() (*Tenant, error) {
	if err := tx.Gorm().Exec("select from tenants where id = ? for update", tx.Tenant.UUID()).Error; err != nil {
		return nil, err
	}
	return readTenant(tx.Gorm(), tx.Tenant)
}

// SaveTenant writes what may change of the tenant itself.
func (tx *Tx) SaveTenant(t *Tenant) error {
	row := tenantToRow(t)
	tx.tenantChanged()
	return tx.Gorm().Model(&tenantRow{}).Where("id = ?", row.ID).
		Select("display_name", "state", "preferred_language", "default_usage_location", "billing_account_id", "privacy_statement_url",
			"privacy_contact_email", "marketing_notification_emails", "technical_notification_mails", "security_compliance_notification_mails",
			"security_compliance_notification_phones", "deletion_scheduled_at", "limits", "suspended").Updates(&row).Error
}

// SaveDomain adds a domain to the tenant of the transaction or verifies the
// one that is there. A domain that becomes the default takes that from the
// former one.
func (tx *Tx) SaveDomain(d organization.Domain) error {
	tx.tenantChanged()
	if d.Default {
		if err := tx.Gorm().Model(&domainRow{}).Where("tenant_id = ? and is_default", tx.Tenant.UUID()).Update("is_default", false).Error; err != nil {
			return err
		}
	}
	found := tx.Gorm().Model(&domainRow{}).Where("tenant_id = ? and name = ?", tx.Tenant.UUID(), d.Name).
		Updates(map[string]any{"is_verified": d.Verified, "is_default": d.Default, "supported_services": textArray(d.Services),
			"password_validity_days": d.PasswordValidity, "password_notification_days": d.PasswordNotifyDays})
	if found.Error != nil || found.RowsAffected > 0 {
		return found.Error
	}
	row := domainToRow(tx.Tenant, d)
	return tx.Gorm().Create(&row).Error
}

func (tx *Tx) tenantChanged() {
	id := tx.Tenant
	tx.AfterCommit(func() {
		tx.store.tenants.forget(id)
		tx.store.db.Notify(tenantsChannel, id.String())
	})
}

// WatchTenants drops cached tenants that another process changed, until ctx
// ends.
func (s *Store) WatchTenants(ctx context.Context) error {
	return s.db.Listen(ctx, tenantsChannel, func(payload string) {
		if id, err := tenant.Parse(payload); err == nil {
			s.tenants.forget(id)
		}
	})
}

// TenantRequest is a creation that may be repeated under its key.
type TenantRequest struct {
	IdempotencyKey  string `gorm:"primaryKey"`
	RequestHash     []byte
	TenantID        uuid.UUID
	AdministratorID uuid.UUID
	CreatedAt       time.Time
}

// TableName is GORM's way to ask.
func (TenantRequest) TableName() string { return "tenant_requests" }

// FindTenantRequest looks a repeat up; nil when the key is new.
func (s *Store) FindTenantRequest(ctx context.Context, key string) (*TenantRequest, error) {
	var row TenantRequest
	err := s.db.GlobalRead(ctx, func(tx *pg.Tx) error { return tx.Gorm().Where("idempotency_key = ?", key).Take(&row).Error })
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	return &row, err
}

// InsertTenantRequest queues the memory of a creation.
func (tx *Tx) InsertTenantRequest(r TenantRequest) error {
	// One that is older than it may be repeated has been forgotten.
	tx.Queue("delete from tenant_requests where idempotency_key = $1", r.IdempotencyKey)
	return tx.QueueCreate(&r)
}

// PurgeTenant ends at most batch rows of each table of a tenant whose deletion
// is due at the moment due, and answers how many rows that were. Zero means
// that the tenant is gone.
func (s *Store) PurgeTenant(ctx context.Context, id tenant.ID, due time.Time, batch int) (int64, error) {
	var n int64
	err := s.db.Global(ctx, func(tx *pg.Tx) error {
		return tx.Pgx().QueryRow(ctx, "select purge_tenant($1, $2, $3)", [16]byte(id), due, batch).Scan(&n)
	})
	if err == nil {
		s.tenants.forget(id)
		s.db.Notify(tenantsChannel, id.String())
	}
	return n, err
}

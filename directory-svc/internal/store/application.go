package store

import (
	"encoding/json"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

type applicationRow struct {
	TenantID              uuid.UUID `gorm:"primaryKey"`
	ID                    uuid.UUID `gorm:"primaryKey"`
	AppID                 uuid.UUID
	DisplayName           string
	DisplayNameWords      textArray
	UniqueName            *string
	IdentifierUris        textArray
	ApplicationTemplateID *string
	Document              json.RawMessage
	CreatedAt             time.Time `gorm:"autoCreateTime:false"`
	DeletedAt             *time.Time
	Version               int64 `gorm:"default:1"`
}

func (applicationRow) TableName() string { return "applications" }

type servicePrincipalRow struct {
	TenantID                  uuid.UUID `gorm:"primaryKey"`
	ID                        uuid.UUID `gorm:"primaryKey"`
	AppID                     uuid.UUID
	DisplayName               string
	DisplayNameWords          textArray
	ServicePrincipalType      string
	AccountEnabled            bool
	AppRoleAssignmentRequired bool
	ServicePrincipalNames     textArray
	Tags                      textArray
	ApplicationTemplateID     *string
	Builtin                   bool
	Document                  json.RawMessage
	CreatedAt                 time.Time `gorm:"autoCreateTime:false"`
	DeletedAt                 *time.Time
	Version                   int64 `gorm:"default:1"`
}

func (servicePrincipalRow) TableName() string { return "service_principals" }

type credentialRow struct {
	TenantID            uuid.UUID
	OwnerID             uuid.UUID
	KeyID               uuid.UUID
	Kind                int16
	Verifier            []byte
	Certificate         []byte
	KeyType             *string
	KeyUsage            *string
	Hint                *string
	DisplayName         *string
	CustomKeyIdentifier []byte
	StartAt             time.Time
	EndAt               time.Time
}

func (credentialRow) TableName() string { return "app_credentials" }

func (tx *Tx) applicationRow(a *application.Application) applicationRow {
	return applicationRow{TenantID: tx.Tenant.UUID(), ID: a.ID, AppID: a.AppID, DisplayName: a.DisplayName, DisplayNameWords: odata.SearchTokens(a.DisplayName), UniqueName: a.UniqueName,
		IdentifierUris: listOrNull(a.IdentifierURIs), ApplicationTemplateID: a.TemplateID, Document: a.Document, CreatedAt: a.Created, DeletedAt: a.Deleted, Version: 1}
}

func applicationFromRow(r *applicationRow) *application.Application {
	return &application.Application{ID: r.ID, AppID: r.AppID, DisplayName: r.DisplayName, UniqueName: r.UniqueName, IdentifierURIs: r.IdentifierUris,
		TemplateID: r.ApplicationTemplateID, Document: r.Document, Created: r.CreatedAt, Deleted: r.DeletedAt}
}

func (tx *Tx) servicePrincipalRow(p *application.ServicePrincipal) servicePrincipalRow {
	return servicePrincipalRow{TenantID: tx.Tenant.UUID(), ID: p.ID, AppID: p.AppID, DisplayName: p.DisplayName, DisplayNameWords: odata.SearchTokens(p.DisplayName), ServicePrincipalType: p.Type,
		AccountEnabled: p.Enabled, AppRoleAssignmentRequired: p.AssignmentRequired, ServicePrincipalNames: listOrNull(p.Names), Tags: listOrNull(p.Tags),
		ApplicationTemplateID: p.TemplateID, Builtin: p.Builtin, Document: p.Document, CreatedAt: p.Created, DeletedAt: p.Deleted, Version: 1}
}

func servicePrincipalFromRow(r *servicePrincipalRow) *application.ServicePrincipal {
	return &application.ServicePrincipal{ID: r.ID, AppID: r.AppID, DisplayName: r.DisplayName, Type: r.ServicePrincipalType, Enabled: r.AccountEnabled,
		AssignmentRequired: r.AppRoleAssignmentRequired, Names: r.ServicePrincipalNames, Tags: r.Tags, TemplateID: r.ApplicationTemplateID,
		Builtin: r.Builtin, Document: r.Document, Created: r.CreatedAt, Deleted: r.DeletedAt}
}

// InsertApplication queues a new application.
func (tx *Tx) InsertApplication(a *application.Application) error {
	tx.made++
	row := tx.applicationRow(a)
	return tx.QueueCreate(&row)
}

// InsertServicePrincipal queues a new service principal.
func (tx *Tx) InsertServicePrincipal(p *application.ServicePrincipal) error {
	tx.made++
	row := tx.servicePrincipalRow(p)
	return tx.QueueCreate(&row)
}

// AppKey names an application or service principal by object id or client id.
type AppKey struct {
	ID, AppID uuid.UUID
	text      string
}

// ParseAppKey reads a key of the wire: an object id, or `appId={client id}`
// for the alternate key.
func ParseAppKey(s string) (AppKey, error) {
	k := AppKey{text: s}
	text, field := s, &k.ID
	if client, ok := strings.CutPrefix(s, "appId="); ok {
		text, field = strings.Trim(client, "'"), &k.AppID
		k.text = text
	}
	parsed, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return k, property.NotFound(text)
	}
	*field = parsed
	return k, nil
}

// AppObject makes the key of an object id.
func AppObject(id uuid.UUID) AppKey { return AppKey{ID: id, text: id.String()} }

func (k AppKey) where(db *gorm.DB) *gorm.DB {
	if k.ID != uuid.Nil {
		return db.Where("id = ?", k.ID)
	}
	return db.Where("app_id = ?", k.AppID)
}

// State selects live or soft-deleted objects.
type State int

// The states.
const (
	Live State = iota
	SoftDeleted
)

func (st State) where(db *gorm.DB) *gorm.DB {
	if st == SoftDeleted {
		return db.Where("deleted_at is not null")
	}
	return db.Where("deleted_at is null")
}

func locked(db *gorm.DB, lock bool) *gorm.DB {
	if lock {
		return db.Clauses(clause.Locking{Strength: "UPDATE"})
	}
	return db
}

func (tx *Tx) own() *gorm.DB { return tx.Gorm().Where("tenant_id = ?", tx.Tenant.UUID()) }

// Application finds one application, locked for a change where asked.
func (tx *Tx) Application(k AppKey, st State, lock bool) (*application.Application, error) {
	var row applicationRow
	if err := locked(st.where(k.where(tx.own())), lock).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(k.text)
		}
		return nil, err
	}
	return applicationFromRow(&row), nil
}

// ServicePrincipal finds one service principal, locked for a change where
// asked.
func (tx *Tx) ServicePrincipal(k AppKey, st State, lock bool) (*application.ServicePrincipal, error) {
	var row servicePrincipalRow
	if err := locked(st.where(k.where(tx.own())), lock).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(k.text)
		}
		return nil, err
	}
	return servicePrincipalFromRow(&row), nil
}

// ApplicationsByAppID finds the live applications behind client ids.
func (tx *Tx) ApplicationsByAppID(appIDs []uuid.UUID) (map[uuid.UUID]*application.Application, error) {
	var rows []applicationRow
	if err := tx.own().Where("app_id in ? and deleted_at is null", appIDs).Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]*application.Application, len(rows))
	for i := range rows {
		out[rows[i].AppID] = applicationFromRow(&rows[i])
	}
	return out, nil
}

// SaveApplication writes what may change of an application. Its service
// principal goes by the same names.
func (tx *Tx) SaveApplication(a *application.Application) error {
	row := tx.applicationRow(a)
	err := tx.own().Model(&applicationRow{}).Where("id = ?", a.ID).Updates(map[string]any{
		"display_name": row.DisplayName, "display_name_words": row.DisplayNameWords, "unique_name": row.UniqueName, "identifier_uris": row.IdentifierUris, "document": row.Document,
		"deleted_at": row.DeletedAt, "version": gorm.Expr("version + 1"),
	}).Error
	if err != nil {
		return err
	}
	return tx.own().Model(&servicePrincipalRow{}).Where("app_id = ? and not builtin and deleted_at is null", a.AppID).
		Update("service_principal_names", list(application.Names(a.AppID, a.IdentifierURIs))).Error
}

// SaveServicePrincipal writes what may change of a service principal; links
// towards it sleep and wake with it.
func (tx *Tx) SaveServicePrincipal(p *application.ServicePrincipal, moved bool) error {
	row := tx.servicePrincipalRow(p)
	if moved {
		tx.sleep(p.ID, p.Deleted != nil)
	}
	return tx.own().Model(&servicePrincipalRow{}).Where("id = ?", p.ID).Updates(map[string]any{
		"display_name": row.DisplayName, "display_name_words": row.DisplayNameWords, "account_enabled": row.AccountEnabled, "app_role_assignment_required": row.AppRoleAssignmentRequired,
		"service_principal_names": row.ServicePrincipalNames, "tags": row.Tags, "document": row.Document, "deleted_at": row.DeletedAt,
		"version": gorm.Expr("version + 1"),
	}).Error
}

// PurgeApplication ends a soft-deleted application and its credentials.
func (tx *Tx) PurgeApplication(id uuid.UUID) error {
	tx.purgeLinks(id)
	return tx.own().Where("id = ? and deleted_at is not null", id).Delete(&applicationRow{}).Error
}

// PurgeServicePrincipal ends a soft-deleted service principal with every
// assignment of and to it.
func (tx *Tx) PurgeServicePrincipal(id uuid.UUID) error {
	tx.purgeLinks(id)
	return tx.own().Where("id = ? and deleted_at is not null", id).Delete(&servicePrincipalRow{}).Error
}

// Credentials reads the credentials of applications and service principals,
// oldest first.
func (tx *Tx) Credentials(owners []uuid.UUID) (map[uuid.UUID][]application.Credential, error) {
	var rows []credentialRow
	if err := tx.own().Where("owner_id in ?", owners).Order("start_at, key_id").Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID][]application.Credential, len(owners))
	for _, r := range rows {
		out[r.OwnerID] = append(out[r.OwnerID], application.Credential{KeyID: r.KeyID, Verifier: r.Verifier, Certificate: r.Certificate, KeyType: r.KeyType,
			KeyUsage: r.KeyUsage, Hint: r.Hint, DisplayName: r.DisplayName, CustomKeyIdentifier: r.CustomKeyIdentifier, Start: r.StartAt, End: r.EndAt})
	}
	return out, nil
}

// InsertCredential queues a credential of an owner.
func (tx *Tx) InsertCredential(owner uuid.UUID, c *application.Credential) error {
	row := credentialRow{TenantID: tx.Tenant.UUID(), OwnerID: owner, KeyID: c.KeyID, Kind: 1, Verifier: c.Verifier, Certificate: c.Certificate, KeyType: c.KeyType,
		KeyUsage: c.KeyUsage, Hint: c.Hint, DisplayName: c.DisplayName, CustomKeyIdentifier: c.CustomKeyIdentifier, StartAt: c.Start, EndAt: c.End}
	if c.Certificate != nil {
		row.Kind = 2
	}
	return tx.QueueCreate(&row)
}

// DeleteCredential removes a credential; ok is false when there was none.
func (tx *Tx) DeleteCredential(owner, key uuid.UUID) (ok bool, err error) {
	done := tx.own().Where("owner_id = ? and key_id = ?", owner, key).Delete(&credentialRow{})
	return done.RowsAffected > 0, done.Error
}

// DeleteCertificates removes the certificates of an owner, which an update
// replaces as a whole.
func (tx *Tx) DeleteCertificates(owner uuid.UUID) error {
	return tx.own().Where("owner_id = ? and kind = 2", owner).Delete(&credentialRow{}).Error
}

// Assignment is an app role assigned to a principal.
type Assignment struct {
	ID            uuid.UUID
	PrincipalID   uuid.UUID
	PrincipalType object.Type
	ResourceID    uuid.UUID
	AppRoleID     uuid.UUID
	CreatedAt     time.Time
}

type assignmentRow struct {
	TenantID      uuid.UUID
	ID            uuid.UUID
	PrincipalID   uuid.UUID
	PrincipalType int16
	ResourceID    uuid.UUID
	AppRoleID     uuid.UUID
	CreatedAt     time.Time `gorm:"autoCreateTime:false"`
}

func (assignmentRow) TableName() string { return "app_role_assignments" }

func assignmentFromRow(r assignmentRow) Assignment {
	return Assignment{ID: r.ID, PrincipalID: r.PrincipalID, PrincipalType: object.Type(r.PrincipalType), ResourceID: r.ResourceID, AppRoleID: r.AppRoleID, CreatedAt: r.CreatedAt}
}

// InsertAssignments queues app role assignments.
func (tx *Tx) InsertAssignments(assignments ...Assignment) error {
	rows := make([]assignmentRow, len(assignments))
	for i, a := range assignments {
		rows[i] = assignmentRow{tx.Tenant.UUID(), a.ID, a.PrincipalID, int16(a.PrincipalType), a.ResourceID, a.AppRoleID, a.CreatedAt}
	}
	return tx.QueueCreate(&rows)
}

// Assignment finds one app role assignment on a resource.
func (tx *Tx) Assignment(resource, id uuid.UUID) (*Assignment, error) {
	var row assignmentRow
	if err := tx.own().Where("resource_id = ? and id = ?", resource, id).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(id.String())
		}
		return nil, err
	}
	a := assignmentFromRow(row)
	return &a, nil
}

// AssignmentOf finds one assignment of a principal.
func (tx *Tx) AssignmentOf(principal, id uuid.UUID) (*Assignment, error) {
	var row assignmentRow
	if err := tx.own().Where("principal_id = ? and id = ?", principal, id).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(id.String())
		}
		return nil, err
	}
	a := assignmentFromRow(row)
	return &a, nil
}

// DeleteAssignment queues the end of an assignment.
func (tx *Tx) DeleteAssignment(id uuid.UUID) {
	tx.Queue("delete from app_role_assignments where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

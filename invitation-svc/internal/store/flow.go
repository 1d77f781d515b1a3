package store

import (
	"crypto/sha256"
	"time"

	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"gorm.io/gorm/clause"
)

// Flow is a redemption with what ties it to a browser and an invitation.
type Flow struct {
	redemption.Flow
	ID         uuid.UUID
	Invitation uuid.UUID
	User       uuid.UUID
	Verifier   [sha256.Size]byte // digest of the cookie's secret
	Language   string
	Network    string // where it was opened, coarse
}

type flowRow struct {
	TenantID         tenant.ID
	ID               uuid.UUID
	InvitationID     uuid.UUID
	UserID           uuid.UUID
	VerifierSum      []byte
	State            int8
	Version          int64
	Link             int8
	Candidates       words `gorm:"type:text[]"`
	Provider         string
	Restarts         int
	IdentityProvider string
	Issuer           string
	Subject          string
	HomeTenantID     tenant.ID
	HomeObjectID     *uuid.UUID
	IdentityAddress  string
	Evidence         int8
	ListsInvited     bool
	Proven           bool
	Waived           bool
	Consented        bool
	TermsDue         words `gorm:"type:text[]"`
	Code             string
	Language         string
	Network          string
	StartedAt        time.Time
	EnteredAt        time.Time
}

// TableName is the table of the row.
func (flowRow) TableName() string { return "flows" }

func flowToRow(t tenant.ID, f Flow) flowRow {
	return flowRow{
		TenantID: t, ID: f.ID, InvitationID: f.Invitation, UserID: f.User, VerifierSum: f.Verifier[:],
		State: int8(f.State), Version: f.Version, Link: int8(f.Link), Candidates: append(words{}, f.Candidates...),
		Provider: f.Provider, Restarts: f.Restarts, IdentityProvider: f.Identity.Provider, Issuer: f.Identity.Issuer,
		Subject: f.Identity.Subject, HomeTenantID: f.Identity.HomeTenant, HomeObjectID: nullID(f.Identity.HomeObject),
		IdentityAddress: f.Identity.Address, Evidence: int8(f.Identity.Evidence), ListsInvited: f.Identity.ListsInvited,
		Proven: f.Proven, Waived: f.Waived, Consented: f.Consented, TermsDue: append(words{}, f.TermsDue...),
		Code: f.Code, Language: f.Language, Network: f.Network, StartedAt: f.StartedAt, EnteredAt: f.EnteredAt,
	}
}

func flowFromRow(r flowRow) Flow {
	f := Flow{ID: r.ID, Invitation: r.InvitationID, User: r.UserID, Language: r.Language, Network: r.Network}
	copy(f.Verifier[:], r.VerifierSum)
	f.Flow = redemption.Flow{
		State: redemption.State(r.State), Version: r.Version, Link: redemption.Link(r.Link), Candidates: r.Candidates,
		Provider: r.Provider, Restarts: r.Restarts, Proven: r.Proven, Waived: r.Waived, Consented: r.Consented,
		TermsDue: r.TermsDue, Code: r.Code, StartedAt: r.StartedAt, EnteredAt: r.EnteredAt,
		Identity: redemption.Identity{
			Provider: r.IdentityProvider, Issuer: r.Issuer, Subject: r.Subject, HomeTenant: r.HomeTenantID,
			HomeObject: plain(r.HomeObjectID), Address: r.IdentityAddress, Evidence: redemption.Level(r.Evidence),
			ListsInvited: r.ListsInvited,
		},
	}
	return f
}

// AddFlow queues a new flow.
func (tx Tx) AddFlow(f Flow) error {
	row := flowToRow(tx.Tenant, f)
	return tx.QueueCreate(&row)
}

// KeepIdleFlows queues the end of all but the youngest flows of an invitation
// and a network that never went further than their first page: nobody has
// shown who they are, nor asked for a code.
func (tx Tx) KeepIdleFlows(invited uuid.UUID, network string, most int) {
	tx.Queue(`with gone as (delete from flows where tenant_id = $1 and id in (
			select f.id from flows f where f.tenant_id = $1 and f.invitation_id = $2 and f.network = $3 and f.identity_provider = ''
				and not exists (select from passcodes p where p.tenant_id = $1 and p.flow_id = f.id)
			order by f.started_at desc, f.id desc offset $4) returning id)
		delete from timers where kind = $5 and tenant_id = $1 and id in (select id from gone)`,
		tx.Tenant, invited, network, most, int8(FlowTimer))
}

// Flow reads one; ErrNone when the tenant has no such id.
func (tx Tx) Flow(id uuid.UUID) (Flow, error) {
	row, err := take[flowRow](tx.Gorm().Where("tenant_id = ? and id = ?", tx.Tenant, id), "flow")
	return flowFromRow(row), err
}

// LockFlow is Flow, locked until the transaction ends.
func (tx Tx) LockFlow(id uuid.UUID) (Flow, error) {
	row, err := take[flowRow](tx.Gorm().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("tenant_id = ? and id = ?", tx.Tenant, id), "flow")
	return flowFromRow(row), err
}

// SaveFlow writes the flow if its state and version are still those of before
// (INV-108), and raises the version; ErrStale otherwise.
func (tx Tx) SaveFlow(before, f Flow) (Flow, error) {
	f.Version = before.Version + 1
	r := flowToRow(tx.Tenant, f)
	err := tx.changed(`update flows set verifier_sum = $5, state = $6, version = $7, candidates = $8, provider = $9, restarts = $10,
		identity_provider = $11, issuer = $12, subject = $13, home_tenant_id = $14, home_object_id = $15, identity_address = $16,
		evidence = $17, lists_invited = $18, proven = $19, waived = $20, consented = $21, terms_due = $22, code = $23, entered_at = $24, link = $25
		where tenant_id = $1 and id = $2 and state = $3 and version = $4`,
		tx.Tenant, f.ID, int8(before.State), before.Version, r.VerifierSum, r.State, r.Version, []string(r.Candidates), r.Provider, r.Restarts,
		r.IdentityProvider, r.Issuer, r.Subject, r.HomeTenantID, r.HomeObjectID, r.IdentityAddress,
		r.Evidence, r.ListsInvited, r.Proven, r.Waived, r.Consented, []string(r.TermsDue), r.Code, r.EnteredAt, r.Link)
	return f, err
}

// Consent is the record of what a person saw and accepted (INV-99).
type Consent struct {
	User, Invitation uuid.UUID
	At               time.Time
	IP, UserAgent    string
	TextSum          [sha256.Size]byte
	Language         string
	PrivacyURL       string
}

// AddConsent queues the record under the id of its flow: a flow consents once.
func (tx Tx) AddConsent(flow uuid.UUID, c Consent) {
	tx.Queue(`insert into consents (tenant_id, id, user_id, invitation_id, given_at, ip, user_agent, text_sum, language, privacy_url)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		tx.Tenant, flow, c.User, c.Invitation, c.At, c.IP, c.UserAgent, c.TextSum[:], c.Language, c.PrivacyURL)
}

// ConsentOrigin is the client from which the consent of a flow came; ErrNone
// when it gave none.
func (tx Tx) ConsentOrigin(flow uuid.UUID) (ip, userAgent string, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), `select ip, user_agent from consents where tenant_id = $1 and id = $2`, tx.Tenant, flow).Scan(&ip, &userAgent)
	return ip, userAgent, none(err)
}

// DeleteFlow forgets a flow, its passcodes and their mails.
func (tx Tx) DeleteFlow(id uuid.UUID) {
	tx.Queue(`delete from flows where tenant_id = $1 and id = $2`, tx.Tenant, id)
}

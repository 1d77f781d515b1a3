package saga

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/passcode"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/throttle"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/jobs"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Patience of the acts with what is unfinished.
const (
	// SagaGrace is how long an unfinished invitation is left to its handler.
	SagaGrace = 5 * time.Minute
	// CommitGrace is the same of a commit.
	CommitGrace = 2 * time.Minute
	// FlowMemory is how long a flow is kept, IdleMemory one in which nobody has
	// shown who they are, CodeMemory a passcode.
	FlowMemory = 30 * 24 * time.Hour
	IdleMemory = 6 * time.Hour
	CodeMemory = 24 * time.Hour
)

// Limits are the figures of INV-57 and INV-79; a limit without a figure is
// off.
type Limits struct {
	PerTenant   throttle.Limit   // invitations of one tenant
	PerMember   []throttle.Limit // invitations by a member without a role
	PerAdmin    []throttle.Limit // invitations by an administrator or application
	MailsTo     []throttle.Limit // invitation mails to one address, all tenants together
	BadOpens    throttle.Limit   // bad links from one network
	BadTickets  throttle.Limit   // bad links to one invitation
	CodesTo     []throttle.Limit // passcodes to one address of a tenant
	CodesFrom   throttle.Limit   // passcodes asked for from one network
	NewLinksOf  []throttle.Limit // fresh links to one user
	NewLinkAsks throttle.Limit   // requests for fresh links from one network
	IdleFlows   int              // flows of one invitation from one network that wait at their first page
}

// DefaultLimits are those of the specification.
func DefaultLimits() Limits {
	const day = 24 * time.Hour
	return Limits{
		PerTenant:   throttle.Limit{Most: 150, Per: 5 * time.Second},
		PerMember:   []throttle.Limit{{Most: 50, Per: time.Hour}, {Most: 200, Per: day}},
		PerAdmin:    []throttle.Limit{{Most: 600, Per: time.Hour}, {Most: 5000, Per: day}},
		MailsTo:     []throttle.Limit{{Most: 5, Per: day}, {Most: 20, Per: 30 * day}},
		BadOpens:    throttle.Limit{Most: 10, Per: time.Minute},
		BadTickets:  throttle.Limit{Most: 30, Per: time.Hour},
		CodesTo:     []throttle.Limit{{Most: 5, Per: 30 * time.Minute}, {Most: 15, Per: day}},
		CodesFrom:   throttle.Limit{Most: 30, Per: time.Hour},
		NewLinksOf:  []throttle.Limit{{Most: 1, Per: 10 * time.Minute}, {Most: 5, Per: day}},
		NewLinkAsks: throttle.Limit{Most: 10, Per: time.Minute},
		IdleFlows:   60,
	}
}

// Config is what the acts need besides their neighbours.
type Config struct {
	LoginOrigin      string // of the pages, for links; never taken from a request
	PanelURL         string // where an invitee lands without a usable redirect
	LinkLifetime     time.Duration
	PasscodeValidity time.Duration
	Limits           Limits
	// OneDatabase says that the directory's tables are in the same database as
	// ours, so that what it commits after us is on disk only if ours is.
	OneDatabase bool
}

// Saga runs the acts.
type Saga struct {
	Config
	Store     *store.Store
	Directory directorypb.ExternalUserServiceClient
	Tenants   directorypb.TenantDirectoryServiceClient
	People    directorypb.PrincipalServiceClient
	Apps      directorypb.ServicePrincipalServiceClient
	Groups    directorypb.GroupServiceClient
	SignIns   directorypb.SignInServiceClient
	Policy    policypb.DecisionServiceClient
	Jobs      *jobs.Client
	Clock     clock.Clock
	Random    io.Reader
	Keys      Keys
}

// Keys are derived from the one key file of the service, one per use, so that
// what is made for one use is worth nothing for another.
type Keys struct {
	Passcode []byte
	Throttle []byte
	Block    []byte
	Cursor   []byte
}

// DeriveKeys makes the keys from the content of the key file.
func DeriveKeys(master []byte) (Keys, error) {
	if len(master) < 32 {
		return Keys{}, fmt.Errorf("the key has %d bytes, at least 32 are needed", len(master))
	}
	derive := func(use string) []byte {
		h := hmac.New(sha256.New, master)
		h.Write([]byte("entente invitation " + use))
		return h.Sum(nil)
	}
	return Keys{Passcode: derive("passcode"), Throttle: derive("throttle"), Block: derive("block"), Cursor: derive("cursor")}, nil
}

// MailJob delivers one mail of the outbox.
type MailJob struct {
	Tenant string    `json:"tenant"`
	Mail   uuid.UUID `json:"mail"`
	Code   bool      `json:"code,omitempty"` // it is a passcode, which cannot wait long
}

// Kind names the job in the queue.
func (MailJob) Kind() string { return "mail" }

// LinkJob answers a request for a fresh link. There is one for every request,
// whatever it names, so that asking takes the same time for all (INV-52).
type LinkJob struct {
	Tenant     string    `json:"tenant"`
	Invitation uuid.UUID `json:"invitation"`
}

// Kind names the job in the queue.
func (LinkJob) Kind() string { return "link" }

// BadLinkJob records that somebody came with a bad link, and what was wrong
// with it, which they were not told.
type BadLinkJob struct {
	Tenant     string    `json:"tenant"`
	Invitation uuid.UUID `json:"invitation"`
	Why        string    `json:"why"`
}

// Kind names the job in the queue.
func (BadLinkJob) Kind() string { return "bad-link" }

// HomeJob records in a home tenant that one of its accounts became a user of
// another tenant: rows of two tenants are never written in one transaction.
type HomeJob struct {
	Home       string    `json:"home"`
	Resource   string    `json:"resource"`
	Invitation uuid.UUID `json:"invitation"`
	Account    uuid.UUID `json:"account"`
	Method     string    `json:"method,omitempty"` // how the account was shown; empty for automatic redemption
}

// Kind names the job in the queue.
func (HomeJob) Kind() string { return "home-record" }

// OweLink queues a LinkJob.
func (s *Saga) OweLink(tx store.Tx, t tenant.ID, id uuid.UUID) error {
	return s.Jobs.Enqueue(tx.Tx, LinkJob{Tenant: t.String(), Invitation: id}, time.Time{})
}

// OweBadLink queues a BadLinkJob.
func (s *Saga) OweBadLink(tx store.Tx, t tenant.ID, id uuid.UUID, why string) error {
	return s.Jobs.Enqueue(tx.Tx, BadLinkJob{Tenant: t.String(), Invitation: id, Why: why}, time.Time{})
}

// CodeValidity is how long a code is good for in a tenant.
func (s *Saga) CodeValidity(set invitation.Settings) time.Duration {
	if set.PasscodeValidity != 0 {
		return passcode.Validity(set.PasscodeValidity)
	}
	return passcode.Validity(s.PasscodeValidity)
}

// PanelHost is the host of the panel.
func (c Config) PanelHost() string {
	u, err := url.Parse(c.PanelURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func (s *Saga) newID() (uuid.UUID, error) {
	id, err := uuid.NewV7FromReader(s.Random)
	if err != nil {
		return uuid.Nil, fmt.Errorf("draw id: %w", err)
	}
	return id, nil
}

package invitetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/api"
	"entente.dev/invitation-svc/internal/flow"
	"entente.dev/invitation-svc/internal/jobs"
	"entente.dev/invitation-svc/internal/mail"
	"entente.dev/invitation-svc/internal/migrations"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/smtp"
	"entente.dev/invitation-svc/internal/store"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/clock/clocktest"
	queue "entente.dev/servicekit/jobs"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// Start is when the clock of a World begins.
var Start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// Sources are the migrations of the schema.
func Sources() []pg.Source {
	return []pg.Source{audit.Migrations, queue.Migrations, migrations.Source}
}

// World is the service with its surroundings. Tenant is Contoso, with the
// member Mia and an application; Other is a second tenant.
type World struct {
	T             testing.TB
	DB            *pg.DB
	Clock         *clocktest.Fake
	Directory     *Directory
	Policy        *Policy
	Sink          *Sink
	Log           *strings.Builder
	Tenant, Other tenant.ID
	Mia, App      caller.Caller

	Saga    *saga.Saga
	Invites *api.Invitations
	Bulks   *api.Bulks
	Flows   *api.Flows
	Mailer  *jobs.Mailer
	Timers  *jobs.Timers
	Linker  *jobs.Linker
}

// New builds a world on a database of its own.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{T: t, DB: pgtest.Open(t, "invitation", Sources()...), Clock: clocktest.New(Start), Directory: NewDirectory(), Policy: &Policy{},
		Sink: NewSink(t), Log: &strings.Builder{}, Tenant: tenant.New(), Other: tenant.New()}
	w.Directory.AddTenant(w.Tenant.String(), "Contoso", "contoso.example")
	w.Directory.AddTenant(w.Other.String(), "Fabrikam", "fabrikam.example")
	w.Mia = caller.Caller{Kind: caller.User, Tenant: w.Tenant, ObjectID: uuid.New(), DisplayName: "Mia", Permissions: []string{"User.Invite.All"}, RequestID: uuid.NewString()}
	w.Directory.AddPerson(w.Tenant.String(), w.Mia.ObjectID.String(), "Mia Müller", "mia@contoso.example", false)
	w.App = caller.Caller{Kind: caller.Application, Tenant: w.Tenant, ObjectID: uuid.New(), AppID: uuid.New(), AppDisplayName: "HR portal",
		Permissions: []string{"User.ReadWrite.All"}, RequestID: uuid.NewString()}
	w.Restart(w.Clock)
	return w
}

// Restart makes the service anew over the same database, as after a kill.
func (w *World) Restart(clk clock.Clock) {
	w.T.Helper()
	must := func(err error) {
		if err != nil {
			w.T.Helper()
			w.T.Fatal(err)
		}
	}
	keys, err := saga.DeriveKeys([]byte("0123456789abcdef0123456789abcdef"))
	must(err)
	q, err := queue.New(w.T.Context(), queue.Config{DB: w.DB})
	must(err)
	w.Saga = &saga.Saga{
		Config: saga.Config{LoginOrigin: "https://login.entente.example", PanelURL: "https://apps.entente.example/", Limits: saga.DefaultLimits()},
		Store:  store.New(w.DB), Directory: w.Directory, Tenants: w.Directory, People: w.Directory, Apps: w.Directory, Groups: w.Directory, SignIns: w.Directory, Policy: w.Policy,
		Jobs: q, Clock: clk, Random: rand.Reader, Keys: keys,
	}
	compose, err := mail.New("Entente", "invites@mail.entente.example")
	must(err)
	relay, err := smtp.New(smtp.Config{Host: w.Sink.Host, Port: w.Sink.Port, TLS: "none"})
	must(err)
	tokens, err := odata.NewTokens(keys.Cursor, clk)
	must(err)
	log := slog.New(slog.NewJSONHandler(w.Log, nil))
	w.Mailer = &jobs.Mailer{Saga: w.Saga, Compose: compose, Relay: relay, Log: log}
	w.Timers = &jobs.Timers{Saga: w.Saga, Log: log}
	w.Linker = &jobs.Linker{Saga: w.Saga}
	w.Invites = &api.Invitations{Saga: w.Saga, Tokens: tokens}
	w.Bulks = &api.Bulks{Saga: w.Saga}
	w.Flows = &api.Flows{Flows: &flow.Flows{Saga: w.Saga, Providers: redemption.Registry{redemption.Passcode{}}, Languages: compose.Languages()}}
}

// As is a context of a caller.
func (w *World) As(c caller.Caller) context.Context { return caller.With(w.T.Context(), c) }

// Request is an invitation with the required fields.
func Request(address string, change func(*pb.Invitation)) *pb.CreateInvitationRequest {
	i := &pb.Invitation{InvitedUserEmailAddress: proto.String(address), InviteRedirectUrl: proto.String("https://contoso.example/welcome")}
	if change != nil {
		change(i)
	}
	return &pb.CreateInvitationRequest{Invitation: i}
}

// Mailed asks for the mail.
func Mailed(i *pb.Invitation) { i.SendInvitationMessage = proto.Bool(true) }

// Invite invites as Mia and fails the test when it cannot.
func (w *World) Invite(address string, change func(*pb.Invitation)) *pb.Invitation {
	w.T.Helper()
	i, err := w.Invites.CreateInvitation(w.As(w.Mia), Request(address, change))
	if err != nil {
		w.T.Fatalf("invite %s: %v", address, err)
	}
	return i
}

// Deliver makes one attempt at every mail that is owed in a tenant.
func (w *World) Deliver(t tenant.ID) {
	w.T.Helper()
	for _, id := range w.Owed(t) {
		if err := w.Mailer.Deliver(w.T.Context(), t, id); err != nil {
			w.T.Fatalf("deliver: %v", err)
		}
	}
}

// Owed are the mails that wait.
func (w *World) Owed(t tenant.ID) (ids []uuid.UUID) {
	w.T.Helper()
	err := w.DB.Read(w.T.Context(), t, func(tx *pg.Tx) error {
		return tx.Gorm().Table("mails").Where("tenant_id = ? and state = 1", t).Order("id").Pluck("id", &ids).Error
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return ids
}

// RunLinks answers the requests for fresh links that wait.
func (w *World) RunLinks() {
	w.T.Helper()
	for _, job := range take[saga.LinkJob](w) {
		if err := w.Saga.Renew(w.T.Context(), tenant.MustParse(job.Tenant), job.Invitation); err != nil {
			w.T.Fatal(err)
		}
	}
}

// RunHomeRecords writes the records for home tenants that wait.
func (w *World) RunHomeRecords() {
	w.T.Helper()
	for _, job := range take[saga.HomeJob](w) {
		if err := w.Saga.RecordHome(w.T.Context(), tenant.MustParse(job.Home), job); err != nil {
			w.T.Fatal(err)
		}
	}
}

// RunSignIns has the redemptions logged that wait, twice, as a queue may.
func (w *World) RunSignIns() error {
	w.T.Helper()
	var errs []error
	for _, job := range take[saga.SignInJob](w) {
		for range 2 {
			errs = append(errs, w.Saga.RecordSignIn(w.T.Context(), tenant.MustParse(job.Tenant), job))
		}
	}
	return errors.Join(errs...)
}

// RunBulks works on the bulk invitations that wait until none has rows left.
func (w *World) RunBulks() {
	w.T.Helper()
	for _, job := range take[saga.BulkJob](w) {
		w.WorkOn(w.T.Context(), job.Bulk)
	}
}

// WorkOn works on one bulk invitation until it has no rows left.
func (w *World) WorkOn(ctx context.Context, bulk uuid.UUID) {
	w.T.Helper()
	for more := true; more; {
		var err error
		if more, err = w.Saga.WorkOnBulk(ctx, w.Tenant, bulk); err != nil {
			w.T.Fatal(err)
		}
	}
}

// take takes the waiting jobs of one kind out of the queue.
func take[J interface{ Kind() string }](w *World) (all []J) {
	w.T.Helper()
	var kind J
	rows, err := w.DB.Pool().Query(w.T.Context(), "delete from river_job where kind = $1 returning args", kind.Kind())
	if err != nil {
		w.T.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var raw []byte
		var job J
		if err := rows.Scan(&raw); err != nil {
			w.T.Fatal(err)
		}
		if err := json.Unmarshal(raw, &job); err != nil {
			w.T.Fatal(err)
		}
		all = append(all, job)
	}
	if rows.Err() != nil {
		w.T.Fatal(rows.Err())
	}
	return all
}

// Sweep handles every timer that is due.
func (w *World) Sweep() {
	w.T.Helper()
	if err := w.Timers.Sweep(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
}

// Scalar reads one value in a tenant.
func Scalar[V any](w *World, t tenant.ID, sql string, args ...any) (v V) {
	w.T.Helper()
	err := w.DB.Read(w.T.Context(), t, func(tx *pg.Tx) error { return tx.Pgx().QueryRow(tx.Context(), sql, args...).Scan(&v) })
	if err != nil {
		w.T.Fatalf("%s: %v", sql, err)
	}
	return v
}

// Audited counts the records of an activity with a result: 1 for success, 2
// for failure.
func (w *World) Audited(t tenant.ID, activity string, result int) int {
	w.T.Helper()
	return Scalar[int](w, t, "select count(*) from audit_events where activity = $1 and result = $2", activity, result)
}

// Link is the query of a redeem link.
func Link(t testing.TB, text string) *pb.OpenLinkRequest {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil || u.Path != "/redeem" {
		t.Fatalf("%q is no redeem link", text)
	}
	q := u.Query()
	return &pb.OpenLinkRequest{TenantId: q.Get("tenant"), InvitationId: q.Get("user"), Ticket: q.Get("ticket"), AcceptLanguage: "en", IpAddress: "203.0.113.7", UserAgent: "test"}
}

var mailLink = regexp.MustCompile(`https://login\.entente\.example/redeem\?\S+`)

// MailLink is the redeem link in a letter.
func MailLink(t testing.TB, l Letter) string {
	t.Helper()
	found := mailLink.FindString(l.Text)
	if found == "" {
		t.Fatalf("no link in:\n%s", l.Text)
	}
	return found
}

var mailCode = regexp.MustCompile(`(?m)^\s{4}([0-9]{8})\s*$`)

// MailCode is the passcode in a letter.
func MailCode(t testing.TB, l Letter) string {
	t.Helper()
	found := mailCode.FindStringSubmatch(l.Text)
	if found == nil {
		t.Fatalf("no code in:\n%s", l.Text)
	}
	return found[1]
}

// Browser is one browser in one flow.
type Browser struct {
	W        *World
	Flow     string
	Verifier string
	Page     *pb.FlowPage
	IP       string
}

// Open opens a link in a fresh browser.
func (w *World) Open(link string) *Browser {
	w.T.Helper()
	b, err := w.TryOpen(Link(w.T, link))
	if err != nil {
		w.T.Fatalf("open: %v", err)
	}
	return b
}

// TryOpen is Open that may fail.
func (w *World) TryOpen(req *pb.OpenLinkRequest) (*Browser, error) {
	o, err := w.Flows.OpenLink(w.T.Context(), req)
	if err != nil {
		return nil, err
	}
	b := &Browser{W: w, Flow: o.FlowId, Verifier: o.Verifier, IP: req.IpAddress}
	if o.FlowId == "" {
		b.Page = &pb.FlowPage{State: pb.FlowPage_Landed, RedirectUrl: o.RedirectUrl}
		return b, nil
	}
	return b, b.Show()
}

// Show asks for the page.
func (b *Browser) Show() error {
	p, err := b.W.Flows.GetFlow(b.W.T.Context(), &pb.GetFlowRequest{FlowId: b.Flow, Verifier: b.Verifier})
	return b.keep(p, err)
}

func (b *Browser) keep(p *pb.FlowPage, err error) error {
	if err != nil {
		return err
	}
	if b.Page = p; p.NewVerifier != "" {
		b.Verifier = p.NewVerifier
	}
	return nil
}

// Input is the request of the page for an input, which set fills in.
func (b *Browser) Input(set func(*pb.AdvanceRequest)) *pb.AdvanceRequest {
	r := &pb.AdvanceRequest{FlowId: b.Flow, Verifier: b.Verifier, FormToken: b.Page.FormToken, State: b.Page.State, IpAddress: b.IP, UserAgent: "test"}
	set(r)
	return r
}

// Post posts an input.
func (b *Browser) Post(set func(*pb.AdvanceRequest)) error {
	return b.keep(b.W.Flows.Advance(b.W.T.Context(), b.Input(set)))
}

// SendCode is the click on "send code".
func SendCode(r *pb.AdvanceRequest) {
	r.Input = &pb.AdvanceRequest_SendPasscode_{SendPasscode: &pb.AdvanceRequest_SendPasscode{}}
}

// Code types a code.
func Code(code string) func(*pb.AdvanceRequest) {
	return func(r *pb.AdvanceRequest) {
		r.Input = &pb.AdvanceRequest_VerifyPasscode_{VerifyPasscode: &pb.AdvanceRequest_VerifyPasscode{Code: code}}
	}
}

// Consent answers the review-permissions page.
func Consent(accepted bool) func(*pb.AdvanceRequest) {
	return func(r *pb.AdvanceRequest) {
		r.Input = &pb.AdvanceRequest_Consent_{Consent: &pb.AdvanceRequest_Consent{Accepted: accepted}}
	}
}

// Must posts an input and expects a state.
func (b *Browser) Must(set func(*pb.AdvanceRequest), want pb.FlowPage_State) {
	b.W.T.Helper()
	if err := b.Post(set); err != nil {
		b.W.T.Fatalf("post: %v", err)
	}
	if b.Page.State != want {
		b.W.T.Fatalf("page is %s (%s, %s), want %s", b.Page.State, b.Page.Notice, b.Page.ErrorCode, want)
	}
}

// ToConsent takes a fresh flow through the passcode.
func (b *Browser) ToConsent() {
	b.W.T.Helper()
	b.Must(SendCode, pb.FlowPage_AwaitOtp)
	b.W.Deliver(b.Tenant())
	b.Must(Code(MailCode(b.W.T, b.W.Sink.Last(b.W.T))), pb.FlowPage_Consent)
}

// Tenant is the tenant of the flow.
func (b *Browser) Tenant() tenant.ID { return tenant.MustParse(b.Page.TenantId) }

// Network is an address in a network of its own, for tests that count.
func Network(n int) string {
	return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1}).String()
}

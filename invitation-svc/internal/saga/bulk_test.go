package saga_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/throttle"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	bulkStarted  = "Bulk invite users - started (bulk)"
	bulkFinished = "Bulk invite users - finished (bulk)"
	bulkCanceled = "Bulk invite users - canceled (bulk)"
)

// bulkAdmin makes Mia somebody who may invite in bulk.
func bulkAdmin(w *invitetest.World) caller.Caller {
	w.Directory.Alter(w.Tenant.String(), w.Mia.ObjectID.String(), func(p *directorypb.Principal) {
		p.Roles = []*directorypb.Principal_Role{{DisplayName: "User Administrator", Scope: "/"}}
	})
	admin := w.Mia
	admin.Roles = []caller.Role{{Template: "User Administrator", Scope: "/"}}
	return admin
}

// bulkFile is a file of rows that ask for a mail.
func bulkFile(addresses ...string) []byte {
	var b strings.Builder
	b.Write(invitation.BulkFormat().Template())
	for _, a := range addresses {
		fmt.Fprintf(&b, "%s,https://contoso.example/welcome,true,\n", a)
	}
	return []byte(b.String())
}

func startBulk(w *invitetest.World, who caller.Caller, addresses ...string) store.Bulk {
	w.T.Helper()
	b, err := w.Saga.StartBulk(w.As(who), who, bulkFile(addresses...))
	if err != nil {
		w.T.Fatal(err)
	}
	return b
}

// outcomes are the rows of a job as "status code" in their order.
func outcomes(w *invitetest.World, of tenant.ID, id uuid.UUID) (b store.Bulk, all []store.BulkRow) {
	w.T.Helper()
	err := w.Saga.Store.Read(w.T.Context(), of, func(tx store.Tx) (err error) {
		if b, err = tx.CountedBulk(id); err != nil {
			return err
		}
		all, err = tx.BulkRows(id, 0, 1000)
		return err
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return b, all
}

func TestRowsRunAsSingleInvitations(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	b := startBulk(w, admin, "ann@partner.example", "ben@partner.example", "ANN@partner.example", "cid@partner.example")
	if n := w.Audited(w.Tenant, bulkStarted, 1); n != 1 {
		t.Errorf("%d records of the start", n)
	}
	w.RunBulks()
	b, rows := outcomes(w, w.Tenant, b.ID)
	if b.Status != invitation.BulkCompleted || b.Total != 4 || b.Succeeded != 4 || b.Failed != 0 || len(rows) != 4 {
		t.Fatalf("%+v, %+v", b, rows)
	}
	if rows[0].User != rows[2].User || rows[0].User == rows[1].User || rows[0].User == uuid.Nil {
		t.Errorf("users %v, %v, %v", rows[0].User, rows[1].User, rows[2].User)
	}
	if n := w.Audited(w.Tenant, "Invite external user", 1); n != 3 {
		t.Errorf("%d invitations recorded, want 3: the same address twice runs once", n)
	}
	if n := len(w.Owed(w.Tenant)); n != 3 {
		t.Errorf("%d mails", n)
	}
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from audit_events where activity in ($1, $2, 'Invite external user') and correlation = $3 and initiator->'user'->>'id' = $4",
		bulkStarted, bulkFinished, admin.RequestID, admin.ObjectID.String()); n != 5 {
		t.Errorf("%d records under the request of the one who began it, want 5", n)
	}
}

func TestARowThatFailsStopsNoOther(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	file := string(bulkFile("ann@partner.example")) + "ben@partner.example,javascript:alert(1),true,\ncid@partner.example,https://contoso.example/,perhaps,\n" +
		"dan@partner.example,https://contoso.example/,,\n"
	b, err := w.Saga.StartBulk(w.As(admin), admin, []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	w.WorkOn(t.Context(), b.ID)
	b, rows := outcomes(w, w.Tenant, b.ID)
	if b.Status != invitation.BulkCompleted || b.Succeeded != 2 || b.Failed != 2 {
		t.Errorf("%+v", b)
	}
	for i, want := range []string{"", "inviteRedirectUrl", "true or false", ""} {
		if failed := rows[i].Code != ""; failed != (want != "") || !strings.Contains(rows[i].Message, want) || failed && rows[i].Code != "BadRequest" {
			t.Errorf("row %d: %+v", i, rows[i])
		}
	}
	if n := len(w.Owed(w.Tenant)); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestOneBulkInvitationOfATenantRuns(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	first := startBulk(w, admin, "ann@partner.example")
	_, err := w.Saga.StartBulk(w.As(admin), admin, bulkFile("ben@partner.example"))
	if !fault.Is(err, errorspb.Reason_THROTTLED) || fault.From(err).RetryAfter == 0 {
		t.Errorf("a second one: %v", err)
	}
	if n := w.Audited(w.Tenant, bulkStarted, 2); n != 1 {
		t.Errorf("%d records of the refusal", n)
	}
	other := admin
	other.Tenant = w.Other
	if _, err := w.Saga.StartBulk(w.As(other), other, bulkFile("ben@partner.example")); err != nil {
		t.Errorf("one of another tenant: %v", err)
	}
	w.WorkOn(t.Context(), first.ID)
	startBulk(w, admin, "ben@partner.example")
}

func TestBulkRightsAreThoseOfTheMoment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*invitetest.World, *directorypb.Principal)
		code   string
	}{
		"the role is taken away": {func(_ *invitetest.World, p *directorypb.Principal) { p.Roles = nil }, "Authorization_RequestDenied"},
		"disabled":               {func(_ *invitetest.World, p *directorypb.Principal) { p.Enabled = false }, "Authorization_RequestDenied"},
		"the sessions are ended": {func(w *invitetest.World, p *directorypb.Principal) {
			p.SessionsValidFrom = timestamppb.New(w.Clock.Now().Add(time.Second))
		}, "Authorization_RequestDenied"},
		"a role over a part only": {func(_ *invitetest.World, p *directorypb.Principal) { p.Roles[0].Scope = "/administrativeUnits/x" }, "Authorization_RequestDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := invitetest.New(t)
			admin := bulkAdmin(w)
			b := startBulk(w, admin, "ann@partner.example", "ben@partner.example", "cid@partner.example")
			w.Directory.Cause(func(around string) error {
				if around == "after CreateExternalUser" { // of the first row
					w.Directory.Cause(nil)
					w.Directory.Alter(w.Tenant.String(), admin.ObjectID.String(), func(p *directorypb.Principal) { c.change(w, p) })
				}
				return nil
			})
			w.WorkOn(t.Context(), b.ID)
			b, rows := outcomes(w, w.Tenant, b.ID)
			if b.Succeeded != 1 || b.Failed != 2 || rows[1].Code != c.code || rows[2].Code != c.code {
				t.Errorf("%+v, %+v", b, rows)
			}
			if n := w.Directory.Users(w.Tenant.String()); n != 1 {
				t.Errorf("%d users", n)
			}
		})
	}
}

func TestAnApplicationInvitesInBulkByItsPermission(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	app := w.App
	if _, err := w.Saga.StartBulk(w.As(app), app, bulkFile("ann@partner.example")); !fault.Is(err, errorspb.Reason_ACCESS_DENIED) {
		t.Errorf("with User.ReadWrite.All: %v", err)
	}
	app.Permissions = []string{"User.Invite.All"}
	w.Directory.AddPerson(w.Tenant.String(), app.ObjectID.String(), "HR portal", "", false)
	w.Directory.Alter(w.Tenant.String(), app.ObjectID.String(), func(p *directorypb.Principal) {
		p.Type, p.Permissions = "servicePrincipal", app.Permissions
	})
	b := startBulk(w, app, "ann@partner.example")
	w.WorkOn(t.Context(), b.ID)
	if b, _ = outcomes(w, w.Tenant, b.ID); b.Succeeded != 1 {
		t.Errorf("%+v", b)
	}
	b = startBulk(w, app, "ben@partner.example")
	w.Directory.Alter(w.Tenant.String(), app.ObjectID.String(), func(p *directorypb.Principal) { p.Permissions = nil })
	w.WorkOn(t.Context(), b.ID)
	if b, _ = outcomes(w, w.Tenant, b.ID); b.Failed != 1 {
		t.Errorf("the permission is gone: %+v", b)
	}
}

func TestBulkRowsCountAgainstTheLimits(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	w.Saga.Limits.PerTenant, w.Saga.Limits.PerAdmin = throttle.Limit{Most: 2, Per: 5 * time.Second}, []throttle.Limit{{Most: 3, Per: time.Hour}}
	b := startBulk(w, admin, "a@partner.example", "b@partner.example", "c@partner.example", "d@partner.example")
	more, err := w.Saga.WorkOnBulk(t.Context(), w.Tenant, b.ID)
	if more || !fault.Is(err, errorspb.Reason_THROTTLED) {
		t.Fatalf("a limit of seconds: %v, %v", more, err)
	}
	if b, _ = outcomes(w, w.Tenant, b.ID); b.Succeeded != 2 || b.Failed != 0 || w.Audited(w.Tenant, "Invite external user", 2) != 0 {
		t.Errorf("a row that waits has failed: %+v", b)
	}
	w.Clock.Advance(10 * time.Second)
	w.WorkOn(t.Context(), b.ID)
	b, rows := outcomes(w, w.Tenant, b.ID)
	if b.Succeeded != 3 || b.Failed != 1 || rows[3].Code != "TooManyRequests" || w.Audited(w.Tenant, "Invite external user", 2) != 1 {
		t.Errorf("a limit of an hour: %+v, %+v", b, rows)
	}
}

func TestABulkInvitationWaitsForItsNeighbours(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	b := startBulk(w, admin, "ann@partner.example")
	w.Directory.Cause(func(around string) error {
		if around == "before FindInviteConflicts" {
			return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "away")
		}
		return nil
	})
	if more, err := w.Saga.WorkOnBulk(t.Context(), w.Tenant, b.ID); more || fault.From(err).Kind != fault.KindUnavailable {
		t.Fatalf("%v, %v", more, err)
	}
	w.Directory.Cause(nil)
	w.WorkOn(t.Context(), b.ID)
	if b, _ = outcomes(w, w.Tenant, b.ID); b.Succeeded != 1 {
		t.Errorf("%+v", b)
	}
}

func TestABulkInvitationIsCanceled(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	b := startBulk(w, admin, "ann@partner.example", "ben@partner.example")
	if err := w.Saga.CancelBulk(w.As(admin), w.Other, b.ID); !errors.Is(err, store.ErrNone) {
		t.Errorf("another tenant: %v", err)
	}
	if err := w.Saga.CancelBulk(w.As(admin), w.Tenant, b.ID); err != nil {
		t.Fatal(err)
	}
	w.RunBulks()
	if err := w.Saga.CancelBulk(w.As(admin), w.Tenant, b.ID); fault.From(err).Kind != fault.KindPrecondition {
		t.Errorf("twice: %v", err)
	}
	b, rows := outcomes(w, w.Tenant, b.ID)
	if b.Status != invitation.BulkCanceled || b.Succeeded+b.Failed != 0 || rows[0].Settled || w.Directory.Users(w.Tenant.String()) != 0 {
		t.Errorf("%+v, %+v", b, rows)
	}
	if c, f := w.Audited(w.Tenant, bulkCanceled, 1), w.Audited(w.Tenant, bulkFinished, 1); c != 1 || f != 0 {
		t.Errorf("%d, %d records", c, f)
	}
}

func TestABulkInvitationEndsAndIsForgotten(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	b := startBulk(w, admin, "ann@partner.example")
	w.Clock.Advance(saga.BulkTime + saga.BulkGrace - time.Second)
	w.Sweep()
	if b, _ = outcomes(w, w.Tenant, b.ID); b.Status.Ended() {
		t.Fatalf("ended too early: %+v", b)
	}
	w.Clock.Advance(time.Minute)
	w.Sweep() // nobody has worked on it
	if b, _ = outcomes(w, w.Tenant, b.ID); b.Status != invitation.BulkTimedOut || w.Audited(w.Tenant, bulkFinished, 1) != 1 {
		t.Errorf("%+v", b)
	}
	w.RunBulks()
	if n := w.Directory.Users(w.Tenant.String()); n != 0 {
		t.Errorf("%d users after the end", n)
	}
	w.Clock.Advance(saga.BulkMemory + time.Minute)
	w.Sweep()
	if n := invitetest.Scalar[int](w, w.Tenant, "select (select count(*) from bulk_invitations) + (select count(*) from bulk_invitation_rows) + (select count(*) from timers where kind = 6)"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestABulkInvitationTimesOutBetweenRows(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	b := startBulk(w, admin, "ann@partner.example", "ben@partner.example")
	w.Directory.Cause(func(around string) error {
		if around == "after CreateExternalUser" {
			w.Clock.Advance(saga.BulkTime + time.Minute)
		}
		return nil
	})
	w.WorkOn(t.Context(), b.ID)
	if b, _ = outcomes(w, w.Tenant, b.ID); b.Status != invitation.BulkTimedOut || b.Succeeded != 1 || b.Failed != 0 {
		t.Errorf("%+v", b)
	}
}

// The queue may give a job to two processes.
func TestTwoProcessesDoEachRowOnce(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := bulkAdmin(w)
	const rows = 20
	addresses := make([]string, rows)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("guest%d@partner.example", i)
	}
	b := startBulk(w, admin, addresses...)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := w.Saga.WorkOnBulk(t.Context(), w.Tenant, b.ID); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if b, all := outcomes(w, w.Tenant, b.ID); b.Status != invitation.BulkCompleted || b.Succeeded != rows {
		t.Errorf("%+v, %+v", b, all)
	}
	settled(t, w)
	if users, mails, records := w.Directory.Users(w.Tenant.String()), len(w.Owed(w.Tenant)), w.Audited(w.Tenant, "Invite external user", 1); users != rows || mails != rows || records != rows {
		t.Errorf("%d users, %d mails, %d records", users, mails, records)
	}
	if n := w.Audited(w.Tenant, bulkFinished, 1); n != 1 {
		t.Errorf("%d records of the end", n)
	}
}

// A kill at any place costs no row, repeats none and sends no second mail.
func TestBulkRowsSurviveAKill(t *testing.T) {
	t.Parallel()
	act := func(w *invitetest.World) {
		b := startBulk(w, bulkAdmin(w), "ann@partner.example", "ben@partner.example", "own@contoso.example")
		w.WorkOn(w.T.Context(), b.ID)
	}
	killPoints(t, act, []string{"GetPrincipal", "FindInviteConflicts", "CreateExternalUser"}, func(t *testing.T, w *invitetest.World, _ bool) {
		t.Helper()
		for range 2 { // the queue may come twice
			if invitetest.Scalar[int](w, w.Tenant, "select count(*) from bulk_invitations") == 0 {
				return // it was killed before anything was promised
			}
			w.WorkOn(t.Context(), invitetest.Scalar[uuid.UUID](w, w.Tenant, "select id from bulk_invitations"))
		}
		settled(t, w)
		b, rows := outcomes(w, w.Tenant, invitetest.Scalar[uuid.UUID](w, w.Tenant, "select id from bulk_invitations"))
		if b.Status != invitation.BulkCompleted || b.Succeeded != 2 || b.Failed != 1 {
			t.Fatalf("%+v, %+v", b, rows)
		}
		for what, sql := range map[string]string{
			"invitations": "select count(*) from invitations where state = 2",
			"mails":       "select count(*) from mails",
			"records":     "select count(*) from audit_events where activity = 'Invite external user' and result = 1",
		} {
			if n := invitetest.Scalar[int](w, w.Tenant, sql); n != 2 {
				t.Fatalf("%d %s", n, what)
			}
		}
		if n := w.Audited(w.Tenant, "Invite external user", 2); n != 1 {
			t.Fatalf("%d records of the refusal", n)
		}
		if n := w.Audited(w.Tenant, bulkFinished, 1); n != 1 {
			t.Fatalf("%d records of the end", n)
		}
	})
}

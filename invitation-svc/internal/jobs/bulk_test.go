package jobs_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/jobs"
	"entente.dev/invitation-svc/internal/saga"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/riverqueue/river"
)

// A long file is done in turns, and what cannot be done now comes again without
// costing the job an attempt.
func TestBulkInvitationsAreDoneInTurns(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	admin := w.Mia
	admin.Roles = []caller.Role{{Template: "User Administrator", Scope: "/"}}
	w.Directory.Alter(w.Tenant.String(), admin.ObjectID.String(), func(p *directorypb.Principal) {
		p.Roles = []*directorypb.Principal_Role{{DisplayName: "User Administrator", Scope: "/"}}
	})
	file := string(invitation.BulkFormat().Template()) + strings.Repeat("ann@partner.example,https://contoso.example/\n", 100)
	b, err := w.Saga.StartBulk(w.As(admin), admin, []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	worker := &jobs.BulkInviter{Saga: w.Saga, Log: slog.New(slog.DiscardHandler)}
	work := func(tenant string) error {
		return worker.Work(t.Context(), &river.Job[saga.BulkJob]{Args: saga.BulkJob{Tenant: tenant, Bulk: b.ID}})
	}
	snoozed := func(err error, pause time.Duration) {
		t.Helper()
		var s *river.JobSnoozeError
		if !errors.As(err, &s) || s.Duration != pause {
			t.Fatalf("got %v, want a pause of %v", err, pause)
		}
	}
	w.Directory.Cause(func(string) error { return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "away") })
	snoozed(work(w.Tenant.String()), 5*time.Second)
	w.Directory.Cause(nil)
	snoozed(work(w.Tenant.String()), 0)
	if err := work(w.Tenant.String()); err != nil {
		t.Fatal(err)
	}
	if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from bulk_invitation_rows where outcome = 1"); n != 100 {
		t.Errorf("%d rows are done", n)
	}
	if status := invitetest.Scalar[int](w, w.Tenant, "select status from bulk_invitations"); invitation.BulkStatus(status) != invitation.BulkCompleted {
		t.Errorf("status %d", status)
	}
	if n := w.Directory.Users(w.Tenant.String()); n != 1 {
		t.Errorf("%d users", n)
	}
	var canceled *river.JobCancelError
	if err := work("nobody"); !errors.As(err, &canceled) {
		t.Error(err)
	}
}

package jobs_test

import (
	"testing"
	"time"

	"entente.dev/directory-svc/internal/jobs"
	"entente.dev/directory-svc/internal/lockout"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/usage"
	"github.com/google/uuid"
)

func TestRetentionForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	s, clock, home := open(t)
	u := insert(t, s, home, "ann", nil)
	write := func(fn func(*store.Tx) error) {
		t.Helper()
		if err := s.Write(t.Context(), home, fn); err != nil {
			t.Fatal(err)
		}
	}
	record := func(event string, at time.Time) {
		t.Helper()
		write(func(tx *store.Tx) error {
			row := &store.SignIn{ID: uuid.Must(uuid.NewV7()), EventID: event, At: at, UserID: u.ID, UserPrincipalName: u.UserPrincipalName, UserDisplayName: u.DisplayName}
			tx.CountUser(usage.Month(at), u.ID, usage.InternalGuest, "p")
			_, err := tx.InsertSignIn(row)
			return err
		})
	}
	record("old", start.AddDate(0, 0, -31))
	record("new", start.AddDate(0, 0, -29))
	record("long ago", start.AddDate(-2, -1, 0))
	record("kept", start.AddDate(-2, 0, 0))
	count := func() (n int) {
		t.Helper()
		page, err := s.ListSignIns(t.Context(), home, store.Listing{Order: store.SignInOrder(true), Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Items)
	}
	counted := func(id uuid.UUID) (out lockout.State, familiar bool) {
		t.Helper()
		err := s.Read(t.Context(), home, func(tx *store.Tx) (err error) {
			out, familiar, err = tx.Lockout(id, "192.0.2.0/24", start.Add(-lockout.FamiliarFor))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out, familiar
	}
	write(func(tx *store.Tx) error {
		tx.EndLockout(u.ID, false, "192.0.2.0/24", start)
		tx.SaveLockout(u.ID, true, lockout.State{Failures: 3, Recent: [][]byte{{1}}}, start)
		return nil
	})
	if got, familiar := counted(u.ID); !familiar || got.Failures != 3 || len(got.Recent) != 1 {
		t.Errorf("%+v %v", got, familiar)
	}
	r := &jobs.Retention{Store: s, Clock: clock, SignIns: 30 * 24 * time.Hour}
	for _, want := range []int{4, 0} { // three sign-ins and a month
		if n, err := r.RunOnce(t.Context()); err != nil || n != want {
			t.Fatalf("%d %v, want %d", n, err, want)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("%d sign-ins", n)
	}
	for month, want := range map[time.Time]int32{usage.Month(start.AddDate(-2, -1, 0)): 0, usage.Month(start.AddDate(-2, 0, 0)): 1} {
		if got, err := s.MonthlyUsers(t.Context(), home, month); err != nil || got[usage.InternalGuest] != want {
			t.Errorf("%v: %v %v", month, got, err)
		}
	}
	clock.Set(start.Add(25 * time.Hour))
	if _, err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, familiar := counted(u.ID); !familiar || got.Failures != 0 {
		t.Errorf("%+v %v", got, familiar)
	}
}

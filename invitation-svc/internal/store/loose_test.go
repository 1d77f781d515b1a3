package store_test

import (
	"errors"
	"testing"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/store"
	"github.com/google/uuid"
)

// TestLooselyHoldsUntilTheCommit whether or not the transaction has more than
// one round trip.
func TestLooselyHoldsUntilTheCommit(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	s := store.New(w.DB)
	for _, c := range []struct {
		loose, read bool
		want        string
	}{{true, false, "off"}, {false, false, "local"}, {true, true, "off"}, {false, true, "local"}} {
		err := s.Write(t.Context(), w.Tenant, func(tx store.Tx) error {
			tx.Queue("select set_config('synchronous_commit', 'local', true)") // whatever the server's default is
			if c.loose {
				tx.Loosely()
			}
			if c.read {
				if _, err := tx.Settings(); err != nil {
					return err
				}
			}
			tx.Queue(`insert into settings (tenant_id, redirect_hosts) values ($1, array[current_setting('synchronous_commit')])
				on conflict (tenant_id) do update set redirect_hosts = excluded.redirect_hosts`, tx.Tenant)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := invitetest.Scalar[[]string](w, w.Tenant, "select redirect_hosts from settings"); got[0] != c.want {
			t.Errorf("loose %v, read %v: synchronous_commit is %s", c.loose, c.read, got[0])
		}
	}
}

// TestAQueuedSaveComparesAsWell: with the commit comes the comparison, and
// nothing of the transaction stays when it fails.
func TestAQueuedSaveComparesAsWell(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	id := uuid.MustParse(w.Invite("alice@partner.example", nil).GetId())
	s := store.New(w.DB)
	save := func(from invitation.State) error {
		return s.Write(t.Context(), w.Tenant, func(tx store.Tx) error {
			i, err := tx.Invitation(id)
			if err != nil {
				return err
			}
			i.State = invitation.Revoked
			tx.SetTimer(store.SagaTimer, id, w.Clock.Now())
			tx.QueueSave(i, from)
			return nil
		})
	}
	timers := func() int {
		return invitetest.Scalar[int](w, w.Tenant, "select count(*) from timers where kind = 1")
	}
	if err := save(invitation.Creating); !errors.Is(err, store.ErrStale) || timers() != 0 {
		t.Fatalf("%v, %d timers", err, timers())
	}
	if err := save(invitation.Pending); err != nil || timers() != 1 {
		t.Fatalf("%v, %d timers", err, timers())
	}
}

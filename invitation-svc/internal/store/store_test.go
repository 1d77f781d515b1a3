package store_test

import (
	"strings"
	"testing"
	"time"

	"entente.dev/invitation-svc/internal/invitetest"
	"entente.dev/invitation-svc/internal/store"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
)

// TestTheSecondLayerRefuses leaves the tenant out of a query: row-level
// security shows nothing of others and takes nothing for them.
func TestTheSecondLayerRefuses(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	b := w.Open(w.Invite("alice@partner.example", invitetest.Mailed).GetInviteRedeemUrl())
	b.ToConsent()
	b.Must(invitetest.Consent(true), pb.FlowPage_Landed)
	tables := []string{"invitations", "tickets", "flows", "passcodes", "passcode_locks", "mails", "consents", "audit_events"}
	for _, table := range tables {
		if n := invitetest.Scalar[int](w, w.Tenant, "select count(*) from "+table); n == 0 {
			t.Errorf("%s is empty: the test proves nothing", table)
		}
		if n := invitetest.Scalar[int](w, w.Other, "select count(*) from "+table); n != 0 {
			t.Errorf("another tenant sees %d rows of %s", n, table)
		}
	}
	err := w.DB.Write(t.Context(), w.Other, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(tx.Context(), "insert into blocked_addresses (tenant_id, address_key, blocked_at) values ($1, 'x', now())", w.Tenant)
		return err
	})
	if pg.SQLState(err) != "42501" {
		t.Errorf("a row for another tenant: %v", err)
	}
	for _, sql := range []string{"update consents set language = 'x'", "delete from audit_events"} {
		err := w.DB.Write(t.Context(), w.Tenant, func(tx *pg.Tx) error {
			_, err := tx.Pgx().Exec(tx.Context(), sql)
			return err
		})
		if pg.SQLState(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestListsUseTheirIndexes fails on a sequential scan of a table that grows,
// as the serving role and with row-level security on.
func TestListsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	w.Invite("alice@partner.example", nil)
	err := w.DB.Write(t.Context(), w.Tenant, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(tx.Context(), `insert into invitations (tenant_id, id, user_id, state, action, address, address_key, display_name, user_type, redirect_url, send_message,
			language, message, cc, sponsors, inviter_kind, inviter_name, inviter_mail, inviter_guest, created_at, expires_at, completed_at)
			select tenant_id, gen_random_uuid(), gen_random_uuid(), 4, 1, 'u' || n || '@x.example', 'u' || n || '@x.example', '', 1, redirect_url, false, '', '', '', '{}', 1, '', '', false, created_at, expires_at, created_at
			from invitations, generate_series(1, 20000) n`)
		if err != nil {
			return err
		}
		_, err = tx.Pgx().Exec(tx.Context(), `insert into tickets (tenant_id, invitation_id, sum, class, created_at)
			select tenant_id, id, sha256(id::text::bytea), 1, created_at from invitations`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"by id":      "select * from invitations where tenant_id = $1 and id = '0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01'",
		"open":       "select * from invitations where tenant_id = $1 and user_id = '0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01' and state in (2, 3)",
		"latest":     "select * from invitations where tenant_id = $1 and user_id = '0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01' order by created_at desc, id desc limit 1",
		"of a user":  "select * from invitations where tenant_id = $1 and user_id = '0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01' order by created_at, id",
		"by address": "select * from invitations i where i.tenant_id = $1 and i.address_key = 'u77@x.example'",
		"tickets":    "select sum, class from tickets where tenant_id = $1 and invitation_id = '0b4e2f44-2b1c-4c62-a3b5-0f3f5a3fbb01' order by created_at",
		"first page": "select * from invitations i where i.tenant_id = $1 order by i.created_at desc, i.id desc limit 100",
	} {
		err := w.DB.Read(t.Context(), w.Tenant, func(tx *pg.Tx) error {
			rows, err := tx.Pgx().Query(tx.Context(), "explain "+sql, w.Tenant)
			if err != nil {
				return err
			}
			defer rows.Close()
			var plan strings.Builder
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					return err
				}
				plan.WriteString(line + "\n")
			}
			if strings.Contains(plan.String(), "Seq Scan") {
				t.Errorf("%s:\n%s", name, plan.String())
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTimersAreLeased: two sweepers never handle the same timer, and one that
// died leaves it to the next.
func TestTimersAreLeased(t *testing.T) {
	t.Parallel()
	w := invitetest.New(t)
	s, id := store.New(w.DB), tenant.New()
	at := w.Clock.Now()
	if err := s.Write(t.Context(), id, func(tx store.Tx) error {
		tx.SetTimer(store.ExpiryTimer, w.Mia.ObjectID, at.Add(time.Hour))
		tx.SetTimer(store.ExpiryTimer, w.Mia.ObjectID, at) // moved
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	due := func(now time.Time) (n int) {
		if err := s.Global(t.Context(), func(tx store.Tx) error {
			all, err := tx.DueTimers(now, 10, time.Minute)
			n = len(all)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{-time.Second, 0}, {0, 1}, {30 * time.Second, 0}, {time.Minute, 1}} {
		if got := due(at.Add(step.after)); got != step.want {
			t.Errorf("after %v: %d due, want %d", step.after, got, step.want)
		}
	}
}

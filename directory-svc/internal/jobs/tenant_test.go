package jobs_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/jobs"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func TestTenantIsPurgedToTheLastRow(t *testing.T) {
	t.Parallel()
	s, clk, home := open(t)
	for i := range 20 {
		insert(t, s, home, fmt.Sprint("u", i), nil)
	}
	logged := func(tx *store.Tx) error {
		tx.Change(store.Change{Type: object.User, ID: uuid.New(), Kind: store.Created})
		return audit.Write(t.Context(), tx.Tx, clk, audit.Event{Activity: "Add user", Category: "UserManagement", OperationType: "Add"})
	}
	if err := s.Write(t.Context(), home, logged); err != nil {
		t.Fatal(err)
	}
	purger := &jobs.TenantPurger{Store: s, Clock: clk, Log: slog.New(slog.DiscardHandler)}
	if n, err := purger.RunOnce(t.Context()); n != 0 || err != nil {
		t.Fatalf("an active tenant: %d, %v", n, err)
	}
	if _, err := s.PurgeTenant(t.Context(), home, clk.Now(), 10); err == nil {
		t.Fatal("the database purged a tenant that is not scheduled")
	}
	err := s.Write(t.Context(), home, func(tx *store.Tx) error {
		o, err := tx.LockTenant()
		if err != nil {
			return err
		}
		due := clk.Now().Add(time.Hour)
		o.State, o.DeletionScheduled = organization.Scheduled, &due
		return tx.SaveTenant(o)
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := purger.RunOnce(t.Context()); n != 0 || err != nil {
		t.Fatalf("before its time: %d, %v", n, err)
	}
	clk.Advance(time.Hour)
	if n, err := purger.RunOnce(t.Context()); n != 1 || err != nil {
		t.Fatalf("at its time: %d, %v", n, err)
	}
	var left []string
	err = s.DB().Read(t.Context(), home, func(tx *pg.Tx) error {
		rows, err := tx.Pgx().Query(tx.Context(), `select relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
			where c.relkind = 'r' and c.relnamespace = 'directory'::regnamespace`)
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(tables) < 20 {
			t.Errorf("only %d tables", len(tables))
		}
		for _, table := range tables {
			var n int
			if err := tx.Pgx().QueryRow(tx.Context(), "select count(*) from "+pgx.Identifier{table}.Sanitize()+" where tenant_id = $1", [16]byte(home)).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				left = append(left, fmt.Sprint(table, " ", n))
			}
		}
		return nil
	})
	if err != nil || len(left) > 0 {
		t.Errorf("left: %s, %v", strings.Join(left, ", "), err)
	}
	if ended, err := s.EndedTenants(t.Context(), time.Unix(0, 0), tenant.ID{}, 10); err != nil || len(ended) != 1 || ended[0].ID != home {
		t.Errorf("ended tenants %v, %v", ended, err)
	}
	again := &store.Tenant{Country: "NL", Tenant: organization.Tenant{ID: home, DisplayName: "Again", Type: organization.Workforce, State: organization.Active,
		InitialDomain: "contoso.onentente.example", Created: start}}
	if err := s.Write(t.Context(), home, func(tx *store.Tx) error { return tx.InsertTenant(again) }); err == nil {
		t.Error("the id of the tenant was used again")
	}
}

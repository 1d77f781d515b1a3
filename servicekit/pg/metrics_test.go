package pg_test

import (
	"testing"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/prometheus/client_golang/prometheus"
)

func TestCollectorShowsTheOldestWriter(t *testing.T) {
	t.Parallel()
	reg, id := prometheus.NewPedanticRegistry(), tenant.New()
	db, err := pg.Open(t.Context(), pg.Config{DSN: pgtest.Open(t, "sample", source).Pool().Config().ConnString(), Schema: "sample", Registry: reg}, nil)
	if err != nil {
		t.Fatal(err)
	}
	gauge := func(name string) float64 {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatalf("no %s", name)
		return 0
	}
	err = db.Write(t.Context(), id, func(tx *pg.Tx) error {
		if _, err := tx.Pgx().Exec(t.Context(), "select pg_current_xact_id()"); err != nil {
			return err
		}
		if age := gauge("entente_pg_oldest_write_seconds"); age <= 0 {
			t.Error("the writer does not show")
		}
		// A later one that ends is what nobody sees yet.
		later := func(tx *pg.Tx) error {
			_, err := tx.Pgx().Exec(t.Context(), "select pg_current_xact_id()")
			return err
		}
		if err := db.Write(t.Context(), id, later); err != nil {
			return err
		}
		if n := gauge("entente_pg_horizon_transactions"); n < 1 {
			t.Errorf("the horizon is %g", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	if left, err := reg.Gather(); err != nil || len(left) > 0 {
		t.Errorf("after the end: %d families, %v", len(left), err)
	}
}

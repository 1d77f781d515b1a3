package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/migrations"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func open(t *testing.T) (*Store, *pg.DB) {
	t.Helper()
	vault, err := NewVault(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	db := pgtest.Open(t, "sync", migrations.Sources...)
	return New(db, vault), db
}

func create(t *testing.T, s *Store, of tenant.ID) job.Job {
	t.Helper()
	j := job.Job{Tenant: of, Key: uuid.New(), ServicePrincipal: uuid.New(), Application: uuid.New(), AppID: "a", DisplayName: "n", Target: tenant.New(),
		State: job.Active, Code: job.NotRun, Interval: time.Hour, SchemaVersion: 1, DueAt: now, Settings: map[string]string{"k": "v"}}
	j.ID = job.NewID(mapping.TemplateID, of, j.Key)
	if err := s.Write(t.Context(), of, func(tx *Tx) error { return tx.CreateJob(j, mapping.Template("s", "r", "a", "b"), now) }); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestJobsComeBackAsTheyWereSaved(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	of := tenant.New()
	j := create(t, s, of)
	j.Watermark, j.Generation, j.ForceDeletes, j.SteadyFirst = "1 2", 7, true, now
	j.Cycle = &job.Cycle{ID: uuid.New(), Initial: true, Began: now, After: "x", Counts: job.Counts{Imported: 3}}
	j.Last = &job.Execution{ID: uuid.New(), Began: now, Ended: now, State: "Succeeded"}
	j.Quarantine = &job.Quarantine{Reason: "TooManyDeletes", SeriesBegan: now}
	var got job.Job
	if err := s.Write(t.Context(), of, func(tx *Tx) error {
		if err := tx.SaveJob(j); err != nil {
			return err
		}
		var err error
		got, err = tx.JobID(j.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(j, got); diff != "" {
		t.Errorf("(-saved +loaded):\n%s", diff)
	}
}

func TestOtherTenantsSeeNoRows(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	j := create(t, s, tenant.New())
	stranger := tenant.New()
	err := s.Read(t.Context(), stranger, func(tx *Tx) error {
		_, err := tx.JobID(j.ID)
		return err
	})
	if !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		t.Errorf("a stranger reads the job: %v", err)
	}
	// The second layer: without the condition of the query, row-level security.
	for _, table := range []string{"jobs", "job_schemas", "secrets", "links", "escrows", "staged_deletions", "batches", "provisioning_log"} {
		var n int
		if err := s.Read(t.Context(), stranger, func(tx *Tx) error {
			return tx.Pgx().QueryRow(t.Context(), "select count(*) from "+table).Scan(&n)
		}); err != nil || n != 0 {
			t.Errorf("a stranger sees %d rows of %s, %v", n, table, err)
		}
	}
	err = s.Write(t.Context(), stranger, func(tx *Tx) error {
		tx.Queue("insert into secrets (tenant_id, service_principal_id, key, sealed) values ($1, $2, 'k', '')", j.Tenant, j.ServicePrincipal)
		return nil
	})
	if pg.SQLState(err) != "42501" {
		t.Errorf("a stranger writes: %v", err)
	}
}

func TestLeases(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, tenant.New())
	a, b := uuid.New(), uuid.New()
	first, err := s.Claim(t.Context(), a, now, time.Minute, 5)
	if err != nil || len(first) != 1 {
		t.Fatalf("claimed %v, %v", first, err)
	}
	if again, err := s.Claim(t.Context(), b, now.Add(59*time.Second), time.Minute, 5); err != nil || len(again) != 0 {
		t.Errorf("claimed a held job: %v, %v", again, err)
	}
	if err := s.Renew(t.Context(), first[0], now.Add(2*time.Minute)); err != nil {
		t.Error(err)
	}
	second, err := s.Claim(t.Context(), b, now.Add(3*time.Minute), time.Minute, 5)
	if err != nil || len(second) != 1 || second[0].Fence <= first[0].Fence {
		t.Fatalf("taken over: %v, %v", second, err)
	}
	if err := s.Renew(t.Context(), first[0], now.Add(9*time.Minute)); !fault.Is(err, errorspb.Reason_FENCED) {
		t.Errorf("the old holder renews: %v", err)
	}
	if err := s.Release(t.Context(), second[0]); err != nil {
		t.Error(err)
	}
	if third, err := s.Claim(t.Context(), a, now.Add(3*time.Minute), time.Minute, 5); err != nil || len(third) != 1 {
		t.Errorf("after release: %v, %v", third, err)
	}
}

func TestSecretsAreSealedForTheirPlace(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	of := tenant.New()
	sp, other := uuid.New(), uuid.New()
	if err := s.Write(t.Context(), of, func(tx *Tx) error { return tx.SaveSecrets(sp, map[string]string{"SecretToken": "canary-1234"}) }); err != nil {
		t.Fatal(err)
	}
	var sealed []byte
	if err := db.Read(t.Context(), of, func(tx *pg.Tx) error {
		return tx.Pgx().QueryRow(t.Context(), "select sealed from secrets").Scan(&sealed)
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "canary") {
		t.Error("the value is stored in the clear")
	}
	if err := s.Write(t.Context(), of, func(tx *Tx) error {
		tx.Queue("update secrets set service_principal_id = $1", other)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Read(t.Context(), of, func(tx *Tx) error { _, err := tx.Secrets(other); return err }); err == nil {
		t.Error("a value that was moved elsewhere opens")
	}
	if _, err := NewVault(make([]byte, 16)); err == nil {
		t.Error("a short master key is accepted")
	}
}

// TestQueriesUseIndexes runs as the serving role over many rows.
func TestQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	of := tenant.New()
	j := create(t, s, of)
	var links []Link
	var records []Record
	for range 3000 {
		links = append(links, Link{Source: uuid.New(), Target: uuid.New(), State: Linked})
		records = append(records, Record{ID: uuid.New(), ChangeID: uuid.New(), At: now.Add(time.Duration(len(records)) * time.Second)})
	}
	if err := s.Write(t.Context(), of, func(tx *Tx) error {
		tx.SaveLinks(j.Key, links, now)
		return tx.AppendLog(records)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.RefreshStatistics(t.Context()); err != nil {
		t.Fatal(err)
	}
	for query, args := range map[string][]any{
		"select 1 from links where tenant_id = $1 and job_key = $2 and source_id > $3 and source_id <= $4":        {of, j.Key, links[0].Source, links[1].Source},
		"select 1 from links where tenant_id = $1 and job_key = $2 and source_id = any($3)":                       {of, j.Key, []uuid.UUID{links[0].Source}},
		"select 1 from links where tenant_id = $1 and job_key = $2 and target_id = any($3) and state in (1, 2)":   {of, j.Key, []uuid.UUID{links[0].Target}},
		"select 1 from provisioning_log where tenant_id = $1 order by at desc, id desc limit 100":                 {of},
		"select 1 from escrows where tenant_id = $1 and job_key = $2 and next_at <= $3 order by next_at limit 10": {of, j.Key, now},
	} {
		var plan []string
		if err := db.Read(t.Context(), of, func(tx *pg.Tx) error {
			if _, err := tx.Pgx().Exec(t.Context(), "set local enable_seqscan = off"); err != nil {
				return err
			}
			rows, err := tx.Pgx().Query(t.Context(), "explain "+query, args...)
			if err != nil {
				return err
			}
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(plan, "\n"); strings.Contains(text, "Seq Scan") || !strings.Contains(text, "Index") {
			t.Errorf("%s\n%s", query, text)
		}
	}
}

func TestStagedAndEscrows(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	of := tenant.New()
	j := create(t, s, of)
	a, b := uuid.New(), uuid.New()
	if err := s.Write(t.Context(), of, func(tx *Tx) error {
		fresh, err := tx.SaveStaged(j.Key, []Staged{{a, "a"}, {b, "b"}}, now)
		if err != nil || len(fresh) != 2 {
			return fmt.Errorf("fresh %v: %w", fresh, err)
		}
		if fresh, err = tx.SaveStaged(j.Key, []Staged{{a, "a"}}, now); err != nil || len(fresh) != 0 {
			return fmt.Errorf("fresh again %v: %w", fresh, err)
		}
		tx.DropStagedExcept(j.Key, []Staged{{b, "b"}})
		tx.SaveEscrows(j.Key, []Escrow{{Source: a, Code: "X", FirstAt: now, NextAt: now.Add(time.Hour), Attempts: 1}, {Source: b, Code: "Y", FirstAt: now, NextAt: now}})
		left, err := tx.Staged(j.Key)
		if err != nil || len(left) != 1 || left[0] != b {
			return fmt.Errorf("staged %v: %w", left, err)
		}
		due, err := tx.DueEscrows(j.Key, now, 10)
		if err != nil || len(due) != 1 || due[0] != b {
			return fmt.Errorf("due %v: %w", due, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

package pg_test

import (
	"testing"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// BenchmarkThreeRows compares the shapes a write of three rows can have.
func BenchmarkThreeRows(b *testing.B) {
	db, id := pgtest.Open(b, "sample", source), tenant.New()
	const insert = "insert into things (tenant_id, id, name) values ($1, $2, $3)"
	const note = "insert into journal (text) values ($1)"
	for name, fn := range map[string]func(*pg.Tx) error{
		"queued": func(tx *pg.Tx) error {
			u := uuid.Must(uuid.NewV7())
			if err := tx.QueueCreate(&thing{TenantID: id, ID: u, Name: u.String()}); err != nil {
				return err
			}
			tx.Queue(note, "a")
			tx.Queue(note, "b")
			return nil
		},
		"one by one": func(tx *pg.Tx) error {
			u := uuid.Must(uuid.NewV7())
			if err := tx.Gorm().Create(&thing{TenantID: id, ID: u, Name: u.String()}).Error; err != nil {
				return err
			}
			for _, text := range []string{"a", "b"} {
				if _, err := tx.Pgx().Exec(tx.Context(), note, text); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := db.Write(b.Context(), id, fn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("pgx alone", func(b *testing.B) {
		conn, err := db.Pool().Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Release()
		for b.Loop() {
			u := uuid.Must(uuid.NewV7())
			batch := &pgx.Batch{}
			batch.Queue("begin")
			batch.Queue("select set_config('app.tenant_id', $1, true)", id.String())
			batch.Queue(insert, id, u, u.String())
			batch.Queue(note, "a")
			batch.Queue(note, "b")
			batch.Queue("commit")
			if err := conn.SendBatch(b.Context(), batch).Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReadOne(b *testing.B) {
	db, id := pgtest.Open(b, "sample", source), tenant.New()
	row := newThing(id, "x")
	if err := db.Write(b.Context(), id, func(tx *pg.Tx) error { return tx.QueueCreate(row) }); err != nil {
		b.Fatal(err)
	}
	b.Run("gorm", func(b *testing.B) {
		for b.Loop() {
			err := db.Read(b.Context(), id, func(tx *pg.Tx) error {
				var got thing
				return tx.Gorm().Take(&got, "tenant_id = ? and id = ?", id, row.ID).Error
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			batch := &pgx.Batch{}
			var got thing
			batch.Queue("select tenant_id, id, name, made_at from things where tenant_id = $1 and id = $2", id, row.ID).
				QueryRow(func(r pgx.Row) error { return r.Scan(&got.TenantID, &got.ID, &got.Name, &got.MadeAt) })
			if err := db.ReadBatch(b.Context(), id, batch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

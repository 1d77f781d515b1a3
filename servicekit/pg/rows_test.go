package pg_test

import (
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const wide = `
create table wide (
	tenant_id uuid not null, seq bigint generated always as identity, id uuid, name text collate "C", flag boolean, at timestamptz, kind smallint, n int,
	many bigint, doc jsonb, words text[], ids uuid[], holes text[]);
alter table wide enable row level security;
alter table wide force row level security;
create policy tenant on wide using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
`

func TestRowsTravelTogether(t *testing.T) {
	t.Parallel()
	db, id := pgtest.Open(t, "sample", pg.Source{Name: "wide", FS: fstest.MapFS{"0001_wide.sql": {Data: []byte(wide)}}}), tenant.New()
	columns := []pg.Column{{Name: "id", Type: "uuid"}, {Name: "name", Type: "text"}, {Name: "flag", Type: "boolean"}, {Name: "at", Type: "timestamptz"},
		{Name: "kind", Type: "smallint"}, {Name: "n", Type: "int"}, {Name: "many", Type: "bigint"}, {Name: "doc", Type: "jsonb"},
		{Name: "words", Type: "text[]"}, {Name: "ids", Type: "uuid[]"}, {Name: "holes", Type: "text[]"}}
	key, at, hole := uuid.New(), time.Date(2024, 5, 1, 12, 0, 0, 1000, time.UTC), `x`
	words := []string{"", `a"b\c`, "NULL", "{x, y}", "ü\n"}
	rows := [][]any{
		{nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil},
		{[16]byte(key), `'; drop table wide; --`, true, at, int16(7), int32(8), int64(9), `{"a": [1]}`, words, [][16]byte{key, uuid.Nil}, []*string{&hole, nil}},
		{nil, "", false, nil, int16(-1), nil, nil, nil, []string{}, nil, nil},
	}
	if err := db.Write(t.Context(), id, func(tx *pg.Tx) error {
		tx.QueueRows("wide", columns, nil)
		tx.QueueRows("wide", columns, rows)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	type row struct {
		ID    *uuid.UUID
		Name  *string
		Flag  *bool
		At    *time.Time
		Kind  *int16
		N     *int32
		Many  *int64
		Doc   *string
		Words []string
		IDs   []uuid.UUID
		Holes []*string
	}
	var got []row
	if err := db.Read(t.Context(), id, func(tx *pg.Tx) error {
		found, err := tx.Pgx().Query(tx.Context(), "select id, name, flag, at, kind, n, many, doc::text, words, ids, holes from wide where tenant_id = $1 order by seq", [16]byte(id))
		if err != nil {
			return err
		}
		got, err = pgx.CollectRows(found, pgx.RowToStructByPos[row])
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 {
		t.Fatalf("%d rows, want 3", len(got))
	}
	if r := got[0]; r.ID != nil || r.Name != nil || r.Flag != nil || r.At != nil || r.Kind != nil || r.Doc != nil || r.Words != nil || r.IDs != nil || r.Holes != nil {
		t.Errorf("nulls became %+v", r)
	}
	r := got[1]
	if *r.ID != key || *r.Name != `'; drop table wide; --` || !*r.Flag || !r.At.Equal(at) || *r.Kind != 7 || *r.N != 8 || *r.Many != 9 || *r.Doc != `{"a": [1]}` {
		t.Errorf("values became %+v", r)
	}
	if !slices.Equal(r.Words, words) || !slices.Equal(r.IDs, []uuid.UUID{key, uuid.Nil}) || len(r.Holes) != 2 || *r.Holes[0] != hole || r.Holes[1] != nil {
		t.Errorf("lists became %q, %v, %v", r.Words, r.IDs, r.Holes)
	}
	if r := got[2]; *r.Name != "" || *r.Flag || *r.Kind != -1 || r.Words == nil || len(r.Words) != 0 {
		t.Errorf("empty values became %+v", r)
	}
}

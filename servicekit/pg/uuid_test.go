package pg_test

import (
	"slices"
	"testing"

	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

func TestIDsTravelInEveryForm(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t, "sample", source)
	id, owner := uuid.New(), tenant.New()
	var none *uuid.UUID
	var nobody *tenant.ID
	var zero tenant.ID
	forms := map[string]any{"uuid": id, "pointer": &id, "bytes": [16]byte(id), "text": id.String(), "nil": none, "null": nil,
		"tenant": owner, "tenant pointer": &owner, "no tenant": nobody, "zero tenant": zero, "zero tenant pointer": &zero}
	for name, v := range forms {
		var whole, kept uuid.UUID
		var optional *uuid.UUID
		var raw [16]byte
		var text *string
		kept = id
		err := db.GlobalRead(t.Context(), func(tx *pg.Tx) error {
			return tx.Pgx().QueryRow(tx.Context(), "select coalesce($1::uuid, $2), $1::uuid, $1::uuid, coalesce($1::uuid, $2), $1::uuid::text", v, uuid.Max).
				Scan(&whole, &optional, &kept, &raw, &text)
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := id
		switch name {
		case "tenant", "tenant pointer":
			want = uuid.UUID(owner)
		case "nil", "null", "no tenant", "zero tenant", "zero tenant pointer":
			if whole != uuid.Max || optional != nil || kept != id || text != nil {
				t.Errorf("%s became %v, %v, %v, %v", name, whole, optional, kept, text)
			}
			continue
		}
		if whole != want || optional == nil || *optional != want || kept != want || raw != want || *text != want.String() {
			t.Errorf("%s became %v, %v, %v, %v, %s", name, whole, optional, kept, raw, *text)
		}
	}
	var ids []uuid.UUID
	var optional []*uuid.UUID
	var found tenant.ID
	if err := db.GlobalRead(t.Context(), func(tx *pg.Tx) error {
		return tx.Pgx().QueryRow(tx.Context(), "select $1::uuid[], $2::uuid[], $3::uuid", []uuid.UUID{id, uuid.Nil}, []*uuid.UUID{nil, &id}, owner).Scan(&ids, &optional, &found)
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids, []uuid.UUID{id, uuid.Nil}) || len(optional) != 2 || optional[0] != nil || *optional[1] != id || found != owner {
		t.Errorf("lists became %v, %v, %v", ids, optional, found)
	}
}

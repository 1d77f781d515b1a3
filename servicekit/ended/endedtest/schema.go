package endedtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Directory is a directory-svc that knows which tenants ended, and nothing else.
type Directory struct {
	directorypb.UnimplementedTenantDirectoryServiceServer
	Ended tenant.ID
}

// ListEndedTenants answers the one tenant.
func (d Directory) ListEndedTenants(context.Context, *directorypb.ListEndedTenantsRequest) (*directorypb.ListEndedTenantsResponse, error) {
	return &directorypb.ListEndedTenantsResponse{Tenants: []*directorypb.EndedTenant{{TenantId: d.Ended.String(), EndedAt: timestamppb.New(time.Unix(1, 0))}}}, nil
}

// patience is how long Check waits for rows to go.
const patience = 30 * time.Second

// Check fills the schema with rows of two tenants, runs the service, which
// asks a Directory that knows gone, and demands that every row of gone goes and
// every row of the other tenant stays.
func Check(t testing.TB, db *pg.DB, gone tenant.ID, run func(context.Context) error) {
	t.Helper()
	stays := tenant.New()
	Fill(t, db, gone)
	Fill(t, db, stays)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = run(ctx) // ends with ctx
	}()
	defer func() {
		cancel()
		<-ran
	}()
	left := func(of tenant.ID) (n int, tables []string) {
		for table, rows := range Rows(t, db, of) {
			if n += rows; rows > 0 {
				tables = append(tables, table)
			}
		}
		return n, tables
	}
	filled, _ := left(stays)
	for {
		n, tables := left(gone)
		if n == 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("rows of the ended tenant stay in %v", tables)
		}
	}
	if n, tables := left(stays); n != filled {
		t.Errorf("%d rows of the other tenant stay, in %v, want %d", n, tables, filled)
	}
}

// Fill gives a tenant one row in every table that has a tenant_id. Values
// mean nothing: each is one of its type that the constraints of tables admit,
// and nothing is due before long.
func Fill(t testing.TB, db *pg.DB, of tenant.ID) {
	t.Helper()
	err := db.Write(t.Context(), of, func(tx *pg.Tx) error {
		names, err := tables(tx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := fill(tx, name); err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("fill the schema: %v", err)
	}
}

// Rows counts the rows of a tenant in every table that has a tenant_id.
func Rows(t testing.TB, db *pg.DB, of tenant.ID) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := db.Read(t.Context(), of, func(tx *pg.Tx) error {
		names, err := tables(tx)
		if err != nil {
			return err
		}
		for _, name := range names {
			var n int
			sql := "select count(*) from " + pgx.Identifier{name}.Sanitize() + " where tenant_id = $1"
			if err := tx.Pgx().QueryRow(tx.Context(), sql, of.UUID()).Scan(&n); err != nil {
				return err
			}
			out[name] = n
		}
		return nil
	})
	if err != nil {
		t.Fatalf("count rows: %v", err)
	}
	return out
}

// tables lists those with a tenant_id, referred ones before those that refer.
func tables(tx *pg.Tx) ([]string, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `
		with recursive held(id, name) as (
			select c.oid, c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
			where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
		), refers(id, steps) as (
			select id, 0 from held
			union
			select f.conrelid, r.steps + 1 from refers r join pg_constraint f on f.confrelid = r.id and f.contype = 'f' and f.conrelid <> r.id
			where r.steps < 30
		)
		select name from held join refers using (id) group by name order by max(steps), name`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// values are what a column of a type gets; ids are all the same, so that every
// reference fits.
var values = map[string]string{
	"uuid": "'11111111-1111-4111-8111-111111111111'", "int2": "1", "int4": "1", "int8": "1", "bool": "false", "text": "'x'", "timestamptz": "'2999-01-01'",
	"jsonb": "'{}'", "bytea": "decode(repeat('00', 32), 'hex')",
}

func fill(tx *pg.Tx, table string) error {
	rows, err := tx.Pgx().Query(tx.Context(), `select a.attname, t.typname from pg_attribute a join pg_type t on t.oid = a.atttypid
		where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef and a.attname <> 'tenant_id'`,
		pgx.Identifier{table}.Sanitize())
	if err != nil {
		return err
	}
	columns, literals := []string{"tenant_id"}, []string{"'" + tx.Tenant.String() + "'"}
	var column, kind string
	_, err = pgx.ForEachRow(rows, []any{&column, &kind}, func() error {
		literal := values[kind]
		if strings.HasPrefix(kind, "_") {
			literal = "'{}'"
		}
		if literal == "" {
			return fmt.Errorf("column %s: no value of type %s", column, kind)
		}
		columns, literals = append(columns, pgx.Identifier{column}.Sanitize()), append(literals, literal)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = tx.Pgx().Exec(tx.Context(), "insert into "+pgx.Identifier{table}.Sanitize()+" ("+strings.Join(columns, ", ")+") values ("+strings.Join(literals, ", ")+")")
	return err
}

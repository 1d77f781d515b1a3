package pg

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Marks in the comment of a table.
const (
	markAppendOnly = "@append-only"
	markReadOnly   = "@read-only"
	markGlobal     = "@global"
)

// verifyIsolation demands forced row-level security with a policy on every
// table that has a tenant_id.
func verifyIsolation(ctx context.Context, conn *pgx.Conn, schema string) error {
	rows, err := conn.Query(ctx, `
		select c.relname from pg_class c
		join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
		where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p')
		and coalesce(obj_description(c.oid, 'pg_class'), '') not like '%' || $2 || '%'
		and not (c.relrowsecurity and c.relforcerowsecurity
			and exists (select from pg_policy p where p.polrelid = c.oid))
		order by 1`, quoteIdent(schema), markGlobal)
	if err != nil {
		return err
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return fmt.Errorf("tables %s of schema %s have a tenant_id and no forced row-level security with a policy; "+
			"add it, or say %s in the table's comment", strings.Join(open, ", "), schema, markGlobal)
	}
	return nil
}

// grant gives the serving role its rights, table by table, and takes what it
// should not have.
func grant(ctx context.Context, conn *pgx.Conn, schema, role string) error {
	if role == "" {
		return nil
	}
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", role).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("role %s does not exist; create it before migrating", role)
	}
	in, to := quoteIdent(schema), quoteIdent(role)
	statements := []string{
		"grant usage on schema " + in + " to " + to,
		"grant usage, select on all sequences in schema " + in + " to " + to,
		"grant execute on all functions in schema " + in + " to " + to,
	}
	rows, err := conn.Query(ctx, `select relname, coalesce(obj_description(oid, 'pg_class'), '') from pg_class
		where relnamespace = to_regnamespace($1) and relkind in ('r', 'p', 'v', 'm') order by 1`, in)
	if err != nil {
		return err
	}
	var table, comment string
	_, err = pgx.ForEachRow(rows, []any{&table, &comment}, func() error {
		rights := "select, insert, update, delete"
		switch {
		case strings.Contains(comment, markAppendOnly):
			rights = "select, insert"
		case strings.Contains(comment, markReadOnly), table == "schema_migrations":
			rights = "select"
		}
		name := in + "." + quoteIdent(table)
		statements = append(statements, "revoke all on "+name+" from "+to, "grant "+rights+" on "+name+" to "+to)
		return nil
	})
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
}

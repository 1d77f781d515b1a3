package fill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// insert copies one row of the prototype: $1 is the row as JSON, $2 and $3 are
// the first and last copy.
type insert struct {
	table, text string
	row         string
}

// column is one column of a table as the catalogue has it.
type column struct {
	name, typ string
	// computed is set when the server gives the value itself: generated and
	// identity columns, and the transaction's number.
	computed bool
	key      bool // part of the primary key
}

type table struct {
	name    string // qualified and quoted
	columns []column
}

const tablesQuery = `select format('%I.%I', n.nspname, c.relname), a.attname, format_type(a.atttypid, a.atttypmod),
		a.attgenerated <> '' or a.attidentity <> '' or a.atttypid = 'xid8'::regtype,
		coalesce(a.attnum = any(i.indkey), false)
	from pg_class c
	join pg_namespace n on n.oid = c.relnamespace
	join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	left join pg_index i on i.indrelid = c.oid and i.indisprimary
	where n.nspname = $1 and c.relkind = 'r'
		and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id')
	order by c.oid, a.attnum`

// inserts finds the prototype's rows, parents before children as the tables
// were made.
func (db DB) inserts(ctx context.Context, s Spec) ([]insert, error) {
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tables, err := readTables(ctx, conn, s.Schema)
	if err != nil {
		return nil, err
	}
	var out []insert
	for _, t := range tables {
		query, args, ok := t.find(s)
		if !ok {
			continue
		}
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("find the prototype in %s: %w", t.name, err)
		}
		for _, row := range found {
			i, err := t.insert(s, row)
			if err != nil {
				return nil, err
			}
			out = append(out, i)
		}
	}
	return out, nil
}

func readTables(ctx context.Context, conn *pgx.Conn, schema string) ([]table, error) {
	rows, err := conn.Query(ctx, tablesQuery, schema)
	if err != nil {
		return nil, err
	}
	var out []table
	var name string
	var c column
	_, err = pgx.ForEachRow(rows, []any{&name, &c.name, &c.typ, &c.computed, &c.key}, func() error {
		if len(out) == 0 || out[len(out)-1].name != name {
			out = append(out, table{name: name})
		}
		t := &out[len(out)-1]
		t.columns = append(t.columns, c)
		return nil
	})
	return out, err
}

// find is the query for the prototype's rows; false when the table has no
// column for an anchor.
func (t table) find(s Spec) (query string, args []any, ok bool) {
	var ids []string
	for _, c := range t.columns {
		if c.typ == "uuid" && c.name != "tenant_id" {
			ids = append(ids, "t."+quote(c.name))
		}
	}
	if len(ids) == 0 {
		return "", nil, false
	}
	query, args = "select to_jsonb(t)::text from "+t.name+" t where tenant_id = $1::text::uuid", []any{s.Tenant}
	for _, a := range s.Anchors {
		args = append(args, a)
		query += fmt.Sprintf(" and $%d::text::uuid in (%s)", len(args), strings.Join(ids, ", "))
	}
	return query, args, true
}

// insert writes the statement that copies a row.
func (t table) insert(s Spec, row string) (insert, error) {
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(row), &values); err != nil {
		return insert{}, fmt.Errorf("read a row of %s: %w", t.name, err)
	}
	var names, exprs []string
	for _, c := range t.columns {
		if expr, set := s.Set[c.name]; set {
			names, exprs = append(names, quote(c.name)), append(exprs, expr)
			continue
		}
		if c.computed || string(values[c.name]) == "null" {
			continue
		}
		expr, replaced := "t."+quote(c.name), false
		for _, r := range s.Replace {
			if strings.Contains(string(values[c.name]), r.Old) {
				if !replaced {
					expr += "::text"
				}
				expr, replaced = "replace("+expr+", '"+r.Old+"', "+r.SQL+")", true
			}
		}
		switch {
		case replaced:
			expr += "::" + c.typ
		case c.key && c.typ == "uuid" && c.name != "tenant_id" && !slices.Contains(s.Anchors, strings.Trim(string(values[c.name]), `"`)):
			// A row with an id of its own, such as a log's.
			expr = "gen_random_uuid()"
		}
		names, exprs = append(names, quote(c.name)), append(exprs, expr)
	}
	return insert{table: t.name, row: row, text: "insert into " + t.name + " (" + strings.Join(names, ", ") + ") select " + strings.Join(exprs, ", ") +
		" from jsonb_populate_record(null::" + t.name + ", $1::text::jsonb) t, generate_series($2::bigint, $3::bigint) n" + t.made()}, nil
}

// made leaves rows alone that a trigger has made already.
func (t table) made() string {
	var keys []string
	for _, c := range t.columns {
		if c.key {
			keys = append(keys, quote(c.name))
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return " on conflict (" + strings.Join(keys, ", ") + ") do nothing"
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

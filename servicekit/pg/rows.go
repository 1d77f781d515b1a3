package pg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Column is a column that QueueRows fills.
type Column struct {
	Name string
	// Type is the SQL type. Values of uuid, text, boolean, timestamptz and of the
	// numbers travel as they are; those of other types travel as text, lists of
	// texts or ids included.
	Type string
}

// QueueRows queues one INSERT of many rows of the tenant: the columns travel as
// arrays through unnest, since PostgreSQL does not COPY into tables with
// row-level security. What a statement costs by itself, whatever it inserts,
// is spent once: opening every index, planning, parsing checks and policies.
// Each row has one value per column, nil for null; tenant_id is no column of
// it. Rows are inserted in their order.
func (tx *Tx) QueueRows(table string, columns []Column, rows [][]any) {
	if len(rows) == 0 {
		return
	}
	args := make([]any, 1, 1+len(columns))
	args[0] = [16]byte(tx.Tenant)
	var names, values, arrays, aliases strings.Builder
	for i, c := range columns {
		element, cast := c.Type, ""
		if !travels[c.Type] {
			element, cast = "text", "::"+c.Type
		}
		list := make(pgtype.FlatArray[any], len(rows))
		for k, row := range rows {
			list[k] = row[i]
			if cast != "" {
				list[k] = literal(row[i])
			}
		}
		args = append(args, list)
		n := strconv.Itoa(i)
		names.WriteString(", " + c.Name)
		values.WriteString(", c" + n + cast)
		if i > 0 {
			arrays.WriteString(", ")
			aliases.WriteString(", ")
		}
		arrays.WriteString("$" + strconv.Itoa(len(args)) + "::" + element + "[]")
		aliases.WriteString("c" + n)
	}
	tx.Queue("insert into "+table+" (tenant_id"+names.String()+") select $1::uuid"+values.String()+
		" from unnest("+arrays.String()+") as rows ("+aliases.String()+")", args...)
}

var travels = map[string]bool{"uuid": true, "text": true, "boolean": true, "timestamptz": true, "smallint": true, "int": true, "bigint": true}

// literal is a value of a column whose type does not travel, as text.
func literal(v any) any {
	switch v := v.(type) {
	case []string:
		return list(v, func(b *strings.Builder, s string) { quoted(b, s) })
	case []*string:
		return list(v, func(b *strings.Builder, s *string) {
			if s == nil {
				b.WriteString("NULL")
				return
			}
			quoted(b, *s)
		})
	case [][16]byte:
		return list(v, func(b *strings.Builder, id [16]byte) { b.WriteString(uuid.UUID(id).String()) })
	case nil, string:
		return v
	}
	panic(fmt.Sprintf("pg: a %T does not travel as text", v))
}

// list is the text of an array.
func list[T any](elements []T, write func(*strings.Builder, T)) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		write(&b, e)
	}
	b.WriteByte('}')
	return b.String()
}

func quoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}

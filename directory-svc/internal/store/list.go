package store

import (
	"context"
	"slices"

	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Listing asks for one page of a list.
type Listing struct {
	// Where are conditions that must all hold; empty ones hold always.
	Where []odata.SQL
	Order odata.Order
	After *odata.Position // nil for the first page
	// Limit is the size of the page.
	Limit int
	// Count asks for the number of all that match.
	Count bool
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	// Last is the position of the last item, set when more follow.
	Last *odata.Position
	// Count is set when it was asked for.
	Count *int32
}

// source is a table to list from: what to select, from where, under which
// fixed condition, and how to read a row. The condition's first `?` is the
// tenant.
type source[T any] struct {
	columns, from, where string
	args                 []any
	inOrder              bool // see inOrder
	// scan reads a row whose last column goes to key, and answers its id.
	scan func(row scanner, key **string) (T, uuid.UUID, error)
}

// statements are the text and arguments of a page and of its count; the count
// is empty where it is not asked for.
func (src source[T]) statements(t tenant.ID, l Listing) (list, count odata.SQL) {
	where := matching(t, src.where, src.args, l.Where)
	if l.Count {
		count = odata.SQL{Text: "select count(*) from " + src.from + " where " + where.Text, Args: where.Args}
	}
	if l.After != nil {
		after := l.Order.After(*l.After)
		where = odata.SQL{Text: where.Text + " and " + after.Text, Args: append(slices.Clip(where.Args), after.Args...)}
	}
	return odata.SQL{Text: "select " + src.columns + ", " + l.Order.Key() + " from " + src.from + " where " + where.Text + " order by " + l.Order.By() + " limit ?",
		Args: append(slices.Clip(where.Args), l.Limit+1)}, count
}

// matching joins a fixed condition, whose first argument is the tenant, with
// further ones.
func matching(t tenant.ID, fixed string, args []any, more []odata.SQL) odata.SQL {
	where := odata.SQL{Text: fixed, Args: append([]any{[16]byte(t)}, args...)}
	for _, w := range more {
		if !w.IsZero() {
			where = odata.SQL{Text: where.Text + " and " + w.Text, Args: append(where.Args, w.Args...)}
		}
	}
	return where
}

// page reads one page, and the count where asked, in a single round trip.
func page[T any](ctx context.Context, s *Store, t tenant.ID, src source[T], l Listing) (Page[T], error) {
	list, counted := src.statements(t, l)
	batch := &pgx.Batch{}
	var out Page[T]
	if !counted.IsZero() {
		batch.Queue(counted.Numbered(1), counted.Args...).QueryRow(func(row pgx.Row) error { return row.Scan(&out.Count) })
	}
	out.Items = make([]T, 0, min(l.Limit, 100))
	if src.inOrder {
		batch.Queue(inOrder)
	}
	batch.Queue(list.Numbered(1), list.Args...).Query(func(rows pgx.Rows) error {
		defer rows.Close()
		var last odata.Position
		var lastID uuid.UUID
		for rows.Next() {
			if len(out.Items) == l.Limit {
				last.ID = lastID.String()
				out.Last = &last
				continue // the row behind the page only tells that there is one
			}
			last.Value = nil
			item, id, err := src.scan(rows, &last.Value)
			if err != nil {
				return err
			}
			lastID = id
			out.Items = append(out.Items, item)
		}
		return rows.Err()
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

// count counts what matches.
func count(ctx context.Context, s *Store, t tenant.ID, from, fixed string, args []any, conditions []odata.SQL) (int32, error) {
	where := matching(t, fixed, args, conditions)
	var n int32
	batch := &pgx.Batch{}
	batch.Queue("select count(*) from "+from+" where "+where.Numbered(1), where.Args...).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	return n, s.db.ReadBatch(ctx, t, batch)
}

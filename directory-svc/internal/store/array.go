package store

import (
	"database/sql/driver"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"
)

// textArray is a text[] column in GORM's rows.
type textArray []string

// arrayCodecs are kept for reuse: one remembers how it wrote a type, so two
// goroutines must not share it.
var arrayCodecs = sync.Pool{New: func() any { return pgtype.NewMap() }}

// Value writes the literal of the array; nil is NULL.
func (a textArray) Value() (driver.Value, error) {
	if a == nil {
		return nil, nil
	}
	codec := arrayCodecs.Get().(*pgtype.Map)
	defer arrayCodecs.Put(codec)
	literal, err := codec.Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, []string(a), nil)
	return string(literal), err
}

// Scan reads the literal of the array.
func (a *textArray) Scan(src any) error {
	var literal []byte
	switch v := src.(type) {
	case nil:
		*a = nil
		return nil
	case string:
		literal = []byte(v)
	case []byte:
		literal = v
	default:
		return fmt.Errorf("text[] from %T", src)
	}
	codec := arrayCodecs.Get().(*pgtype.Map)
	defer arrayCodecs.Put(codec)
	return codec.Scan(pgtype.TextArrayOID, pgtype.TextFormatCode, literal, (*[]string)(a))
}

// GormDataType is GORM's way to ask.
func (textArray) GormDataType() string { return "text[]" }

// list makes a column that is never null.
func list(s []string) textArray {
	if s == nil {
		return textArray{}
	}
	return s
}

// listOrNull makes a column that is null for an empty list.
func listOrNull(s []string) textArray {
	if len(s) == 0 {
		return nil
	}
	return s
}

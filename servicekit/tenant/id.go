package tenant

import (
	"database/sql/driver"
	"fmt"

	"github.com/google/uuid"
)

// ID identifies a tenant. The zero value stands for no tenant and is never
// the id of one.
type ID uuid.UUID

// New draws a random id.
func New() ID { return ID(uuid.New()) }

// Parse reads the 36-character form in either case. Braces, URN prefixes and
// the nil UUID are refused.
func Parse(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, fmt.Errorf("tenant id %q is not a UUID", clip(s))
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return ID{}, fmt.Errorf("tenant id %q is not a UUID", clip(s))
	}
	if u == uuid.Nil {
		return ID{}, fmt.Errorf("tenant id is nil")
	}
	return ID(u), nil
}

// MustParse is Parse for constants in tests and tables; it panics.
func MustParse(s string) ID {
	id, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return id
}

// String is the lower-case 36-character form.
func (id ID) String() string { return uuid.UUID(id).String() }

// IsZero reports whether the id names no tenant.
func (id ID) IsZero() bool { return id == ID{} }

// UUID is the id without its type.
func (id ID) UUID() uuid.UUID { return uuid.UUID(id) }

// MarshalText writes the form of String; no tenant is the empty text.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads what Parse reads; empty text is no tenant.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Value makes the id a query argument; no tenant is NULL.
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.String(), nil
}

// Scan reads a uuid column; NULL is no tenant.
func (id *ID) Scan(src any) error {
	if src == nil {
		*id = ID{}
		return nil
	}
	if raw, ok := src.([16]byte); ok {
		*id = ID(raw)
		return nil
	}
	return (*uuid.UUID)(id).Scan(src)
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64]
	}
	return s
}

package store

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Targets that pgx fills without working out a plan for each column of each
// row, which for a pointer to a pointer costs more than the value itself. Each
// holds one pointer, so that handing it over allocates nothing.

type textInto struct{ to **string }

func (t textInto) ScanText(v pgtype.Text) error {
	*t.to = nil
	if v.Valid {
		value := v.String // a copy: nulls shall not allocate
		*t.to = &value
	}
	return nil
}

type timeInto struct{ to **time.Time }

func (t timeInto) ScanTimestamptz(v pgtype.Timestamptz) error {
	*t.to = nil
	if v.Valid {
		value := v.Time // a copy: nulls shall not allocate
		*t.to = &value
	}
	return nil
}

type boolInto struct{ to **bool }

func (t boolInto) ScanBool(v pgtype.Bool) error {
	*t.to = nil
	if v.Valid {
		value := v.Bool // a copy: nulls shall not allocate
		*t.to = &value
	}
	return nil
}

type idInto struct{ to *uuid.UUID }

func (t idInto) ScanUUID(v pgtype.UUID) error {
	*t.to = uuid.UUID(v.Bytes) // zero for null
	return nil
}

type optionalIDInto struct{ to **uuid.UUID }

func (t optionalIDInto) ScanUUID(v pgtype.UUID) error {
	*t.to = nil
	if v.Valid {
		id := uuid.UUID(v.Bytes)
		*t.to = &id
	}
	return nil
}

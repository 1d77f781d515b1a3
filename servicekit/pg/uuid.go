package pg

import (
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// uuidCodec takes ids as the programs hold them. Without it pgx knows them as
// driver.Valuer alone: each travels through its text, and inside of arrays
// through an error as well.
type uuidCodec struct{ pgtype.UUIDCodec }

// registerUUID has a connection use uuidCodec for ids and lists of them.
func registerUUID(m *pgtype.Map) {
	id := &pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: uuidCodec{}}
	m.RegisterType(id)
	m.RegisterType(&pgtype.Type{Name: "_uuid", OID: pgtype.UUIDArrayOID, Codec: &pgtype.ArrayCodec{ElementType: id}})
}

// PlanEncode implements pgtype.Codec.
func (c uuidCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		switch value.(type) {
		case uuid.UUID, *uuid.UUID, tenant.ID, *tenant.ID:
			return encodeUUID{}
		}
	}
	return c.UUIDCodec.PlanEncode(m, oid, format, value)
}

// PlanScan implements pgtype.Codec.
func (c uuidCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if format == pgtype.BinaryFormatCode {
		if _, ok := target.(*uuid.UUID); ok {
			return scanUUID{}
		}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

type encodeUUID struct{}

// Encode implements pgtype.EncodePlan. The zero tenant is null, as tenant.ID's
// own Value has it.
func (encodeUUID) Encode(value any, buf []byte) ([]byte, error) {
	var id [16]byte
	switch v := value.(type) {
	case uuid.UUID:
		id = v
	case tenant.ID:
		if v.IsZero() {
			return nil, nil
		}
		id = v
	case *uuid.UUID:
		if v == nil {
			return nil, nil
		}
		id = *v
	case *tenant.ID:
		if v == nil || v.IsZero() {
			return nil, nil
		}
		id = *v
	}
	return append(buf, id[:]...), nil
}

type scanUUID struct{}

// Scan implements pgtype.ScanPlan. As with uuid.UUID's own Scan, null changes
// nothing.
func (scanUUID) Scan(src []byte, target any) error {
	if src == nil {
		return nil
	}
	return target.(*uuid.UUID).UnmarshalBinary(src)
}

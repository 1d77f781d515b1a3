package store

import (
	"encoding/json"

	"entente.dev/directory-svc/internal/extension"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// InsertExtension queues a new definition.
func (tx *Tx) InsertExtension(d extension.Definition) {
	tx.Queue(`insert into extension_properties (tenant_id, id, application_id, name, data_type, target_objects, is_multi_valued, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`, [16]byte(tx.Tenant), [16]byte(d.ID), [16]byte(d.ApplicationID), d.Name, d.DataType, d.Targets, d.MultiValued, d.Created)
}

// Extensions lists definitions whose application is live; zero ids do not
// restrict.
func (tx *Tx) Extensions(application, id uuid.UUID) ([]extension.Definition, error) {
	return tx.extensions("($2::uuid is null or e.application_id = $2) and ($3::uuid is null or e.id = $3) order by e.id", orNullID(application), orNullID(id))
}

// ExtensionsNamed finds definitions by their whole names.
func (tx *Tx) ExtensionsNamed(names []string) ([]extension.Definition, error) {
	return tx.extensions("e.name_key = any (select lower(n) from unnest($2::text[]) n)", names)
}

func (tx *Tx) extensions(where string, args ...any) ([]extension.Definition, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select e.id, e.application_id, a.display_name, e.name, e.data_type, e.target_objects, e.is_multi_valued, e.created_at
		from extension_properties e join applications a on a.tenant_id = e.tenant_id and a.id = e.application_id and a.deleted_at is null
		where e.tenant_id = $1 and `+where, append([]any{[16]byte(tx.Tenant)}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (extension.Definition, error) {
		var d extension.Definition
		return d, row.Scan((*[16]byte)(&d.ID), (*[16]byte)(&d.ApplicationID), &d.AppName, &d.Name, &d.DataType, &d.Targets, &d.MultiValued, &d.Created)
	})
}

func orNullID(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return [16]byte(id)
}

// Extension finds one definition of an application.
func (tx *Tx) Extension(application, id uuid.UUID) (extension.Definition, error) {
	found, err := tx.Extensions(application, id)
	if err == nil && len(found) == 0 {
		err = property.NotFound(id.String())
	}
	if err != nil {
		return extension.Definition{}, err
	}
	return found[0], nil
}

// DeleteExtension queues the end of a definition. Its values stay, hidden,
// until their objects go (DIR-192).
func (tx *Tx) DeleteExtension(id uuid.UUID) {
	tx.Queue("delete from extension_properties where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// HasExtension reports whether a directory extension of that whole name is
// defined in the tenant (DIR-190).
func (tx *Tx) HasExtension(name string) (bool, error) {
	found, err := tx.ExtensionsNamed([]string{name})
	return len(found) > 0, err
}

// SetExtension queues the values of an extension of an object; none removes
// it.
func (tx *Tx) SetExtension(id, definition uuid.UUID, values []any) {
	tx.Queue("delete from extension_values where tenant_id = $1 and object_id = $2 and property_id = $3", [16]byte(tx.Tenant), [16]byte(id), [16]byte(definition))
	for i, v := range values {
		tx.Queue("insert into extension_values (tenant_id, object_id, property_id, ordinal, value, value_key) values ($1, $2, $3, $4, $5, $6)",
			[16]byte(tx.Tenant), [16]byte(id), [16]byte(definition), int16(i), jsonValue{v}, extension.Key(v))
	}
}

// ExtensionValues reads the values of extensions of objects: by object, then
// by definition.
func (tx *Tx) ExtensionValues(objects, definitions []uuid.UUID) (map[uuid.UUID]map[uuid.UUID][]any, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select object_id, property_id, value from extension_values
		where tenant_id = $1 and object_id = any($2) and property_id = any($3) order by object_id, property_id, ordinal`, [16]byte(tx.Tenant), ids(objects), ids(definitions))
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]map[uuid.UUID][]any)
	var id, definition [16]byte
	var value any
	_, err = pgx.ForEachRow(rows, []any{&id, &definition, &value}, func() error {
		if out[id] == nil {
			out[id] = make(map[uuid.UUID][]any)
		}
		out[id][definition] = append(out[id][definition], value)
		value = nil
		return nil
	})
	return out, err
}

// CountExtensionValues counts the values an object has over all definitions.
func (tx *Tx) CountExtensionValues(id uuid.UUID) (n int, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), `select count(*) from extension_values v where tenant_id = $1 and object_id = $2
		and exists (select from extension_properties p where p.tenant_id = v.tenant_id and p.id = v.property_id)`, [16]byte(tx.Tenant), [16]byte(id)).Scan(&n)
	return n, err
}

// ExtensionColumn says where the values of an extension of the objects of a
// table are, for filters.
func ExtensionColumn(d extension.Definition, table string) odata.Column {
	from := " from extension_values v where v.tenant_id = " + table + ".tenant_id and v.property_id = '" + d.ID.String() + "'"
	if d.MultiValued {
		return odata.Column{SQL: table + ".id", Items: &odata.Items{From: "extension_values v", On: "v.tenant_id = " + table + ".tenant_id and v.object_id = " + table +
			".id and v.property_id = '" + d.ID.String() + "'", Columns: odata.Columns{"": {SQL: "v.value_key", Key: "v.value_key", Type: odata.TypeText, NotNull: true}}}}
	}
	held := "(select v.value_key" + from + " and v.object_id = " + table + ".id and v.ordinal = 0)"
	switch d.DataType {
	case "Boolean":
		return odata.Column{SQL: held + "::boolean", Type: odata.TypeBool}
	case "Integer", "LargeInteger":
		return odata.Column{SQL: held + "::bigint", Type: odata.TypeNumber}
	}
	return odata.Column{SQL: held, Key: held, Type: odata.TypeText, Probe: table + ".id in (select v.object_id from extension_values v where v.tenant_id = nullif(current_setting('app.tenant_id'), '')::uuid and v.property_id = '" +
		d.ID.String() + "' and v.value_key = ?)"}
}

// jsonValue has a value written as JSON; plain text would be taken for JSON
// already.
type jsonValue struct{ value any }

func (v jsonValue) MarshalJSON() ([]byte, error) { return json.Marshal(v.value) }

package api

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/extension"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/structpb"
)

// extensionsField is the path of the open part of a message, and prefix what
// the names of extensions begin with.
const (
	extensionsField = "extensions"
	prefix          = "extension_"
)

// touchedExtensions lists the extensions that paths name. A path that names
// the open part alone means all that in has.
func touchedExtensions(in *structpb.Struct, paths []string) []string {
	var names []string
	for _, path := range paths {
		if name, ok := strings.CutPrefix(path, extensionsField+"."); ok {
			names = append(names, name)
		} else if path == extensionsField {
			names = slices.AppendSeq(names, maps.Keys(in.GetFields()))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// declared are the paths that name no extension.
func declared(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		top, _, _ := strings.Cut(path, ".")
		return top == extensionsField
	})
}

// undefined refuses an extension that the object cannot have.
func undefined(name string) error {
	return property.Refused(name, "Property '%s' does not exist as a declared property or extension property.", clip(name))
}

// extend sets or removes values of extensions of a directory object (DIR-191).
// It answers what changed, for the audit record of the change.
func (c *Core) extend(tx *store.Tx, t object.Type, id uuid.UUID, in *structpb.Struct, paths []string) ([]audit.Modified, error) {
	return c.extendTarget(tx, t.Title(), id, in, paths)
}

// extendTarget is extend for an object of the type that targetObjects names.
func (c *Core) extendTarget(tx *store.Tx, target string, id uuid.UUID, in *structpb.Struct, paths []string) ([]audit.Modified, error) {
	names := touchedExtensions(in, paths)
	if len(names) == 0 {
		return nil, nil
	}
	found, err := tx.ExtensionsNamed(names)
	if err != nil {
		return nil, err
	}
	defined := make(map[string]extension.Definition, len(found))
	ids := make([]uuid.UUID, len(found))
	for i, d := range found {
		defined[strings.ToLower(d.Name)], ids[i] = d, d.ID
	}
	old, err := tx.ExtensionValues([]uuid.UUID{id}, ids)
	if err != nil {
		return nil, err
	}
	var out []audit.Modified
	for _, name := range names {
		d, ok := defined[strings.ToLower(name)]
		if !ok {
			return nil, undefined(name)
		}
		var values []any
		if v, given := in.GetFields()[name]; given && v.GetKind() != nil && !isNull(v) {
			value := v.AsInterface()
			if err := d.Fits(target, value); err != nil {
				return nil, err
			}
			if list, many := value.([]any); many {
				values = list
			} else {
				values = []any{value}
			}
		}
		tx.SetExtension(id, d.ID, values)
		out = append(out, audit.Modified{Name: d.Name, Old: audit.JSON(orEmpty(old[id][d.ID])), New: audit.JSON(orEmpty(values))})
	}
	n, err := tx.CountExtensionValues(id)
	if err != nil {
		return nil, err
	}
	return out, tx.Fits(quota.ExtensionValues, n)
}

// saveExtensions sets values of extensions of an object that exists, with the
// rows in feed and audit log that the change needs; ev describes the update.
func (c *Core) saveExtensions(ctx context.Context, tx *store.Tx, t object.Type, id uuid.UUID, in *structpb.Struct, paths []string, ev audit.Event) error {
	changed, err := c.extend(tx, t, id, in, paths)
	if err != nil || len(changed) == 0 {
		return err
	}
	names := make([]string, len(changed))
	for i, m := range changed {
		names[i] = m.Name
	}
	tx.Change(store.Change{Type: t, ID: id, Kind: store.Updated, Properties: names})
	ev.Targets = slices.Clone(ev.Targets)
	ev.Targets[0].Modified = changed
	return c.audit(ctx, tx, ev)
}

func isNull(v *structpb.Value) bool { _, ok := v.Kind.(*structpb.Value_NullValue); return ok }

func orEmpty(list []any) []any {
	if list == nil {
		return []any{}
	}
	return list
}

// extensionsAsked are the extensions that a select names.
func extensionsAsked(selected []string) []string {
	var names []string
	for _, n := range selected {
		if strings.HasPrefix(strings.ToLower(n), prefix) {
			names = append(names, n)
		}
	}
	return names
}

// withExtensions reads the values of the named extensions of objects; put
// receives the open part of each object that has any.
func (c *Core) withExtensions(ctx context.Context, t tenant.ID, names []string, objects []uuid.UUID, put func(i int, values *structpb.Struct)) error {
	if len(names) == 0 || len(objects) == 0 {
		return nil
	}
	return c.Store.Read(ctx, t, func(tx *store.Tx) error {
		found, err := tx.ExtensionsNamed(names)
		if err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(found))
		for i, d := range found {
			ids[i] = d.ID
		}
		values, err := tx.ExtensionValues(objects, ids)
		if err != nil {
			return err
		}
		for i, id := range objects {
			fields := make(map[string]any)
			for _, d := range found {
				switch held := values[id][d.ID]; {
				case d.MultiValued:
					fields[d.Name] = orEmpty(held)
				case len(held) > 0:
					fields[d.Name] = held[0]
				default:
					fields[d.Name] = nil
				}
			}
			open, err := structpb.NewStruct(fields)
			if err != nil {
				return err
			}
			put(i, open)
		}
		return nil
	})
}

var extensionName = regexp.MustCompile(`(?i)\bextension_[0-9a-f]{32}_[a-z0-9_]+`)

// filterable are the columns of a list with the extensions that a filter names
// (DIR-191, DIR-197). table is the one the objects are in.
func (c *Core) filterable(ctx context.Context, t tenant.ID, filter, table string, columns odata.Columns) (odata.Columns, error) {
	names := extensionName.FindAllString(filter, -1)
	if len(names) == 0 {
		return columns, nil
	}
	columns = maps.Clone(columns)
	return columns, c.Store.Read(ctx, t, func(tx *store.Tx) error {
		found, err := tx.ExtensionsNamed(names)
		if err != nil {
			return err
		}
		for _, d := range found {
			column := store.ExtensionColumn(d, table)
			column.Support = &optionspb.Property{Eq: optionspb.Property_supportDefault, Ne: optionspb.Property_supportAdvanced, StartsWith: optionspb.Property_supportDefault,
				Null: optionspb.Property_supportAdvanced}
			for _, n := range names {
				if strings.EqualFold(n, d.Name) {
					columns[n] = column
				}
			}
		}
		return nil
	})
}

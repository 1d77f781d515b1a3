package api

import (
	"encoding/json"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/user"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/audit"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Categories of audit records.
const (
	userManagement        = "UserManagement"
	groupManagement       = "GroupManagement"
	roleManagement        = "RoleManagement"
	applicationManagement = "ApplicationManagement"
	directoryManagement   = "DirectoryManagement"
	administrativeUnit    = "AdministrativeUnit"
)

// record describes an act for the audit log.
func record(activity, category, operation string, targets ...audit.Target) audit.Event {
	return audit.Event{Activity: activity, Category: category, OperationType: operation, Targets: targets}
}

func userTarget(u *user.User) audit.Target {
	return audit.Target{ID: u.ID.String(), DisplayName: u.DisplayName, Type: object.User.Title(), UserPrincipalName: u.UserPrincipalName}
}

func target(t object.Type, id uuid.UUID, name string) audit.Target {
	return audit.Target{ID: id.String(), DisplayName: name, Type: t.Title()}
}

// modified lists the old and new values of the named properties. Secrets have
// no value here: messages never carry stored ones.
func modified(old, now proto.Message, properties []string) []audit.Modified {
	fields := now.ProtoReflect().Descriptor().Fields()
	var out []audit.Modified
	for _, name := range properties {
		f := fields.ByJSONName(name)
		if f == nil || propertyOf(f).GetSelect() == optionspb.Property_selectExpanded {
			continue
		}
		m := audit.Modified{Name: name, New: values(now, f)}
		if old != nil {
			m.Old = values(old, f)
		}
		out = append(out, m)
	}
	return out
}

// values is the JSON text of a property: a list, also of a single value.
func values(m proto.Message, f protoreflect.FieldDescriptor) *string {
	list := []any{}
	if r := m.ProtoReflect(); r.Has(f) {
		v := r.Get(f)
		switch {
		case f.Kind() == protoreflect.StringKind && !f.IsList() && plain(v.String()):
			return ptr(`["` + v.String() + `"]`)
		case f.IsMap():
			return nil
		case f.IsList():
			for i := range v.List().Len() {
				list = append(list, value(f, v.List().Get(i)))
			}
		default:
			list = append(list, value(f, v))
		}
	}
	return audit.JSON(list)
}

// plain reports that text is the same inside a string of JSON.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func value(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return int32(v.Enum())
	case protoreflect.MessageKind:
		if t, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
			return t.AsTime().UTC().Format("2006-01-02T15:04:05Z")
		}
		text, err := protojson.Marshal(v.Message().Interface())
		if err != nil {
			return nil
		}
		return json.RawMessage(text)
	}
	return v.Interface()
}

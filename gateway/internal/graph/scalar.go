package graph

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type structValue = structpb.Value

func structOf(m protoreflect.Message) *structpb.Struct { return m.Interface().(*structpb.Struct) }

func nullValue() *structpb.Value { return structpb.NewNullValue() }

func isNull(v *structpb.Value) bool {
	_, ok := v.GetKind().(*structpb.Value_NullValue)
	return ok || v.GetKind() == nil
}

// scalar reads one value that is no message of ours.
func (d *decoder) scalar(f *field, where string) (protoreflect.Value, error) {
	switch f.kind {
	case kindString:
		text, err := d.text(where, "a string")
		return protoreflect.ValueOfString(text), err
	case kindBool:
		switch {
		case d.word("true"):
			return protoreflect.ValueOfBool(true), nil
		case d.word("false"):
			return protoreflect.ValueOfBool(false), nil
		}
		return protoreflect.Value{}, d.wrongType(where, "a boolean")
	case kindInt, kindUint:
		return d.integer(f, where)
	case kindFloat:
		text, err := d.numeric(where, "a number")
		if err != nil {
			return protoreflect.Value{}, err
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return protoreflect.Value{}, d.outOfRange(where)
		}
		if f.fd.Kind() == protoreflect.FloatKind {
			return protoreflect.ValueOfFloat32(float32(v)), nil
		}
		return protoreflect.ValueOfFloat64(v), nil
	case kindBytes:
		return d.bytes(where)
	case kindEnum:
		return d.enum(f, where)
	case kindTime:
		return d.time(where)
	case kindDuration:
		text, err := d.text(where, "a duration")
		if err != nil {
			return protoreflect.Value{}, err
		}
		v, ok := parseDuration(text)
		if !ok {
			return protoreflect.Value{}, d.badFormat(where, "an ISO 8601 duration")
		}
		return protoreflect.ValueOfMessage(durationpb.New(v).ProtoReflect()), nil
	}
	v, err := d.dynamic()
	if err != nil {
		return protoreflect.Value{}, err
	}
	switch f.kind {
	case kindStruct:
		if v.GetStructValue() == nil {
			return protoreflect.Value{}, d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "Property '%s' must be an object.", clip(where))
		}
		return protoreflect.ValueOfMessage(v.GetStructValue().ProtoReflect()), nil
	case kindListValue:
		if v.GetListValue() == nil {
			return protoreflect.Value{}, d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "Property '%s' must be a collection.", clip(where))
		}
		return protoreflect.ValueOfMessage(v.GetListValue().ProtoReflect()), nil
	}
	return protoreflect.ValueOfMessage(v.ProtoReflect()), nil
}

func (d *decoder) text(where, expected string) (string, error) {
	if d.peek() != '"' {
		return "", d.wrongType(where, expected)
	}
	return d.string()
}

func (d *decoder) numeric(where, expected string) (string, error) {
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return "", d.wrongType(where, expected)
	}
	return d.number()
}

func (d *decoder) outOfRange(where string) error {
	return d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "The value of property '%s' is out of range.", clip(where))
}

func (d *decoder) badFormat(where, expected string) error {
	return d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "The value of property '%s' is not %s.", clip(where), expected)
}

func (d *decoder) integer(f *field, where string) (v protoreflect.Value, err error) {
	text, err := d.numeric(where, "an integer")
	if err != nil {
		return v, err
	}
	if strings.ContainsAny(text, ".eE") {
		return v, d.badFormat(where, "an integer")
	}
	of := f.fd
	if f.mapped {
		of = f.fd.MapValue()
	}
	switch of.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return v, d.outOfRange(where)
		}
		return protoreflect.ValueOfInt32(int32(n)), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return v, d.outOfRange(where)
		}
		return protoreflect.ValueOfUint32(uint32(n)), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return v, d.outOfRange(where)
		}
		return protoreflect.ValueOfUint64(n), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return v, d.outOfRange(where)
	}
	return protoreflect.ValueOfInt64(n), nil
}

func (d *decoder) bytes(where string) (protoreflect.Value, error) {
	text, err := d.text(where, "a base64 string")
	if err != nil {
		return protoreflect.Value{}, err
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return protoreflect.Value{}, d.badFormat(where, "base64")
	}
	return protoreflect.ValueOfBytes(raw), nil
}

// enum accepts any case and stores the declared value.
func (d *decoder) enum(f *field, where string) (protoreflect.Value, error) {
	text, err := d.text(where, "a string")
	if err != nil {
		return protoreflect.Value{}, err
	}
	n, ok := f.enumByKey[strings.ToLower(text)]
	if !ok {
		return protoreflect.Value{}, d.refuse(errorspb.Reason_PROPERTY_INVALID, where, "Invalid value '%s' specified for property '%s'.", clip(text), clip(where))
	}
	return protoreflect.ValueOfEnum(n), nil
}

func (d *decoder) time(where string) (protoreflect.Value, error) {
	text, err := d.text(where, "a date and time")
	if err != nil {
		return protoreflect.Value{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return protoreflect.Value{}, d.badFormat(where, "a date and time in UTC, for instance 2026-01-31T12:00:00Z")
	}
	return protoreflect.ValueOfMessage(timestamppb.New(t).ProtoReflect()), nil
}

// dynamic reads a value whose shape no message declares.
func (d *decoder) dynamic() (*structpb.Value, error) {
	switch c := d.peek(); {
	case c == '{':
		fields := map[string]*structpb.Value{}
		err := d.object(func(name string) error {
			v, err := d.dynamic()
			fields[name] = v
			return err
		})
		return structpb.NewStructValue(&structpb.Struct{Fields: fields}), err
	case c == '[':
		list := &structpb.ListValue{}
		err := d.array(func(int) error {
			v, err := d.dynamic()
			list.Values = append(list.Values, v)
			return err
		})
		return structpb.NewListValue(list), err
	case c == '"':
		text, err := d.string()
		return structpb.NewStringValue(text), err
	case d.word("true"):
		return structpb.NewBoolValue(true), nil
	case d.word("false"):
		return structpb.NewBoolValue(false), nil
	case d.word("null"):
		return structpb.NewNullValue(), nil
	case c == '-' || c >= '0' && c <= '9':
		text, err := d.number()
		if err != nil {
			return nil, err
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(v, 0) {
			return nil, badJSON()
		}
		return structpb.NewNumberValue(v), nil
	}
	return nil, badJSON()
}

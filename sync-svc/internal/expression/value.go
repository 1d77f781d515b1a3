package expression

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind says what a Value holds.
type Kind uint8

// The kinds of values. Dropped is the result of IgnoreFlowIfNullOrEmpty on an
// empty value: the attribute leaves the export altogether.
const (
	Null Kind = iota
	Text
	Integer
	Decimal
	Boolean
	DateTime
	List
	Reference
	Dropped
)

// Value is one value of the language. The zero Value is null.
type Value struct {
	text string
	list []string
	num  int64 // integer, bits of a decimal, 0 or 1, or ticks
	kind Kind
}

// NullValue is the absent value.
var NullValue = Value{}

// TextValue holds a text, which may be empty.
func TextValue(s string) Value { return Value{kind: Text, text: s} }

// IntegerValue holds a whole number.
func IntegerValue(n int64) Value { return Value{kind: Integer, num: n} }

// DecimalValue holds a number with a fraction; one without becomes an integer.
func DecimalValue(f float64) Value {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return IntegerValue(int64(f))
	}
	return Value{kind: Decimal, num: int64(math.Float64bits(f))}
}

// BooleanValue holds True or False.
func BooleanValue(b bool) Value {
	if b {
		return Value{kind: Boolean, num: 1}
	}
	return Value{kind: Boolean}
}

// DateTimeValue holds a moment, kept in UTC with a resolution of 100 ns.
func DateTimeValue(t time.Time) Value { return Value{kind: DateTime, num: ticks(t)} }

// ListValue holds several texts. The slice is kept, not copied.
func ListValue(l []string) Value { return Value{kind: List, list: l} }

// ReferenceValue holds the id of another object.
func ReferenceValue(id string) Value { return Value{kind: Reference, text: id} }

// Kind says what v holds.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is absent; an empty text is not.
func (v Value) IsNull() bool { return v.kind == Null }

// IsEmpty reports whether v is absent, an empty text or an empty list.
func (v Value) IsEmpty() bool {
	switch v.kind {
	case Null:
		return true
	case Text, Reference:
		return v.text == ""
	case List:
		return len(v.list) == 0
	}
	return false
}

// Bool reports whether v is the Boolean True.
func (v Value) Bool() bool { return v.kind == Boolean && v.num == 1 }

// List returns the values of a list, and of a scalar its text alone.
func (v Value) List() []string {
	switch v.kind {
	case List:
		return v.list
	case Null, Dropped:
		return nil
	}
	return []string{v.String()}
}

// Time returns the moment v holds; ok is false for other kinds.
func (v Value) Time() (t time.Time, ok bool) {
	if v.kind != DateTime {
		return time.Time{}, false
	}
	return fromTicks(v.num), true
}

// Int returns the whole number v holds; ok is false for other kinds.
func (v Value) Int() (n int64, ok bool) { return v.num, v.kind == Integer }

// String is the text form by which a value reaches a text attribute: True and
// False, dates as M/d/yyyy h:mm:ss tt in UTC, numbers invariant, lists joined
// by semicolons (only logs show those).
func (v Value) String() string {
	switch v.kind {
	case Text, Reference:
		return v.text
	case Integer:
		return strconv.FormatInt(v.num, 10)
	case Decimal:
		return strconv.FormatFloat(math.Float64frombits(uint64(v.num)), 'f', -1, 64)
	case Boolean:
		if v.num == 1 {
			return "True"
		}
		return "False"
	case DateTime:
		return fromTicks(v.num).Format("1/2/2006 3:04:05 PM")
	case List:
		return strings.Join(v.list, ";")
	}
	return ""
}

// Equal compares kind and content; it is the comparison of stored values, not
// the `=` of the language.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.text != w.text || v.num != w.num || len(v.list) != len(w.list) {
		return false
	}
	for i := range v.list {
		if v.list[i] != w.list[i] {
			return false
		}
	}
	return true
}

// number reads v as a number: numbers themselves and numeric texts.
func (v Value) number() (f float64, ok bool) {
	switch v.kind {
	case Integer:
		return float64(v.num), true
	case Decimal:
		return math.Float64frombits(uint64(v.num)), true
	case Text:
		f, err := strconv.ParseFloat(strings.TrimSpace(v.text), 64)
		return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
	}
	return 0, false
}

// integer reads v as a whole number: integers and their texts.
func (v Value) integer() (n int64, ok bool) {
	switch v.kind {
	case Integer:
		return v.num, true
	case Text:
		n, err := strconv.ParseInt(strings.TrimSpace(v.text), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func (v Value) isNumber() bool { return v.kind == Integer || v.kind == Decimal }

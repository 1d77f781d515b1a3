package patch

import "encoding/json"

// Modified is one changed property of an audit event. The values are JSON
// text, nil where there is none (POL-121).
type Modified struct {
	Name     string
	Old, New *string
}

// Modify tells what became of one property.
func Modify(name string, old, cur *string) Modified {
	return Modified{Name: name, Old: old, New: cur}
}

// Text encodes an audit value; a nil pointer has no text. The values are
// strings, numbers, switches and structs of them, for which encoding cannot
// fail.
func Text(v any) *string {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "null" {
		return nil
	}
	s := string(b)
	return &s
}

// Texts encodes a list; an empty one is [].
func Texts(list []string) *string {
	if list == nil {
		list = []string{}
	}
	return Text(list)
}

// Changed keeps the properties whose values differ, in their order.
func Changed(all []Modified) []Modified {
	var out []Modified
	for _, m := range all {
		if m.Old != m.New && (m.Old == nil || m.New == nil || *m.Old != *m.New) {
			out = append(out, m)
		}
	}
	return out
}

package tenant_test

import (
	"encoding/json"
	"testing"

	"entente.dev/servicekit/tenant"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const text = "0b6f1c9e-5a0c-4f53-9a0f-3d6f1f6f0a11"
	for _, tc := range []struct {
		name, in string
		ok       bool
	}{
		{"lower case", text, true},
		{"upper case is read and written lower", "0B6F1C9E-5A0C-4F53-9A0F-3D6F1F6F0A11", true},
		{"braces are refused", "{" + text + "}", false},
		{"a URN is refused", "urn:uuid:" + text, false},
		{"32 digits are refused", "0b6f1c9e5a0c4f539a0f3d6f1f6f0a11", false},
		{"the nil UUID is refused", "00000000-0000-0000-0000-000000000000", false},
		{"empty is refused", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			id, err := tenant.Parse(tc.in)
			if (err == nil) != tc.ok {
				t.Fatalf("Parse(%q): %v", tc.in, err)
			}
			if tc.ok && id.String() != text {
				t.Errorf("String() = %q", id)
			}
		})
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	id := tenant.New()
	text, err := json.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	var back tenant.ID
	if err := json.Unmarshal(text, &back); err != nil || back != id {
		t.Fatalf("JSON round trip: %v, %v", back, err)
	}
	for _, src := range []any{id.String(), []byte(id.String()), [16]byte(id)} {
		var scanned tenant.ID
		if err := scanned.Scan(src); err != nil || scanned != id {
			t.Errorf("Scan(%T): %v, %v", src, scanned, err)
		}
	}
	if v, _ := (tenant.ID{}).Value(); v != nil {
		t.Errorf("the zero id is not NULL: %v", v)
	}
}

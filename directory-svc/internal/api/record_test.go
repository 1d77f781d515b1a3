package api

import (
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
)

// TestValuesAreJSON compares what the audit log gets for a text with what the
// encoder makes of it.
func TestValuesAreJSON(t *testing.T) {
	t.Parallel()
	f := userFields.ByName("display_name")
	for _, text := range []string{"", "Ada", `a "quoted" \ name`, "<&>'", "tab\there", "Zoë", "\u2028", "\x7f"} {
		got, want := values(&pb.User{DisplayName: &text}, f), audit.JSON([]string{text})
		if got == nil || *got != *want {
			t.Errorf("%q: %v, want %s", text, got, *want)
		}
	}
	if got := values(&pb.User{}, f); got == nil || *got != "[]" {
		t.Errorf("no value: %v", got)
	}
}

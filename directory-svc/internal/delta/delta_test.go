package delta_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/delta"
	"github.com/google/uuid"
)

func TestCollectFoldsRowsByObject(t *testing.T) {
	t.Parallel()
	a, b, x, y := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	got := delta.Collect([]delta.Event{
		{ID: a, Kind: delta.Created},
		{ID: b, Kind: delta.Updated, Properties: []string{"userPrincipalName"}},
		{ID: a, Kind: delta.Linked, Properties: []string{"members"}, Related: &x},
		{ID: a, Kind: delta.Linked, Properties: []string{"members"}, Related: &y},
		{ID: a, Kind: delta.Unlinked, Properties: []string{"members"}, Related: &x},
		{ID: b, Kind: delta.Deleted},
		{ID: a, Kind: delta.Updated, Properties: []string{"city"}},
	}, "members")
	if len(got) != 2 || got[0].ID != b || got[1].ID != a {
		t.Fatalf("%v", got)
	}
	if !got[0].Removed || !slices.Equal(got[0].Properties, []string{"identities", "userPrincipalName"}) {
		t.Errorf("%+v", got[0])
	}
	if !got[1].Whole || !slices.Equal(got[1].Properties, []string{"city"}) || !slices.Equal(got[1].Links["members"], []delta.Link{{Other: y}, {Other: x, Removed: true}}) {
		t.Errorf("%+v", got[1])
	}
}

func TestFiltersAndLife(t *testing.T) {
	t.Parallel()
	a, b := uuid.New(), uuid.New()
	ids, err := delta.ParseIDs("id eq '" + a.String() + "' or Id eq '" + b.String() + "'")
	if err != nil || !slices.Equal(ids, []uuid.UUID{a, b}) {
		t.Errorf("%v %v", ids, err)
	}
	for _, bad := range []string{"id ne '" + a.String() + "'", "id eq 'x'", "displayName eq 'x'", "id eq '" + a.String() + "' and id eq '" + b.String() + "'",
		strings.Repeat("id eq '"+a.String()+"' or ", 50) + "id eq '" + a.String() + "'"} {
		if _, err := delta.ParseIDs(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	made := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := delta.State{Made: made, Since: "x", Select: []string{"city"}, IDs: ids}
	if s.Stale(made.Add(delta.Life)) || !s.Stale(made.Add(delta.Life+time.Second)) {
		t.Error("life")
	}
	if f := s.Fresh(); !f.Full || f.Since != "" || !f.Wants("City", false) || f.Wants("state", true) || f.Includes(uuid.New()) || !f.Includes(a) {
		t.Errorf("%+v", f)
	}
}

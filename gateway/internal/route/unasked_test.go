package route

import (
	"slices"
	"strings"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"google.golang.org/protobuf/proto"
)

// One user without $select is asked for as what the answer shows (DIR-34), so
// that the service reads no more; all else is asked for as it was.
func TestOneUserIsAskedForWhatIsShown(t *testing.T) {
	t.Parallel()
	shown := []string{"businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userPrincipalName"}
	f := &fakeConn{answer: func(_ string, reply proto.Message) error {
		if u, ok := reply.(*directorypb.User); ok {
			u.Id, u.DisplayName = "7", proto.String("Ada")
		}
		return nil
	}}
	rt := newRouter(t, f)
	for path, want := range map[string][]string{
		"/v1.0/users/7":                 shown,
		"/v1.0/users/7?$select=city,id": {"city", "id"},
		"/v1.0/users/7?$expand=manager": nil,
		"/v1.0/users":                   nil,
		"/v1.0/groups/7":                nil,
		"/v1.0/servicePrincipals/7":     nil,
		"/v1.0/users/7?$format=json":    shown,
	} {
		f.req = nil
		rec := do(rt, "GET", path, "")
		var got []string
		if req, ok := f.req.(interface{ GetQuery() *odatapb.Query }); ok && req.GetQuery().GetSelect() != "" {
			got = strings.Split(req.GetQuery().GetSelect(), ",")
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s asks for %q, want %q", path, got, want)
		}
		if slices.Equal(want, shown) && (!strings.Contains(rec.Body.String(), `$metadata#users/$entity"`) || !strings.Contains(rec.Body.String(), `"surname":null`)) {
			t.Errorf("%s answers %s", path, rec.Body)
		}
	}
	do(rt, "GET", "/beta/users/7", "")
	beta := strings.Split(f.req.(*directorypb.GetUserRequest).GetQuery().GetSelect(), ",")
	for _, name := range shown {
		if !slices.Contains(beta, name) {
			t.Errorf("beta does not ask for %s, only for %s", name, beta)
		}
	}
}

package route

import (
	"regexp"
	"strings"
	"testing"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"google.golang.org/protobuf/proto"
)

// Where an answer says that something is, there is something to get. Graph's
// own exception are invitations, which can only be made (INV-8).
func TestLocationsCanBeRead(t *testing.T) {
	t.Parallel()
	rt := newRouter(t, &fakeConn{})
	variable := regexp.MustCompile(`\{[^}]*\}`)
	seen := 0
	for _, op := range rt.Operations() {
		location := op.answer.GetLocation()
		if location == "" || op.Template == "/v1.0/invitations" {
			continue
		}
		seen++
		if !strings.HasPrefix(location, "/") {
			family := op.steps[0].literal
			if family != "v1.0" {
				family += "/" + op.steps[1].literal
			}
			location = "/" + family + "/" + location
		}
		path, err := graph.ParsePath(variable.ReplaceAllString(location, "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, get := rt.operation(&exchange{path: path}, "GET"); get == nil {
			t.Errorf("%s %s names %s, which cannot be read", op.Method, op.Template, location)
		}
	}
	if seen == 0 {
		t.Error("no operation has a location")
	}
}

func TestLocationOfANativeContact(t *testing.T) {
	t.Parallel()
	f := &fakeConn{answer: func(_ string, reply proto.Message) error {
		reply.(*directorypb.OrgContact).Id = "7a1b0c00-0000-4000-8000-000000000001"
		return nil
	}}
	rec := do(newRouter(t, f), "POST", "/entente/v1/contacts", `{"displayName":"Ada"}`)
	if rec.Code != 201 || rec.Header().Get("Location") != "https://host:8443/v1.0/contacts/7a1b0c00-0000-4000-8000-000000000001" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}

// The result of a function has its type as context (WIRE-22).
func TestContextOfAFunction(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/groups/x/evaluateDynamicMembership", "/groups/evaluateDynamicMembership"} {
		for _, version := range []string{"/v1.0", "/beta"} {
			rec := do(newRouter(t, &fakeConn{}), "POST", version+path, `{"memberId":"y","membershipRule":"user.mail -ne null"}`)
			want := `{"@odata.context":"https://host:8443` + version + `/$metadata#microsoft.graph.evaluateDynamicMembershipResult","membershipRule":`
			if rec.Code != 200 || !strings.HasPrefix(rec.Body.String(), want) {
				t.Errorf("%s: %d %s", version+path, rec.Code, rec.Body)
			}
		}
	}
}

package route

import (
	"strings"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"
)

// The function has four spellings, and none of them is a user of that name.
func TestDelta(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1.0/users/delta", "/v1.0/users/delta()", "/v1.0/users/microsoft.graph.delta()", "/v1.0/users/microsoft.graph.delta"} {
		f := &fakeConn{answer: func(_ string, reply proto.Message) error {
			out := reply.(*directorypb.ListDeltaResponse)
			out.NextPageToken = "n"
			user := &directorypb.DirectoryObject{Object: &directorypb.DirectoryObject_User{User: &directorypb.User{DisplayName: proto.String("Ada")}}}
			out.Value = []*directorypb.ChangedObject{
				{
					Id: "1", Object: user, Properties: []string{"displayName", "jobTitle", "passwordProfile", "colour"},
					Manager: []*directorypb.ChangedObject_Link{{Object: &directorypb.DirectoryObject{Object: &directorypb.DirectoryObject_User{User: &directorypb.User{Id: "9"}}}, Removed: true}},
				},
				{Id: "2", RemovedReason: "changed"},
			}
			return nil
		}}
		rec := do(newRouter(t, f), "GET", path+"?$select=displayName,jobTitle,manager,DisplayName,Manager", "", "Prefer", `return=minimal, odata.maxpagesize="50"`)
		want := `{"@odata.context":"https://host:8443/v1.0/$metadata#users(displayName,jobTitle,manager)","@odata.nextLink":"https://host:8443` + path +
			`?$select=displayName%2CjobTitle%2Cmanager%2CDisplayName%2CManager&$skiptoken=n","value":[{"id":"1","displayName":"Ada","jobTitle":null,"manager@delta":[{"@odata.type":"#microsoft.graph.user","id":"9","@removed":{"reason":"deleted"}}]},` +
			`{"id":"2","@removed":{"reason":"changed"}}]}`
		if rec.Code != 200 || rec.Body.String() != want {
			t.Errorf("%s: %d\n%s\n%s", path, rec.Code, rec.Body, want)
		}
		req := f.req.(*directorypb.ListDeltaRequest)
		if !req.GetMinimal() || req.GetMaxPageSize() != 50 || req.GetQuery().GetSelect() != "displayName,jobTitle,manager" {
			t.Errorf("%s: %v", path, req)
		}
		if got := rec.Header().Values("Preference-Applied"); len(got) != 2 {
			t.Errorf("%s: applied %v", path, got)
		}
	}
}

func TestDeltaEndsInALink(t *testing.T) {
	t.Parallel()
	f := &fakeConn{answer: func(_ string, reply proto.Message) error {
		reply.(*directorypb.ListDeltaResponse).DeltaToken = "d+1"
		return nil
	}}
	rec := do(newRouter(t, f), "GET", "/beta/groups/delta?$deltatoken=latest", "")
	if want := `{"@odata.context":"https://host:8443/beta/$metadata#groups","@odata.deltaLink":"https://host:8443/beta/groups/delta?$deltatoken=d%2B1","value":[]}`; rec.Body.String() != want {
		t.Errorf("%s\n%s", rec.Body, want)
	}
	if f.req.(*directorypb.ListDeltaRequest).GetQuery().GetDeltatoken() != "latest" {
		t.Errorf("asked %v", f.req)
	}
	for _, bad := range []string{"$select=colour", "$expand=manager", "$select=aboutMe"} {
		if rec := do(newRouter(t, &fakeConn{}), "GET", "/v1.0/users/delta?"+bad, ""); rec.Code != 400 && rec.Code != 501 {
			t.Errorf("%s: %d", bad, rec.Code)
		}
	}
}

// A token that is too old says where to start over (DIR-212).
func TestDeltaStartsOver(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		"new": "https://host:8443/v1.0/users/delta?$select=id&$deltatoken=new",
		"":    "https://host:8443/v1.0/users/delta?$select=id",
	} {
		f := &fakeConn{answer: func(string, proto.Message) error {
			return fault.Precondition(errorspb.Reason_SYNC_STATE_NOT_FOUND, "The token is too old.").WithMeta(MetaDeltaToken, token)
		}}
		rec := do(newRouter(t, f), "GET", "/v1.0/users/delta?$select=id&$deltatoken=old", "")
		if rec.Code != 410 || rec.Header().Get("Location") != want || !strings.Contains(rec.Body.String(), `"code":"syncStateNotFound"`) {
			t.Errorf("%q: %d %v %s", token, rec.Code, rec.Header(), rec.Body)
		}
	}
}

package service_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
)

func (h *home) delta() pb.DeltaServiceClient { return pb.NewDeltaServiceClient(h.gateway) }

type deltaCall func(*pb.ListDeltaRequest) (*pb.ListDeltaResponse, error)

func (h *home) userDelta(req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return h.delta().ListUsersDelta(h.ctx, req)
}

func (h *home) groupDelta(req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return h.delta().ListGroupsDelta(h.ctx, req)
}

// follow reads all pages up to a delta token, waiting for changes that an
// older transaction elsewhere on the server still hides.
func (h *home) follow(call deltaCall, req *pb.ListDeltaRequest) (entries []*pb.ChangedObject, token string) {
	h.t.Helper()
	for {
		got, err := call(req)
		if err != nil {
			h.t.Fatal(err)
		}
		entries = append(entries, got.Value...)
		if got.DeltaToken != "" {
			return entries, got.DeltaToken
		}
		req = &pb.ListDeltaRequest{Query: &odatapb.Query{Skiptoken: got.NextPageToken}, Minimal: req.Minimal}
	}
}

// told follows until an entry about an object comes.
func (h *home) told(call deltaCall, token *string, id string) *pb.ChangedObject {
	h.t.Helper()
	var found *pb.ChangedObject
	eventually(h.t, "an entry about "+id, func() bool {
		var entries []*pb.ChangedObject
		entries, *token = h.follow(call, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: *token}})
		for _, e := range entries {
			if e.Id == id {
				found = e
			}
		}
		return found != nil
	})
	return found
}

func TestAC53_DeltaOfAUsersLife(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	for i := range 5 {
		h.user(fmt.Sprint("early", i))
	}
	full, token := h.follow(h.userDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Top: ptr(int32(2)), Select: "displayName,jobTitle,manager"}})
	if len(full) != 6 || !slices.Equal(full[0].Properties, []string{"displayName"}) {
		t.Errorf("full state %v", full)
	}
	_, end := h.follow(h.userDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: "latest"}})
	u := h.user("ann")
	if e := h.told(h.userDelta, &token, u.Id); e.RemovedReason != "" || e.Object.GetUser().GetDisplayName() != "ann" {
		t.Errorf("created: %v", e)
	}
	h.patch(u.Id, &pb.User{JobTitle: ptr("Chief")}, "job_title")
	if e := h.told(h.userDelta, &token, u.Id); !slices.Contains(e.Properties, "jobTitle") || !slices.Contains(e.Properties, "displayName") {
		t.Errorf("updated: %v", e)
	}
	// What nobody asked about does not surface; what was taken away does.
	h.patch(u.Id, &pb.User{City: ptr("Oslo")}, "city")
	if _, err := h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: u.Id, Reference: reference(h.admin)}); err != nil {
		t.Fatal(err)
	}
	if e := h.told(h.userDelta, &token, u.Id); len(e.Manager) != 1 || e.Manager[0].Object.GetUser().GetId() != h.admin {
		t.Errorf("manager: %v", e)
	}
	objects := pb.NewDirectoryObjectServiceClient(h.gateway)
	if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	if e := h.told(h.userDelta, &token, u.Id); e.RemovedReason != "changed" || e.Object != nil {
		t.Errorf("deleted: %v", e)
	}
	if _, err := objects.RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	if e := h.told(h.userDelta, &token, u.Id); e.RemovedReason != "" || e.Object.GetUser().GetJobTitle() != "Chief" || len(e.Manager) != 1 {
		t.Errorf("restored: %v", e)
	}
	if _, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.PurgeDeletedItem(h.ctx, &pb.PurgeDeletedItemRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	if e := h.told(h.userDelta, &token, u.Id); e.RemovedReason != "deleted" {
		t.Errorf("purged: %v", e)
	}
	if e := h.told(h.userDelta, &end, u.Id); e.RemovedReason != "deleted" {
		t.Errorf("since the end of then: %v", e)
	}
	// A token of eight days is told from one that never was.
	h.clock.Advance(8 * 24 * time.Hour)
	h.ctx = h.as(h.token(h.app.AppId, h.app.ClientSecret))
	_, err := h.userDelta(&pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: token}})
	wantReason(t, err, errorspb.Reason_SYNC_STATE_NOT_FOUND)
	fresh := fault.From(err).Meta["delta_token"]
	if again, _ := h.follow(h.userDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: fresh}}); len(again) != 6 || slices.Contains(again[0].Properties, "id") {
		t.Errorf("started over: %v", again)
	}
	for _, bad := range []*odatapb.Query{{Deltatoken: "x"}, {Deltatoken: fresh[:len(fresh)-2]}} {
		_, err := h.userDelta(&pb.ListDeltaRequest{Query: bad})
		wantReason(t, err, errorspb.Reason_INVALID_PAGE_TOKEN)
	}
	_, err = h.groupDelta(&pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: fresh}})
	wantReason(t, err, errorspb.Reason_INVALID_PAGE_TOKEN)
	other := h.suite.tenant("fabrikam", pb.Tenant_workforce)
	_, err = other.userDelta(&pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: fresh}})
	wantReason(t, err, errorspb.Reason_INVALID_PAGE_TOKEN)
}

func TestAC53_NoWriterIsMissed(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	_, token := h.follow(h.userDelta, &pb.ListDeltaRequest{})
	const writers = 100
	var wg sync.WaitGroup
	made := make([]string, writers)
	for i := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: h.draft(fmt.Sprint("w", i))})
			if err != nil {
				t.Error(err)
				return
			}
			made[i] = u.Id
		}()
	}
	seen := make(map[string]bool)
	eventually(t, "every id", func() bool {
		var entries []*pb.ChangedObject
		entries, token = h.follow(h.userDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: token}, MaxPageSize: 7})
		for _, e := range entries {
			seen[e.Id] = true
		}
		return len(seen) >= writers
	})
	wg.Wait()
	for _, id := range made {
		if !seen[id] {
			t.Errorf("%s was missed", id)
		}
	}
}

func TestDeltaOfGroupsTellsMembers(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	g, ann, bob := h.group("team"), h.user("ann"), h.user("bob")
	h.must(h.addMember(g.Id, ann.Id))
	full, token := h.follow(h.groupDelta, &pb.ListDeltaRequest{})
	if len(full) != 1 || len(full[0].Members) != 1 || full[0].Members[0].Object.GetUser().GetId() != ann.Id {
		t.Fatalf("%v", full)
	}
	h.must(h.addMember(g.Id, bob.Id))
	if _, err := h.groups().RemoveMember(h.ctx, &pb.RemoveGroupReferenceRequest{Id: g.Id, ObjectId: ann.Id}); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	eventually(t, "both changes", func() bool {
		var entries []*pb.ChangedObject
		entries, token = h.follow(h.groupDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: token}, Minimal: true})
		for _, e := range entries {
			if len(e.Properties) != 0 && !slices.Contains(e.Properties, "createdDateTime") { // which is the creation again
				t.Errorf("minimal: %v", e)
			}
			for _, l := range e.Members {
				got[l.Object.GetUser().GetId()] = l.Removed
			}
		}
		return len(got) == 2
	})
	if !got[ann.Id] || got[bob.Id] {
		t.Errorf("%v", got)
	}
	for _, q := range []*odatapb.Query{{Filter: "displayName eq 'x'"}, {Orderby: "displayName"}, {Expand: "members"}, {Select: "nope"}, {Top: ptr(int32(1000))}} {
		if _, err := h.groupDelta(&pb.ListDeltaRequest{Query: q}); err == nil {
			t.Errorf("%v is accepted", q)
		}
	}
	only, _ := h.follow(h.groupDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Filter: "id eq '" + ann.Id + "' or id eq '" + g.Id + "'", Select: "displayName"}})
	if len(only) != 1 || len(only[0].Members) != 0 {
		t.Errorf("%v", only)
	}
	if _, err := h.delta().ListApplicationsDelta(h.ctx, &pb.ListDeltaRequest{}); err != nil {
		t.Error(err)
	}
	if got, err := h.delta().ListServicePrincipalsDelta(h.ctx, &pb.ListDeltaRequest{}); err != nil || len(got.Value) == 0 {
		t.Error(got, err)
	}
	for _, call := range []func() (*pb.ListDeltaResponse, error){
		func() (*pb.ListDeltaResponse, error) {
			return h.delta().ListContactsDelta(h.ctx, &pb.ListDeltaRequest{})
		},
		func() (*pb.ListDeltaResponse, error) {
			return h.delta().ListAdministrativeUnitsDelta(h.ctx, &pb.ListDeltaRequest{})
		},
	} {
		if got, err := call(); err != nil || got.DeltaToken == "" {
			t.Error(got, err)
		}
	}
	guest := h.invite("guest@fabrikam.example", pb.User_Guest)
	_, err := h.delta().ListUsersDelta(h.person(guest.Id), &pb.ListDeltaRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestDeltaOfExtensions(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann := h.user("ann")
	app, _ := h.application("HR")
	name := h.define(app, "costCenter", "String", false).GetName()
	_, token := h.follow(h.userDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Select: "displayName," + name}})
	h.must(h.setExtension(ann.Id, name, "77"))
	e := h.told(h.userDelta, &token, ann.Id)
	if !slices.Contains(e.Properties, name) || e.Object.GetUser().GetExtensions().GetFields()[name].GetStringValue() != "77" {
		eventually(t, "the value", func() bool { // a replay of what was before may come first
			e = h.told(h.userDelta, &token, ann.Id)
			return e.Object.GetUser().GetExtensions().GetFields()[name].GetStringValue() == "77"
		})
	}
}

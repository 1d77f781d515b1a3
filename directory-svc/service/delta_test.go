package service_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"entente.dev/directory-svc/service"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/pg/pgtest"
	"entente.dev/servicekit/tenant"
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

// TestDeltaPagesHoldSoManyLinks has groups come into being, and back, with
// more members than a page carries.
func TestDeltaPagesHoldSoManyLinks(t *testing.T) {
	t.Parallel()
	db := pgtest.Services(t, pgtest.Schema{Name: service.Schema, Sources: service.Sources()})[service.Schema]
	fake := clocktest.New(time.Now().UTC().Truncate(time.Second))
	h := startOn(t, db.DSN, fake, fake).tenant("contoso", pb.Tenant_workforce)
	_, start := h.follow(h.groupDelta, &pb.ListDeltaRequest{})
	first, big, last := h.group("first"), h.group("big", "Unified"), h.group("last")
	h.must(h.addMember(first.Id, h.user("ann").Id))
	h.must(h.addMember(last.Id, h.user("ben").Id))
	const many = 11000
	id, err := tenant.Parse(h.id)
	h.must(err)
	h.must(pgtest.OpenService(t, db).Write(t.Context(), id, func(tx *pg.Tx) error {
		_, err := tx.Pgx().Exec(tx.Context(), "insert into group_members (tenant_id, group_id, member_id, member_type, added_at) select $1, $2, gen_random_uuid(), 1, now() from generate_series(1, $3::int)",
			[16]byte(id), big.Id, many)
		return err
	}))
	read := func() map[string]map[string]bool {
		got := make(map[string]map[string]bool)
		eventually(t, "the groups", func() bool {
			clear(got)
			for req := (&pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: start}}); ; {
				page, err := h.groupDelta(req)
				h.must(err)
				n := 0
				for _, e := range page.Value {
					if got[e.Id] == nil {
						got[e.Id] = make(map[string]bool)
					}
					for _, l := range e.Members {
						got[e.Id][l.Object.GetUser().GetId()] = true
					}
					n += len(e.Members)
				}
				if n > 5000+2 { // links that have rows of their own count as rows
					t.Errorf("%d links in one page", n)
				}
				if page.DeltaToken != "" {
					return len(got) == 3
				}
				req = &pb.ListDeltaRequest{Query: &odatapb.Query{Skiptoken: page.NextPageToken}}
			}
		})
		return got
	}
	if got := read(); len(got[first.Id]) != 1 || len(got[big.Id]) != many || len(got[last.Id]) != 1 {
		t.Errorf("%d, %d, %d members", len(got[first.Id]), len(got[big.Id]), len(got[last.Id]))
	}
	_, err = h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: big.Id})
	h.must(err)
	_, err = h.objects().RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: big.Id})
	h.must(err)
	if got := read(); len(got[big.Id]) != many || len(got[last.Id]) != 1 {
		t.Errorf("restored: %d, %d members", len(got[big.Id]), len(got[last.Id]))
	}
}

// TestDeltaTellsWhereDeletedObjectsWere follows groups and units while their
// members are deleted, come back, and end.
func TestDeltaTellsWhereDeletedObjectsWere(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, boss, team, inner, unit := h.user("ann"), h.user("boss"), h.group("team"), h.group("inner"), h.unit("unit", false)
	lee, err := h.contact("Lee", "lee@fabrikam.com")
	h.must(err)
	for _, id := range []string{ann.Id, inner.Id, lee.Id} {
		h.must(h.addMember(team.Id, id))
	}
	_, err = h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: team.Id, Reference: reference(ann.Id)})
	h.must(err)
	_, err = h.groups().AddOwner(h.ctx, &pb.AddGroupReferenceRequest{Id: team.Id, Reference: reference(boss.Id)})
	h.must(err)
	h.must(h.join(unit.Id, ann.Id))
	h.must(h.join(unit.Id, inner.Id))
	unitDelta := func(req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
		return h.delta().ListAdministrativeUnitsDelta(h.ctx, req)
	}
	_, groups := h.follow(h.groupDelta, &pb.ListDeltaRequest{Query: &odatapb.Query{Select: "displayName,members,owners"}})
	_, units := h.follow(unitDelta, &pb.ListDeltaRequest{})
	// tells reads what is new until all the members, with true for those that
	// went, have been told of the object.
	tells := func(call deltaCall, token *string, of string, owner bool, want map[string]bool) {
		t.Helper()
		got := make(map[string]bool)
		eventually(t, "the members that came and went", func() bool {
			var entries []*pb.ChangedObject
			entries, *token = h.follow(call, &pb.ListDeltaRequest{Query: &odatapb.Query{Deltatoken: *token}})
			for _, e := range entries {
				list := e.Members
				if owner {
					list = e.Owners
				}
				for _, l := range list {
					if e.Id == of {
						got[idsOf([]*pb.DirectoryObject{l.Object})[0]] = l.Removed
					}
				}
			}
			for id, removed := range want {
				if now, told := got[id]; !told || now != removed {
					return false
				}
			}
			return true
		})
	}
	ownersToken := groups
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: ann.Id})
	h.must(err)
	tells(h.groupDelta, &groups, team.Id, false, map[string]bool{ann.Id: true})
	tells(h.groupDelta, &ownersToken, team.Id, true, map[string]bool{ann.Id: true})
	tells(unitDelta, &units, unit.Id, false, map[string]bool{ann.Id: true})
	_, err = h.objects().RestoreDeletedItem(h.ctx, &pb.RestoreDeletedItemRequest{Id: ann.Id})
	h.must(err)
	tells(h.groupDelta, &groups, team.Id, false, map[string]bool{ann.Id: false})
	tells(unitDelta, &units, unit.Id, false, map[string]bool{ann.Id: false})
	// Who was deleted and purged between two looks has left all the same.
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: ann.Id})
	h.must(err)
	_, err = h.objects().PurgeDeletedItem(h.ctx, &pb.PurgeDeletedItemRequest{Id: ann.Id})
	h.must(err)
	_, err = h.groups().DeleteGroup(h.ctx, &pb.DeleteGroupRequest{Id: inner.Id})
	h.must(err)
	_, err = pb.NewContactServiceClient(h.gateway).DeleteContact(h.ctx, &pb.DeleteContactRequest{Id: lee.Id})
	h.must(err)
	tells(h.groupDelta, &groups, team.Id, false, map[string]bool{ann.Id: true, inner.Id: true, lee.Id: true})
	tells(unitDelta, &units, unit.Id, false, map[string]bool{ann.Id: true, inner.Id: true})
}

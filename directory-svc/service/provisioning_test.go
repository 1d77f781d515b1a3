package service_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"github.com/google/uuid"
)

type bulk struct {
	source, target *home
	svc            pb.ProvisioningServiceClient
	fence          int64
}

func newBulk(t testing.TB) *bulk {
	s := start(t)
	return &bulk{source: s.tenant("contoso", pb.Tenant_workforce), target: s.tenant("fabrikam", pb.Tenant_workforce), svc: pb.NewProvisioningServiceClient(s.dial("sync-svc")), fence: 1}
}

func (b *bulk) apply(items ...*pb.ApplyExternalUsersRequest_Item) ([]*pb.ApplyExternalUsersResponse_Result, error) {
	answer, err := b.svc.ApplyExternalUsers(b.source.t.Context(), &pb.ApplyExternalUsersRequest{ResourceTenantId: b.target.id, HomeTenantId: b.source.id, JobId: "job",
		FencingToken: b.fence, PolicyVersion: 1, Items: items, CorrelationId: uuid.NewString()})
	return answer.GetResults(), err
}

func create(home, name string) *pb.ApplyExternalUsersRequest_Item {
	return &pb.ApplyExternalUsersRequest_Item{Operation: pb.ApplyExternalUsersRequest_Item_create, HomeObjectId: home, HomeUserPrincipalName: name + "@contoso.com",
		Attributes: &pb.User{DisplayName: &name, Mail: ptr(name + "@contoso.com"), UserType: pb.User_Member.Enum(), Department: ptr("Sales")},
		Mask:       []string{"display_name", "mail", "user_type", "department"}}
}

func TestBulkIsIdempotent(t *testing.T) {
	t.Parallel()
	b := newBulk(t)
	a, m := uuid.NewString(), uuid.NewString()
	first := create(a, "ann")
	first.ManagerHomeObjectId = m // comes later in the same batch
	results, err := b.apply(first, create(m, "mia"))
	if err != nil || results[0].Outcome != "created" || results[1].Outcome != "created" || results[0].ManagerPending {
		t.Fatalf("%v %v", results, err)
	}
	u, err := b.target.users().GetUser(b.target.ctx, &pb.GetUserRequest{Id: results[0].TargetId})
	if err != nil || u.GetUserPrincipalName() != "ann_contoso.com#EXT#@"+b.target.domain || u.GetExternalUserState() != pb.User_Accepted || u.GetDepartment() != "Sales" ||
		u.Identities[0].GetIssuer() != "ExternalAzureAD" || u.GetCreationType() != pb.User_Invitation {
		t.Fatalf("%v %v", u, err)
	}
	again, err := b.apply(first, create(m, "mia"))
	if err != nil || again[0].Outcome != "unchanged" || again[0].TargetId != results[0].TargetId {
		t.Errorf("%v %v", again, err)
	}
	manager, err := b.target.users().GetManager(b.target.ctx, &pb.GetManagerRequest{Id: results[0].TargetId})
	if err != nil || manager.GetUser().GetId() != results[1].TargetId {
		t.Errorf("%v %v", manager, err)
	}
}

func TestBulkItemsStandAlone(t *testing.T) {
	t.Parallel()
	b := newBulk(t)
	mailbox := b.target.draft("taken")
	mailbox.Mail = ptr("internal@contoso.com")
	if _, err := b.target.users().CreateUser(b.target.ctx, &pb.CreateUserRequest{User: mailbox}); err != nil {
		t.Fatal(err)
	}
	bad := create(uuid.NewString(), "bad")
	bad.Attributes.Department = ptr(string(make([]byte, 65)))
	twice := uuid.NewString()
	foreign := create(uuid.NewString(), "x")
	foreign.Mask = append(foreign.Mask, "password_profile")
	results, err := b.apply(create(uuid.NewString(), "good"), bad, create(uuid.NewString(), "internal"), create(twice, "twice"), create(twice, "twice"), foreign,
		&pb.ApplyExternalUsersRequest_Item{Operation: pb.ApplyExternalUsersRequest_Item_update, HomeObjectId: uuid.NewString(), TargetId: uuid.NewString()})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "InvitationCreationFailureInvalidPropertyValue", "InvitationCreationFailureAmbiguousUser", "", "DuplicateSourceEntries", "SchemaAttributeNotFound", "InvalidAnchor"}
	for i, r := range results {
		// An external member carries no proxy address, so only guests clash by it.
		if r.ErrorCode != want[i] {
			t.Errorf("item %d: %v, want %q", i, r, want[i])
		}
	}
}

func TestBulkFencing(t *testing.T) {
	t.Parallel()
	b := newBulk(t)
	b.fence = 7
	if _, err := b.apply(create(uuid.NewString(), "a")); err != nil {
		t.Fatal(err)
	}
	b.fence = 6
	_, err := b.apply(create(uuid.NewString(), "b"))
	wantReason(t, err, errorspb.Reason_FENCED)
}

func TestBulkDeletesAndRestoresItsOwn(t *testing.T) {
	t.Parallel()
	b := newBulk(t)
	homeID := uuid.NewString()
	made, err := b.apply(create(homeID, "ann"))
	if err != nil {
		t.Fatal(err)
	}
	item := func(op pb.ApplyExternalUsersRequest_Item_Operation) *pb.ApplyExternalUsersRequest_Item {
		i := create(homeID, "ann")
		i.Operation, i.TargetId = op, made[0].TargetId
		return i
	}
	deleted, err := b.apply(item(pb.ApplyExternalUsersRequest_Item_softDelete))
	if err != nil || deleted[0].Outcome != "deleted" {
		t.Fatalf("%v %v", deleted, err)
	}
	found, err := b.svc.ListTargetUsers(t.Context(), &pb.ListTargetUsersRequest{ResourceTenantId: b.target.id, HomeTenantId: b.source.id, HomeObjectIds: []string{homeID}})
	if err != nil || len(found.Users) != 1 || !found.Users[0].Deleted || found.Users[0].DeletedBy != "sync:job" || found.Users[0].HomeObjectId != homeID {
		t.Fatalf("%v %v", found, err)
	}
	restored, err := b.apply(item(pb.ApplyExternalUsersRequest_Item_restore))
	if err != nil || restored[0].Outcome != "restored" {
		t.Fatalf("%v %v", restored, err)
	}
	stale := item(pb.ApplyExternalUsersRequest_Item_update)
	stale.ExpectedVersion = 1
	results, err := b.apply(stale)
	if err != nil || results[0].ErrorCode != "stale" {
		t.Errorf("%v %v", results, err)
	}
}

func TestFeedTellsEveryChangeInOrder(t *testing.T) {
	t.Parallel()
	b := newBulk(t)
	feed := pb.NewChangeFeedServiceClient(b.source.dial("sync-svc"))
	from, err := feed.GetFeedPosition(t.Context(), &pb.GetFeedPositionRequest{TenantId: b.source.id})
	if err != nil {
		t.Fatal(err)
	}
	u := b.source.user("alice")
	if _, err := b.source.users().DeleteUser(b.source.ctx, &pb.DeleteUserRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	// Transactions of other tests on the same server may hold the reader back
	// for a moment.
	const want = "created deleted "
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	kinds, position := "", from.Position
	for kinds != want {
		page, err := feed.ListChanges(ctx, &pb.ListChangesRequest{TenantId: b.source.id, Position: position, Limit: 1, Types: []string{"user"}})
		if err != nil {
			t.Fatalf("got %q: %v", kinds, err)
		}
		for _, c := range page.Changes {
			if c.ObjectId == u.Id {
				kinds += fmt.Sprint(c.Kind) + " "
			}
		}
		position = page.Position
		if !page.More {
			<-tick.C
		}
	}
	_, err = feed.ListChanges(t.Context(), &pb.ListChangesRequest{TenantId: b.source.id, Position: uuid.NewString() + ".1.1"})
	wantReason(t, err, errorspb.Reason_SYNC_STATE_NOT_FOUND)
}

func BenchmarkApplyExternalUsers(b *testing.B) {
	k := newBulk(b)
	const size = 500
	b.ResetTimer()
	for n := range b.N {
		items := make([]*pb.ApplyExternalUsersRequest_Item, size)
		for i := range items {
			items[i] = create(uuid.NewString(), fmt.Sprintf("u%d-%d", n, i))
		}
		if results, err := k.apply(items...); err != nil || results[0].Outcome != "created" {
			b.Fatal(results, err)
		}
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "users/s")
}

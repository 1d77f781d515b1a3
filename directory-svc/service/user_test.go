package service_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func TestUserLife(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u := h.user("alice")
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: "ALICE@" + h.domain})
	if err != nil || got.Id != u.Id || got.GetUserType() != pb.User_Member || got.PasswordProfile != nil {
		t.Fatalf("%v %v", got, err)
	}
	_, err = h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: u.Id, User: &pb.User{Department: ptr("Sales"), ShowInAddressList: ptr(false)},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"department", "show_in_address_list", "job_title"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id}); err != nil || got.GetDepartment() != "Sales" || got.ShowInAddressList == nil || *got.ShowInAddressList {
		t.Errorf("%v %v", got, err)
	}
	list, err := h.users().ListUsers(h.ctx, &pb.ListUsersRequest{Query: &odatapb.Query{Filter: "startswith(displayName,'ali') and department eq 'SALES'", Select: "id,department"}})
	if err != nil || len(list.Value) != 1 || list.Value[0].GetDepartment() != "Sales" {
		t.Errorf("%v %v", list, err)
	}
	if _, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id}); err != nil {
		t.Fatal(err)
	}
	_, err = h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: u.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestAC1ForeignIdsAreUnknown(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	u := b.user("bob")
	_, foreign := a.users().GetUser(a.ctx, &pb.GetUserRequest{Id: u.Id})
	random := uuid.NewString()
	_, unknown := a.users().GetUser(a.ctx, &pb.GetUserRequest{Id: random})
	f, k := fault.From(foreign), fault.From(unknown)
	if f.Reason != errorspb.Reason_NOT_FOUND || strings.ReplaceAll(f.Message, u.Id, "") != strings.ReplaceAll(k.Message, random, "") || f.Kind != k.Kind {
		t.Errorf("%v\n%v", f, k)
	}
}

func TestAC35LastGlobalAdministrator(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	// An application does not reach an administrator at all (DIR-179).
	_, err := h.users().DeleteUser(h.ctx, &pb.DeleteUserRequest{Id: h.admin})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	_, err = h.users().UpdateUser(h.ctx, &pb.UpdateUserRequest{Id: h.admin, User: &pb.User{AccountEnabled: ptr(false)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"account_enabled"}}})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
	// Nor does the last administrator get rid of itself, in any way there is; of
	// two, one may go.
	as := h.person(h.admin)
	held, err := h.roles().ListRoleAssignments(h.ctx, &pb.ListRoleAssignmentsRequest{})
	h.must(err)
	disable := func(id string) error {
		return h.update(as, id, &pb.User{AccountEnabled: ptr(false)}, "account_enabled")
	}
	remove := func(id string) error {
		_, err := h.users().DeleteUser(as, &pb.DeleteUserRequest{Id: id})
		return err
	}
	unassign := func(ctx context.Context) error {
		_, err := h.roles().DeleteRoleAssignment(ctx, &pb.DeleteRoleAssignmentRequest{Id: held.Value[0].Id})
		return err
	}
	wantReason(t, disable(h.admin), errorspb.Reason_LAST_ADMINISTRATOR)
	wantReason(t, remove(h.admin), errorspb.Reason_LAST_ADMINISTRATOR)
	if kind, _ := fault.Of(unassign(as)); kind != fault.KindInvalid && kind != fault.KindPrecondition {
		t.Errorf("the own role went: %v", unassign(as))
	}
	wantReason(t, unassign(h.ctx), errorspb.Reason_LAST_ADMINISTRATOR)
	second := h.user("second")
	h.must(h.give(globalAdministrator, second.Id, "/"))
	h.must(disable(second.Id))
	wantReason(t, remove(h.admin), errorspb.Reason_LAST_ADMINISTRATOR) // the other one is disabled
}

func TestAC9OneNameForOneUser(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			draft := h.draft("alice")
			if i%2 == 0 {
				draft.UserPrincipalName = ptr("ALICE@" + h.domain)
			}
			_, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
			if err == nil {
				made.Add(1)
			} else if f := fault.From(err); f.Reason != errorspb.Reason_OBJECT_CONFLICT || f.Meta["property"] != "userPrincipalName" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d users of one name", n)
	}
}

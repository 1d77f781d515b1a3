package directorytest

import (
	"context"
	"slices"
	"strings"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ListTargetUsers implements reading the target.
func (d *Directory) ListTargetUsers(_ context.Context, r *directorypb.ListTargetUsersRequest, _ ...grpc.CallOption) (*directorypb.ListTargetUsersResponse, error) {
	t, err := d.enter("ListTargetUsers", r.GetResourceTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	if len(r.GetHomeObjectIds()) > 1000 || len(r.GetAddresses()) > 1000 {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "At most 1000 users may be asked for.")
	}
	response := &directorypb.ListTargetUsersResponse{}
	for _, u := range t.users {
		home, object, _ := strings.Cut(u.Home, "/")
		byKey := home == r.GetHomeTenantId() && slices.Contains(r.GetHomeObjectIds(), object)
		byAddress := u.Home == "" && u.Invited != "" && !u.Deleted && slices.Contains(r.GetAddresses(), u.Invited)
		if byKey || byAddress {
			response.Users = append(response.Users, &directorypb.TargetUser{User: proto.CloneOf(u.User), HomeObjectId: object, ManagerId: u.Manager,
				Deleted: u.Deleted, DeletedBy: u.DeletedBy, Version: u.Version, InvitedEmail: u.Invited})
		}
	}
	return response, d.leave("ListTargetUsers")
}

// ApplyExternalUsers implements bulk provisioning.
func (d *Directory) ApplyExternalUsers(_ context.Context, r *directorypb.ApplyExternalUsersRequest, _ ...grpc.CallOption) (*directorypb.ApplyExternalUsersResponse, error) {
	t, err := d.enter("ApplyExternalUsers", r.GetResourceTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	if r.GetFencingToken() < d.fences[r.GetJobId()] {
		return nil, fault.Aborted(errorspb.Reason_FENCED, "fenced")
	}
	d.fences[r.GetJobId()] = r.GetFencingToken()
	if r.GetPolicyVersion() != d.policy.version() {
		return nil, fault.Precondition(errorspb.Reason_POLICY_VERSION_STALE, "stale policy")
	}
	response := &directorypb.ApplyExternalUsersResponse{}
	for _, item := range r.GetItems() {
		response.Results = append(response.Results, t.apply(r, item))
	}
	return response, d.leave("ApplyExternalUsers")
}

func (t *tenantState) byHome(key string) *User {
	for _, u := range t.users {
		if u.Home == key {
			return u
		}
	}
	return nil
}

func (t *tenantState) apply(r *directorypb.ApplyExternalUsersRequest, item *directorypb.ApplyExternalUsersRequest_Item) *directorypb.ApplyExternalUsersResponse_Result {
	result := &directorypb.ApplyExternalUsersResponse_Result{Outcome: "unchanged"}
	key := r.GetHomeTenantId() + "/" + item.GetHomeObjectId()
	u := t.byHome(key)
	fail := func(code string) *directorypb.ApplyExternalUsersResponse_Result {
		return &directorypb.ApplyExternalUsersResponse_Result{Outcome: "failed", ErrorCode: code, ErrorMessage: code}
	}
	switch item.GetOperation() {
	case directorypb.ApplyExternalUsersRequest_Item_create:
		if u != nil && u.Deleted {
			return fail("EntryConflict")
		}
		if u == nil {
			for _, other := range t.users {
				if item.GetAttributes().GetMail() != "" && strings.EqualFold(other.User.GetMail(), item.GetAttributes().GetMail()) {
					return fail("EntryConflict")
				}
			}
			u = &User{Home: key, External: true, User: &directorypb.User{Id: uuid.Must(uuid.NewV7()).String()}}
			t.users[u.User.GetId()] = u
			result.Outcome = "created"
			t.note("user", u.User.GetId(), directorypb.Change_created, "", nil)
		}
	case directorypb.ApplyExternalUsersRequest_Item_adopt:
		u = t.users[item.GetTargetId()]
		u.Home, result.Outcome = key, "adopted"
		accepted := directorypb.User_Accepted
		u.User.ExternalUserState = &accepted
	default:
		u = t.users[item.GetTargetId()]
	}
	if u == nil {
		return fail("InvalidAnchor")
	}
	if v := item.GetExpectedVersion(); v != 0 && v != u.Version {
		return fail("stale")
	}
	result.TargetId = u.User.GetId()
	switch item.GetOperation() {
	case directorypb.ApplyExternalUsersRequest_Item_softDelete:
		if !u.Deleted {
			u.Deleted, u.DeletedBy, result.Outcome = true, "sync:"+r.GetJobId(), "deleted"
			u.Version++
			t.note("user", u.User.GetId(), directorypb.Change_deleted, "", nil)
		}
		return result
	case directorypb.ApplyExternalUsersRequest_Item_restore:
		if u.Deleted {
			u.Deleted, u.DeletedBy, result.Outcome = false, "", "restored"
			t.note("user", u.User.GetId(), directorypb.Change_restored, "", nil)
		}
	}
	before := proto.CloneOf(u.User)
	merge(u.User, item.GetAttributes(), item.GetMask())
	if upn := item.GetHomeUserPrincipalName(); upn != "" {
		u.User.UserPrincipalName = proto.String(strings.ReplaceAll(upn, "@", "_") + "#EXT#@" + t.domain)
	}
	switch m := item.GetManagerHomeObjectId(); m {
	case "":
	case "-":
		u.Manager = ""
	default:
		if manager := t.byHome(r.GetHomeTenantId() + "/" + m); manager != nil {
			u.Manager = manager.User.GetId()
		} else {
			result.ManagerPending = true
		}
	}
	if !proto.Equal(before, u.User) && result.Outcome == "unchanged" {
		result.Outcome = "updated"
	}
	if result.Outcome != "unchanged" {
		u.Version++
		t.note("user", u.User.GetId(), directorypb.Change_updated, "", nil)
	}
	result.Version = u.Version
	return result
}

// merge copies the fields of the mask; an unset one clears.
func merge(to, from *directorypb.User, mask []string) {
	for _, path := range mask {
		head, _, _ := strings.Cut(path, ".")
		field := to.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(head))
		if from.ProtoReflect().Has(field) {
			to.ProtoReflect().Set(field, from.ProtoReflect().Get(field))
		} else {
			to.ProtoReflect().Clear(field)
		}
	}
}

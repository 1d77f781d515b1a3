package invitetest

import (
	"context"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Delegation is an application whose owner manages who uses it.
type Delegation struct {
	Owner   string
	May     bool // invite
	Group   string
	Members []string
}

// owned is the delegation of an application or a group, for its owner. Like the
// directory it knows the caller by what travels with the call.
func owned(ctx context.Context, all map[string]*Delegation, id string) (*Delegation, error) {
	if one := all[id]; one != nil && one.Owner == caller.From(ctx).ObjectID.String() {
		return one, nil
	}
	return nil, fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
}

// GetOwnSelfService answers owners.
func (d *Directory) GetOwnSelfService(ctx context.Context, r *directorypb.GetSelfServiceRequest, _ ...grpc.CallOption) (out *directorypb.SelfService, err error) {
	err = d.act("GetOwnSelfService", func() error {
		one, err := owned(ctx, d.Delegations, r.Id)
		if err == nil {
			out = &directorypb.SelfService{Enabled: true, OwnersMayInvite: one.May, GroupId: &one.Group}
		}
		return err
	})
	return out, err
}

// AddSelfServiceMember adds for owners.
func (d *Directory) AddSelfServiceMember(ctx context.Context, r *directorypb.AddSelfServiceMemberRequest, _ ...grpc.CallOption) (out *directorypb.SelfServiceMember, err error) {
	err = d.act("AddSelfServiceMember", func() error {
		one, err := owned(ctx, d.Delegations, r.Id)
		if err == nil {
			one.Members = append(one.Members, r.UserId)
			out = &directorypb.SelfServiceMember{UserId: r.UserId, GroupId: &one.Group}
		}
		return err
	})
	return out, err
}

// AddUser makes an internal user known.
func (d *Directory) AddUser(tenant, id, mail string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[tenant+id] = &directorypb.User{Id: id, AccountEnabled: proto.Bool(true), Mail: &mail, DisplayName: proto.String("Ann"), UserType: directorypb.User_Member.Enum()}
	d.people[tenant+id] = &directorypb.Principal{ObjectId: id, Type: "user", Enabled: true, DisplayName: "Ann", Mail: mail}
}

// BeginExternalConversion takes an internal user to pending, once.
func (d *Directory) BeginExternalConversion(_ context.Context, r *directorypb.BeginExternalConversionRequest, _ ...grpc.CallOption) (out *directorypb.User, err error) {
	err = d.act("BeginExternalConversion", func() error {
		key := r.TenantId + r.UserId
		if out = d.users[key]; out == nil {
			return notFound()
		}
		if out.ExternalUserState != nil {
			return fault.Precondition(errorspb.Reason_EXTERNAL_ACCOUNT, "The user is an external user already.")
		}
		out.ExternalUserState = directorypb.User_PendingAcceptance.Enum()
		d.email[key] = r.Email
		return nil
	})
	return out, err
}

// RecordSignIn logs each event once, of users who exist.
func (d *Directory) RecordSignIn(_ context.Context, r *directorypb.RecordSignInRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, d.act("RecordSignIn", func() error {
		if d.users[r.TenantId+r.UserId] == nil {
			return notFound()
		}
		if key := r.TenantId + r.EventId; d.SignIns[key] == nil {
			d.SignIns[key] = r
		}
		return nil
	})
}

// GetInvitingGroup answers owners.
func (d *Directory) GetInvitingGroup(ctx context.Context, r *directorypb.GetInvitingGroupRequest, _ ...grpc.CallOption) (out *directorypb.InvitingGroup, err error) {
	err = d.act("GetInvitingGroup", func() error {
		_, err := owned(ctx, d.Groups, r.Id)
		out = &directorypb.InvitingGroup{Id: r.Id}
		return err
	})
	return out, err
}

// AddInvitedMember adds for owners.
func (d *Directory) AddInvitedMember(ctx context.Context, r *directorypb.AddInvitedMemberRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, d.act("AddInvitedMember", func() error {
		one, err := owned(ctx, d.Groups, r.Id)
		if err == nil {
			one.Members = append(one.Members, r.UserId)
		}
		return err
	})
}

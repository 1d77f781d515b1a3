package invitetest

import (
	"context"
	"strings"
	"sync"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Trouble decides what becomes of a call: it may answer an error or panic.
// Around names the moment: "before CreateExternalUser", "after ...".
type Trouble func(around string) error

// Directory is directory-svc as far as this service asks it.
type Directory struct {
	directorypb.ExternalUserServiceClient
	directorypb.TenantDirectoryServiceClient
	directorypb.PrincipalServiceClient
	directorypb.ServicePrincipalServiceClient
	directorypb.SignInServiceClient
	directorypb.GroupServiceClient

	mu      sync.Mutex
	trouble Trouble
	tenants map[string]*directorypb.TenantFacts
	users   map[string]*directorypb.User // by tenant and id
	email   map[string]string            // invited address by tenant and id
	made    map[string]string            // user by tenant and invitation
	existed map[string]bool              // by tenant and invitation
	bound   map[string]string            // home key by tenant and id
	by      map[string]string            // redemption by tenant and id
	held    map[string]string            // invitation by tenant and id
	people  map[string]*directorypb.Principal
	Calls   map[string]int
	// Conflicts are answered beside those that follow from the users.
	Conflicts map[string][]*directorypb.FindInviteConflictsResponse_Conflict
	Homes     map[string]*directorypb.HomeAccount // by address
	// SignIns are those that were logged, by tenant and event.
	SignIns map[string]*directorypb.RecordSignInRequest
	// Groups are those that their owners may invite into, by id.
	Groups map[string]*Delegation
	// Delegations are the applications that their owners manage, by id.
	Delegations map[string]*Delegation
}

// NewDirectory is an empty one.
func NewDirectory() *Directory {
	return &Directory{tenants: map[string]*directorypb.TenantFacts{}, users: map[string]*directorypb.User{}, email: map[string]string{},
		made: map[string]string{}, existed: map[string]bool{}, bound: map[string]string{}, by: map[string]string{}, held: map[string]string{}, people: map[string]*directorypb.Principal{},
		Calls: map[string]int{}, Conflicts: map[string][]*directorypb.FindInviteConflictsResponse_Conflict{}, Homes: map[string]*directorypb.HomeAccount{}, SignIns: map[string]*directorypb.RecordSignInRequest{}, Delegations: map[string]*Delegation{}, Groups: map[string]*Delegation{}}
}

// Cause has calls meet trouble from now on; nil ends it.
func (d *Directory) Cause(t Trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trouble = t
}

// act runs one call with the trouble before and after it.
func (d *Directory) act(name string, do func() error) error {
	d.mu.Lock()
	trouble := d.trouble
	d.Calls[name]++
	d.mu.Unlock()
	if trouble != nil {
		if err := trouble("before " + name); err != nil {
			return err
		}
	}
	d.mu.Lock()
	err := do()
	d.mu.Unlock()
	if err == nil && trouble != nil {
		err = trouble("after " + name)
	}
	return err
}

// Count is how often a method was called.
func (d *Directory) Count(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Calls[name]
}

// AddTenant makes a tenant known.
func (d *Directory) AddTenant(id, name, domain string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tenants[id] = &directorypb.TenantFacts{TenantId: id, DisplayName: name, InitialDomain: domain, DefaultDomain: domain,
		VerifiedDomains: []string{domain}, HasCustomDomain: true, State: directorypb.Tenant_active, PrivacyStatementUrl: "https://" + domain + "/privacy"}
}

// Retype changes what kind of tenant one is.
func (d *Directory) Retype(id string, kind directorypb.Tenant_TenantType) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tenants[id].TenantType = kind
}

// AddPerson makes a member known.
func (d *Directory) AddPerson(tenant, id, name, mail string, guest bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people[tenant+id] = &directorypb.Principal{ObjectId: id, Type: "user", Enabled: true, DisplayName: name, Mail: mail, Guest: guest}
}

// Alter changes what is known of a person or an application.
func (d *Directory) Alter(tenant, id string, change func(*directorypb.Principal)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := proto.Clone(d.people[tenant+id]).(*directorypb.Principal)
	change(p)
	d.people[tenant+id] = p
}

// User is a copy of a user, nil when there is none or it is deleted.
func (d *Directory) User(tenant, id string) *directorypb.User {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.users[tenant+id]
	if u == nil || u.DeletedDateTime != nil {
		return nil
	}
	return proto.Clone(u).(*directorypb.User)
}

// Users is how many live external users a tenant has.
func (d *Directory) Users(tenant string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, u := range d.users {
		if strings.HasPrefix(key, tenant) && u.DeletedDateTime == nil {
			n++
		}
	}
	return n
}

// Change changes a user.
func (d *Directory) Change(tenant, id string, change func(*directorypb.User)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d.users[tenant+id])
}

// Bound is the home key bound to a user, empty when there is none.
func (d *Directory) Bound(tenant, id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bound[tenant+id]
}

func notFound() error {
	return fault.NotFound(errorspb.Reason_NOT_FOUND, "There is no such object.")
}

// LookupTenant answers a tenant that was added.
func (d *Directory) LookupTenant(_ context.Context, r *directorypb.LookupTenantRequest, _ ...grpc.CallOption) (out *directorypb.TenantFacts, err error) {
	err = d.act("LookupTenant", func() error {
		if out = d.tenants[r.TenantId]; out == nil {
			return notFound()
		}
		return nil
	})
	return out, err
}

// GetPrincipal answers a person who was added.
func (d *Directory) GetPrincipal(_ context.Context, r *directorypb.GetPrincipalRequest, _ ...grpc.CallOption) (out *directorypb.Principal, err error) {
	err = d.act("GetPrincipal", func() error {
		if out = d.people[r.TenantId+r.ObjectId]; out == nil {
			return notFound()
		}
		return nil
	})
	return out, err
}

// FindInviteConflicts answers the users with the address, and what was put
// into Conflicts.
func (d *Directory) FindInviteConflicts(_ context.Context, r *directorypb.FindInviteConflictsRequest, _ ...grpc.CallOption) (out *directorypb.FindInviteConflictsResponse, err error) {
	err = d.act("FindInviteConflicts", func() error {
		out = &directorypb.FindInviteConflictsResponse{Conflicts: d.Conflicts[r.Email]}
		_, domain, _ := strings.Cut(r.Email, "@")
		if facts := d.tenants[r.TenantId]; facts != nil {
			for _, own := range facts.VerifiedDomains {
				out.OwnDomain = out.OwnDomain || own == domain
			}
		}
		for key, u := range d.users {
			if strings.HasPrefix(key, r.TenantId) && u.DeletedDateTime == nil && strings.EqualFold(d.email[key], r.Email) {
				out.Conflicts = append(out.Conflicts, &directorypb.FindInviteConflictsResponse_Conflict{ObjectId: u.Id, Type: "user",
					MatchedBy: []string{"invitedEmail", "mail"}, User: proto.Clone(u).(*directorypb.User), External: true, InvitedEmail: d.email[key]})
			}
		}
		return nil
	})
	return out, err
}

// CreateExternalUser makes one user per invitation and per address.
func (d *Directory) CreateExternalUser(_ context.Context, r *directorypb.CreateExternalUserRequest, _ ...grpc.CallOption) (out *directorypb.CreateExternalUserResponse, err error) {
	err = d.act("CreateExternalUser", func() error {
		if id, ok := d.made[r.TenantId+r.InvitationId]; ok {
			out = &directorypb.CreateExternalUserResponse{User: proto.Clone(d.users[r.TenantId+id]).(*directorypb.User), AlreadyExisted: d.existed[r.TenantId+r.InvitationId]}
			return nil
		}
		for key, u := range d.users {
			if strings.HasPrefix(key, r.TenantId) && u.DeletedDateTime == nil && strings.EqualFold(d.email[key], r.Email) {
				d.made[r.TenantId+r.InvitationId], d.existed[r.TenantId+r.InvitationId] = u.Id, true
				out = &directorypb.CreateExternalUserResponse{User: proto.Clone(u).(*directorypb.User), AlreadyExisted: true}
				return nil
			}
		}
		u := &directorypb.User{Id: uuid.NewString(), AccountEnabled: proto.Bool(true), Mail: proto.String(r.Email), OtherMails: []string{r.Email},
			DisplayName: proto.String(r.DisplayName), UserType: r.UserType.Enum(), ExternalUserState: directorypb.User_PendingAcceptance.Enum()}
		if r.HomeKey != nil {
			u.ExternalUserState = directorypb.User_Accepted.Enum()
			d.bound[r.TenantId+u.Id] = homeKey(r.HomeKey)
		}
		d.users[r.TenantId+u.Id], d.email[r.TenantId+u.Id], d.made[r.TenantId+r.InvitationId] = u, r.Email, u.Id
		d.held[r.TenantId+u.Id] = r.InvitationId
		out = &directorypb.CreateExternalUserResponse{User: proto.Clone(u).(*directorypb.User)}
		return nil
	})
	return out, err
}

func homeKey(k *directorypb.HomeKey) string {
	return k.HomeTenantId + "/" + k.HomeObjectId + "/" + k.Issuer + "/" + k.Subject
}

// BindExternalIdentity binds once per redemption; a key that is another
// user's is refused.
func (d *Directory) BindExternalIdentity(_ context.Context, r *directorypb.BindExternalIdentityRequest, _ ...grpc.CallOption) (out *directorypb.User, err error) {
	err = d.act("BindExternalIdentity", func() error {
		key := r.TenantId + r.UserId
		u := d.users[key]
		if u == nil || u.DeletedDateTime != nil {
			return notFound()
		}
		if d.by[key] == r.RedemptionId {
			out = u
			return nil
		}
		for other, bound := range d.bound {
			if other != key && strings.HasPrefix(other, r.TenantId) && bound == homeKey(r.HomeKey) {
				return fault.Exists(errorspb.Reason_IDENTITY_BOUND, "The account is bound to another user.")
			}
		}
		if u.GetExternalUserState() != directorypb.User_PendingAcceptance {
			return fault.Precondition(errorspb.Reason_CONFLICT, "The user is not pending.")
		}
		u.ExternalUserState = directorypb.User_Accepted.Enum()
		d.bound[key], d.by[key] = homeKey(r.HomeKey), r.RedemptionId
		out = u
		return nil
	})
	return out, err
}

// ResetExternalIdentity takes a user back to pending.
func (d *Directory) ResetExternalIdentity(_ context.Context, r *directorypb.ResetExternalIdentityRequest, _ ...grpc.CallOption) (out *directorypb.User, err error) {
	err = d.act("ResetExternalIdentity", func() error {
		key := r.TenantId + r.UserId
		if out = d.users[key]; out == nil {
			return notFound()
		}
		out.ExternalUserState = directorypb.User_PendingAcceptance.Enum()
		d.email[key] = r.Email
		delete(d.bound, key)
		delete(d.by, key)
		return nil
	})
	return out, err
}

// GetExternalUser answers a user, deleted ones too.
func (d *Directory) GetExternalUser(_ context.Context, r *directorypb.GetExternalUserRequest, _ ...grpc.CallOption) (out *directorypb.User, err error) {
	err = d.act("GetExternalUser", func() error {
		u := d.users[r.TenantId+r.UserId]
		if u == nil {
			return notFound()
		}
		out = proto.Clone(u).(*directorypb.User)
		return nil
	})
	return out, err
}

// ResolveHomeAccount answers what was put into Homes.
func (d *Directory) ResolveHomeAccount(_ context.Context, r *directorypb.ResolveHomeAccountRequest, _ ...grpc.CallOption) (out *directorypb.HomeAccount, err error) {
	err = d.act("ResolveHomeAccount", func() error {
		if out = d.Homes[r.Email]; out == nil {
			return notFound()
		}
		return nil
	})
	return out, err
}

// SoftDeleteExternalUser deletes a user and frees its address and key.
func (d *Directory) SoftDeleteExternalUser(_ context.Context, r *directorypb.SoftDeleteExternalUserRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, d.act("SoftDeleteExternalUser", func() error {
		u := d.users[r.TenantId+r.UserId]
		if u == nil || u.DeletedDateTime != nil {
			return notFound()
		}
		if r.Reason == "compensation" && r.InvitationId != "" && d.made[r.TenantId+r.InvitationId] != r.UserId {
			return nil
		}
		if r.Reason == "revoke" && (u.GetExternalUserState() != directorypb.User_PendingAcceptance || d.held[r.TenantId+r.UserId] != r.InvitationId) {
			return fault.Denied(errorspb.Reason_ACCESS_DENIED, "The user does not wait for this invitation and stays.")
		}
		u.DeletedDateTime = timestamppb.Now()
		delete(d.bound, r.TenantId+r.UserId)
		return nil
	})
}

// ClaimExternalUser gives a user to a later invitation.
func (d *Directory) ClaimExternalUser(_ context.Context, r *directorypb.ClaimExternalUserRequest, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, d.act("ClaimExternalUser", func() error {
		u := d.users[r.TenantId+r.UserId]
		if u == nil || u.DeletedDateTime != nil {
			return notFound()
		}
		for key, id := range d.made {
			if id == r.UserId {
				delete(d.made, key)
			}
		}
		d.made[r.TenantId+r.InvitationId], d.existed[r.TenantId+r.InvitationId] = u.Id, true
		d.held[r.TenantId+r.UserId] = r.InvitationId
		return nil
	})
}

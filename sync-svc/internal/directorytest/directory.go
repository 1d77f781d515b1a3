package directorytest

import (
	"bytes"
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Directory holds tenants.
type Directory struct {
	mu      sync.Mutex
	tenants map[string]*tenantState
	fences  map[string]int64
	policy  *Policy
	// Calls counts RPCs by name.
	Calls map[string]int
	// Before is called before an RPC has its effect, After once it had it; an
	// error is what the caller gets.
	Before, After func(method string) error
	hints         []chan struct{}
}

type tenantState struct {
	id, name string
	domain   string
	users    map[string]*User
	groups   map[string]*group
	apps     map[string]*directorypb.SynchronizationApplication
	assigned map[string]map[string]bool // service principal → users and groups
	changes  []*directorypb.Change
}

type group struct {
	members map[string]bool
	deleted bool
}

// User is a user of a tenant, as the directory holds it.
type User struct {
	User      *directorypb.User
	Manager   string
	External  bool
	Home      string // home tenant and object, "/" between
	Deleted   bool
	DeletedBy string
	Version   int64
	Invited   string
}

// New makes a directory whose writes obey the policy.
func New(p *Policy) *Directory {
	return &Directory{tenants: map[string]*tenantState{}, fences: map[string]int64{}, policy: p, Calls: map[string]int{}}
}

// AddTenant makes a tenant with a verified domain.
func (d *Directory) AddTenant(id uuid.UUID, domain string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tenants[id.String()] = &tenantState{id: id.String(), name: domain, domain: domain, users: map[string]*User{}, groups: map[string]*group{},
		apps: map[string]*directorypb.SynchronizationApplication{}, assigned: map[string]map[string]bool{}}
}

// AddUser makes an enabled member and returns its id.
func (d *Directory) AddUser(tenant uuid.UUID, alias string, change ...func(*User)) uuid.UUID {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[tenant.String()]
	id := uuid.Must(uuid.NewV7())
	member := directorypb.User_Member
	u := &User{Version: 1, User: &directorypb.User{Id: id.String(), AccountEnabled: proto.Bool(true), DisplayName: proto.String(alias),
		UserPrincipalName: proto.String(alias + "@" + t.domain), Mail: proto.String(alias + "@" + t.domain), MailNickname: proto.String(alias), UserType: &member}}
	for _, f := range change {
		f(u)
	}
	t.users[id.String()] = u
	t.note("user", id.String(), directorypb.Change_created, "", nil)
	d.hint()
	return id
}

// Change edits a user and puts the named properties into the feed.
func (d *Directory) Change(tenant, id uuid.UUID, change func(*User), properties ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[tenant.String()]
	u := t.users[id.String()]
	was := u.Deleted
	change(u)
	u.Version++
	kind := directorypb.Change_updated
	switch {
	case u.Deleted && !was:
		kind = directorypb.Change_deleted
	case !u.Deleted && was:
		kind = directorypb.Change_restored
	}
	t.note("user", id.String(), kind, "", properties)
	d.hint()
}

// Purge removes a user for good.
func (d *Directory) Purge(tenant, id uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[tenant.String()]
	delete(t.users, id.String())
	t.note("user", id.String(), directorypb.Change_purged, "", nil)
	d.hint()
}

// AddApp makes the application of a configuration.
func (d *Directory) AddApp(tenant uuid.UUID, template string, owners ...string) uuid.UUID {
	d.mu.Lock()
	defer d.mu.Unlock()
	sp := uuid.New()
	d.tenants[tenant.String()].apps[sp.String()] = &directorypb.SynchronizationApplication{ServicePrincipalId: sp.String(), ApplicationId: uuid.NewString(),
		AppId: uuid.NewString(), DisplayName: "configuration", TemplateId: template, OwnerIds: owners}
	return sp
}

// RemoveApp deletes a configuration; nobody is assigned to it any more.
func (d *Directory) RemoveApp(tenant, sp uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[tenant.String()]
	delete(t.apps, sp.String())
	delete(t.assigned, sp.String())
	t.note("servicePrincipal", sp.String(), directorypb.Change_deleted, "", nil)
	d.hint()
}

// Assign assigns a user or group to a service principal.
func (d *Directory) Assign(tenant, sp, principal uuid.UUID, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[tenant.String()]
	if t.assigned[sp.String()] == nil {
		t.assigned[sp.String()] = map[string]bool{}
	}
	kind := directorypb.Change_linked
	if !on {
		kind = directorypb.Change_unlinked
	}
	t.assigned[sp.String()][principal.String()] = on
	t.note("servicePrincipal", sp.String(), kind, principal.String(), []string{"appRoleAssignedTo"})
	d.hint()
}

// AddGroup makes a security group.
func (d *Directory) AddGroup(tenant uuid.UUID) uuid.UUID {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := uuid.New()
	d.tenants[tenant.String()].groups[id.String()] = &group{members: map[string]bool{}}
	return id
}

// Member adds or removes a member of a group; members may be groups.
func (d *Directory) Member(tenant, groupID, member uuid.UUID, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[tenant.String()]
	t.groups[groupID.String()].members[member.String()] = on
	kind := directorypb.Change_linked
	if !on {
		kind = directorypb.Change_unlinked
	}
	t.note("group", groupID.String(), kind, member.String(), []string{"members"})
	d.hint()
}

// Find returns a copy of the user of a tenant with a home key.
func (d *Directory) Find(tenant, homeTenant, homeObject uuid.UUID) *User {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range d.tenants[tenant.String()].users {
		if u.Home == homeTenant.String()+"/"+homeObject.String() {
			c := *u
			c.User = proto.CloneOf(u.User)
			return &c
		}
	}
	return nil
}

// Count counts the users of a tenant, deleted ones included.
func (d *Directory) Count(tenant uuid.UUID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.tenants[tenant.String()].users)
}

// Called returns how often an RPC was called.
func (d *Directory) Called(method string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Calls[method]
}

func (t *tenantState) note(kind, id string, change directorypb.Change_Kind, related string, properties []string) {
	t.changes = append(t.changes, &directorypb.Change{ObjectId: id, Type: kind, Kind: change, RelatedId: related, Properties: properties, Time: timestamppb.Now()})
}

func (d *Directory) hint() {
	for _, c := range d.hints {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// enter counts a call and runs the first hook; the lock is held on success.
func (d *Directory) enter(method, tenant string) (*tenantState, error) {
	d.mu.Lock()
	d.Calls[method]++
	before := d.Before
	if before != nil {
		d.mu.Unlock()
		if err := before(method); err != nil {
			return nil, err
		}
		d.mu.Lock()
	}
	t := d.tenants[tenant]
	if t == nil {
		d.mu.Unlock()
		return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "no such tenant")
	}
	return t, nil
}

func (d *Directory) leave(method string) error {
	if d.After != nil {
		return d.After(method)
	}
	return nil
}

// LookupTenant implements the facts of tenants.
func (d *Directory) LookupTenant(_ context.Context, r *directorypb.LookupTenantRequest, _ ...grpc.CallOption) (*directorypb.TenantFacts, error) {
	t, err := d.enter("LookupTenant", r.GetTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	return &directorypb.TenantFacts{TenantId: t.id, DisplayName: t.name, InitialDomain: t.domain, VerifiedDomains: []string{t.domain},
		TenantType: directorypb.Tenant_workforce, State: directorypb.Tenant_active}, nil
}

// GetSynchronizationApplication implements the look-up of configurations.
func (d *Directory) GetSynchronizationApplication(_ context.Context, r *directorypb.GetSynchronizationApplicationRequest, _ ...grpc.CallOption) (*directorypb.SynchronizationApplication, error) {
	t, err := d.enter("GetSynchronizationApplication", r.GetTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	for _, a := range t.apps {
		if id := r.GetServicePrincipalId(); a.GetServicePrincipalId() == id || a.GetApplicationId() == id || "appId="+a.GetAppId() == id {
			return a, nil
		}
	}
	return nil, fault.NotFound(errorspb.Reason_NOT_FOUND, "no such service principal")
}

// CreateSynchronizationApplication implements instantiation.
func (d *Directory) CreateSynchronizationApplication(_ context.Context, r *directorypb.CreateSynchronizationApplicationRequest, _ ...grpc.CallOption) (*directorypb.CreateSynchronizationApplicationResponse, error) {
	t, err := d.enter("CreateSynchronizationApplication", r.GetTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	a := &directorypb.SynchronizationApplication{ServicePrincipalId: uuid.NewString(), ApplicationId: uuid.NewString(), AppId: uuid.NewString(),
		DisplayName: r.GetDisplayName(), TemplateId: r.GetTemplateId()}
	t.apps[a.GetServicePrincipalId()] = a
	return &directorypb.CreateSynchronizationApplicationResponse{Application: &directorypb.Application{Id: a.GetApplicationId()},
		ServicePrincipal: &directorypb.ServicePrincipal{Id: a.GetServicePrincipalId()}}, nil
}

// ListSourceUsers implements reading the source.
func (d *Directory) ListSourceUsers(_ context.Context, r *directorypb.ListSourceUsersRequest, _ ...grpc.CallOption) (*directorypb.ListSourceUsersResponse, error) {
	t, err := d.enter("ListSourceUsers", r.GetTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	response := &directorypb.ListSourceUsersResponse{}
	if len(r.GetIds()) > 0 {
		for _, id := range r.GetIds() {
			if u := t.users[id]; u != nil {
				response.Users = append(response.Users, u.source())
			}
		}
		return response, d.leave("ListSourceUsers")
	}
	var ids []string
	for id, u := range t.users {
		if !u.Deleted && after(id, r.GetAfterId()) {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return after(ids[j], ids[i]) })
	if limit := int(r.GetLimit()); limit > 0 && len(ids) > limit {
		ids = ids[:limit]
		response.NextAfterId = ids[limit-1]
	}
	for _, id := range ids {
		response.Users = append(response.Users, t.users[id].source())
	}
	return response, d.leave("ListSourceUsers")
}

func (u *User) source() *directorypb.SourceUser {
	return &directorypb.SourceUser{User: proto.CloneOf(u.User), ManagerId: u.Manager, External: u.External, Deleted: u.Deleted, Version: u.Version}
}

func after(id, than string) bool {
	if than == "" {
		return true
	}
	a, b := uuid.MustParse(id), uuid.MustParse(than)
	return bytes.Compare(a[:], b[:]) > 0
}

// ListAssignees implements reading assignments.
func (d *Directory) ListAssignees(_ context.Context, r *directorypb.ListAssigneesRequest, _ ...grpc.CallOption) (*directorypb.ListAssigneesResponse, error) {
	t, err := d.enter("ListAssignees", r.GetTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	all := map[string]bool{}
	for id, on := range t.assigned[r.GetServicePrincipalId()] {
		if !on {
			continue
		}
		if g := t.groups[id]; g != nil && !g.deleted {
			for m, in := range g.members {
				if u := t.users[m]; in && u != nil && !u.Deleted {
					all[m] = true
				}
			}
		} else if u := t.users[id]; u != nil && !u.Deleted {
			all[id] = true
		}
	}
	response := &directorypb.ListAssigneesResponse{}
	if len(r.GetUserIds()) > 0 {
		for _, id := range r.GetUserIds() {
			if all[id] {
				response.UserIds = append(response.UserIds, id)
			}
		}
		return response, nil
	}
	for id := range all {
		if after(id, r.GetAfterId()) {
			response.UserIds = append(response.UserIds, id)
		}
	}
	sort.Slice(response.UserIds, func(i, j int) bool { return after(response.UserIds[j], response.UserIds[i]) })
	if limit := int(r.GetLimit()); limit > 0 && len(response.UserIds) > limit {
		response.UserIds = response.UserIds[:limit]
		response.NextAfterId = response.UserIds[limit-1]
	}
	return response, nil
}

// GetFeedPosition implements the end of the feed.
func (d *Directory) GetFeedPosition(_ context.Context, r *directorypb.GetFeedPositionRequest, _ ...grpc.CallOption) (*directorypb.FeedPosition, error) {
	t, err := d.enter("GetFeedPosition", r.GetTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	return &directorypb.FeedPosition{Position: strconv.Itoa(len(t.changes))}, nil
}

// ListChanges implements the feed. The position `expired` is too old.
func (d *Directory) ListChanges(_ context.Context, r *directorypb.ListChangesRequest, _ ...grpc.CallOption) (*directorypb.ListChangesResponse, error) {
	t, err := d.enter("ListChanges", r.GetTenantId())
	if err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	from, err := strconv.Atoi(r.GetPosition())
	if err != nil {
		return nil, fault.Precondition(errorspb.Reason_SYNC_STATE_NOT_FOUND, "too old")
	}
	to := min(len(t.changes), from+int(r.GetLimit()))
	response := &directorypb.ListChangesResponse{Position: strconv.Itoa(to), More: to < len(t.changes)}
	for _, c := range t.changes[from:to] {
		if len(r.GetTypes()) == 0 || strings.Contains(strings.Join(r.GetTypes(), " "), c.GetType()) {
			response.Changes = append(response.Changes, c)
		}
	}
	return response, nil
}

// WatchChanges implements hints.
func (d *Directory) WatchChanges(ctx context.Context, _ *directorypb.WatchChangesRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[directorypb.ChangeHint], error) {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hints = append(d.hints, c)
	return &hintStream{ctx: ctx, c: c}, nil
}

type hintStream struct {
	grpc.ClientStream
	ctx context.Context
	c   chan struct{}
}

// Recv waits for a change of any tenant.
func (s *hintStream) Recv() (*directorypb.ChangeHint, error) {
	select {
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	case <-s.c:
		return &directorypb.ChangeHint{}, nil
	}
}

// Dump prints the users of a tenant, for messages of failing tests.
func (d *Directory) Dump(t testing.TB, tenant uuid.UUID) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, u := range d.tenants[tenant.String()].users {
		fmt.Fprintf(&b, "%s %s deleted=%t\n", u.User.GetUserPrincipalName(), u.User.GetDisplayName(), u.Deleted)
	}
	return b.String()
}

package api

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
)

// Provisioning serves ProvisioningService, for synchronization (DIR-227,
// DIR-228).
type Provisioning struct {
	pb.UnimplementedProvisioningServiceServer
	*Core
}

var _ pb.ProvisioningServiceServer = (*Provisioning)(nil)

const (
	usualUsers    = 500
	mostUsers     = 1000
	mostAssignees = 5000
)

func objectIDs(texts []string) ([]uuid.UUID, error) {
	out := make([]uuid.UUID, 0, len(texts))
	for _, s := range texts {
		id, err := uuid.Parse(s)
		if err != nil {
			return nil, property.Refused("ids", "The id '%s' is not a GUID.", clip(s))
		}
		out = append(out, id)
	}
	return out, nil
}

func afterID(s string) (uuid.UUID, error) {
	if s == "" {
		return uuid.Nil, nil
	}
	return objectID(s)
}

// ListSourceUsers returns pages of live users, or the named ones, with
// everything a mapping may read.
func (s *Provisioning) ListSourceUsers(ctx context.Context, req *pb.ListSourceUsersRequest) (*pb.ListSourceUsersResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	named, err := objectIDs(req.Ids)
	if err != nil {
		return nil, err
	}
	if len(named) > mostUsers {
		return nil, property.Refused("ids", "At most %d ids may be asked for.", mostUsers)
	}
	slices.SortFunc(named, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	after, err := afterID(req.AfterId)
	if err != nil {
		return nil, err
	}
	limit := between(int(req.Limit), usualUsers, mostUsers)
	out := &pb.ListSourceUsersResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		var found []*user.User
		if len(named) > 0 {
			found, err = tx.UsersByID(named)
		} else {
			found, err = tx.UsersAfter(after, limit)
		}
		if err != nil {
			return err
		}
		out.Users = make([]*pb.SourceUser, len(found))
		for i, u := range found {
			out.Users[i] = &pb.SourceUser{User: sourceUser(u, t.InitialDomain), External: u.External(), Deleted: u.Deleted != nil, Version: u.Version}
			if u.ManagerID != nil {
				out.Users[i].ManagerId = u.ManagerID.String()
			}
		}
		if len(named) == 0 && len(found) == limit {
			out.NextAfterId = found[limit-1].ID.String()
		}
		return nil
	})
	return out, err
}

// sourceUser converts a user for synchronization: a soft-deleted one keeps its
// own name.
func sourceUser(u *user.User, initialDomain string) *pb.User {
	out := userToProto(u, initialDomain)
	out.UserPrincipalName = &u.UserPrincipalName
	return out
}

// ListAssignees returns the users that are assigned to a configuration
// (SYN-51).
func (s *Provisioning) ListAssignees(ctx context.Context, req *pb.ListAssigneesRequest) (*pb.ListAssigneesResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	principal, err := objectID(req.ServicePrincipalId)
	if err != nil {
		return nil, err
	}
	after, err := afterID(req.AfterId)
	if err != nil {
		return nil, err
	}
	only, err := objectIDs(req.UserIds)
	if err != nil {
		return nil, err
	}
	limit := between(int(req.Limit), usualUsers, mostAssignees)
	out := &pb.ListAssigneesResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, err := tx.Assignees(principal, after, only, limit)
		for _, id := range found {
			out.UserIds = append(out.UserIds, id.String())
		}
		if len(found) == limit {
			out.NextAfterId = found[limit-1].String()
		}
		return err
	})
	return out, err
}

// ListTargetUsers returns the external users of a target tenant by their home
// objects, live or soft-deleted, and pending users by invited address.
func (s *Provisioning) ListTargetUsers(ctx context.Context, req *pb.ListTargetUsersRequest) (*pb.ListTargetUsersResponse, error) {
	t, err := s.named(ctx, req.ResourceTenantId)
	if err != nil {
		return nil, err
	}
	home, err := tenant.Parse(req.HomeTenantId)
	if err != nil {
		return nil, property.NotFound(clip(req.HomeTenantId))
	}
	if len(req.HomeObjectIds) > mostUsers || len(req.Addresses) > mostUsers {
		return nil, property.Refused("homeObjectIds", "At most %d users may be asked for.", mostUsers)
	}
	out := &pb.ListTargetUsersResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, err := tx.TargetUsers(home, req.HomeObjectIds, req.Addresses)
		for _, u := range found {
			row := &pb.TargetUser{User: sourceUser(u, t.InitialDomain), HomeObjectId: u.HomeKey.Object, Deleted: u.Deleted != nil, Version: u.Version}
			if u.ManagerID != nil {
				row.ManagerId = u.ManagerID.String()
			}
			if u.InvitedEmail != nil {
				row.InvitedEmail = *u.InvitedEmail
			}
			if u.SyncDeleted && u.SyncJob != nil {
				row.DeletedBy = "sync:" + *u.SyncJob
			}
			out.Users = append(out.Users, row)
		}
		return err
	})
	return out, err
}

// msiamAccess is the one app role of a synchronization configuration.
const msiamAccess = "msiam_access"

// CreateSynchronizationApplication creates the application and the service
// principal of a configuration (SYN-13).
func (s *Provisioning) CreateSynchronizationApplication(ctx context.Context, req *pb.CreateSynchronizationApplicationRequest) (*pb.CreateSynchronizationApplicationResponse, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSpace(req.DisplayName)
	if n := utf8.RuneCountInString(name); n == 0 || n > 120 {
		return nil, property.Invalid("Application", "displayName")
	}
	now := s.now()
	document, err := protojson.Marshal(&pb.Application{SignInAudience: ptr("AzureADMyOrg"), AppRoles: []*pb.AppRole{{Id: uuid.NewString(), AllowedMemberTypes: []string{"User"},
		Description: ptr(msiamAccess), DisplayName: ptr(msiamAccess), IsEnabled: ptr(true), Origin: ptr("Application")}}})
	if err != nil {
		return nil, err
	}
	app := &application.Application{ID: newID(), AppID: uuid.New(), DisplayName: name, TemplateID: &req.TemplateId, Document: document, Created: now}
	principal := &application.ServicePrincipal{ID: newID(), AppID: app.AppID, DisplayName: name, Type: "Application", Enabled: true, AssignmentRequired: true,
		Names: application.Names(app.AppID, nil), TemplateID: &req.TemplateId, Document: []byte("{}"), Created: now}
	err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
		if err := tx.InsertApplication(app); err != nil {
			return err
		}
		if err := tx.InsertServicePrincipal(principal); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.Application, ID: app.ID, Kind: store.Created}, store.Change{Type: object.ServicePrincipal, ID: principal.ID, Kind: store.Created})
		if err := s.audit(ctx, tx, record("Add application", applicationManagement, "Add", target(object.Application, app.ID, name))); err != nil {
			return err
		}
		return s.audit(ctx, tx, record("Add service principal", applicationManagement, "Add", target(object.ServicePrincipal, principal.ID, name)))
	})
	if err != nil {
		return nil, err
	}
	appOut, err := applicationToProto(app, nil)
	if err != nil {
		return nil, err
	}
	principalOut, err := servicePrincipalToProto(principal, app, nil, t)
	if err != nil {
		return nil, err
	}
	return &pb.CreateSynchronizationApplicationResponse{Application: appOut, ServicePrincipal: principalOut}, nil
}

// GetSynchronizationApplication returns the directory objects of a
// configuration.
func (s *Provisioning) GetSynchronizationApplication(ctx context.Context, req *pb.GetSynchronizationApplicationRequest) (*pb.SynchronizationApplication, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	text, isClient := strings.CutPrefix(req.ServicePrincipalId, "appId=")
	key, err := objectID(strings.Trim(text, "'"))
	if err != nil {
		return nil, property.NotFound(clip(req.ServicePrincipalId))
	}
	id, appID := key, uuid.Nil
	if isClient {
		id, appID = uuid.Nil, key
	}
	var out *pb.SynchronizationApplication
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, app, err := tx.SynchronizationApplication(id, appID)
		if err != nil {
			return err
		}
		if found == uuid.Nil {
			return property.NotFound(clip(req.ServicePrincipalId))
		}
		p, err := tx.ServicePrincipal(store.AppObject(found), store.Live, false)
		if err != nil {
			return err
		}
		owners, err := tx.OwnersOf(found)
		if err != nil {
			return err
		}
		out = &pb.SynchronizationApplication{ServicePrincipalId: found.String(), ApplicationId: app.String(), AppId: p.AppID.String(), DisplayName: p.DisplayName}
		if p.TemplateID != nil {
			out.TemplateId = *p.TemplateID
		}
		for _, o := range owners {
			out.OwnerIds = append(out.OwnerIds, o.ID.String())
		}
		return nil
	})
	return out, err
}

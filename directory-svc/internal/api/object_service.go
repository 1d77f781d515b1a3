package api

import (
	"context"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/purge"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Objects serves DirectoryObjectService (DIR-56, DIR-96 to DIR-100).
type Objects struct {
	pb.UnimplementedDirectoryObjectServiceServer
	*Core
	Users             *Users
	Groups            *Groups
	Applications      *Applications
	ServicePrincipals *ServicePrincipals
	Units             *Units
}

var _ pb.DirectoryObjectServiceServer = (*Objects)(nil)

// NewObjects makes the handlers of every type of object, which work on each
// other's objects in places.
func NewObjects(c *Core) *Objects {
	groups := &Groups{Core: c}
	return &Objects{Core: c, Users: &Users{Core: c}, Groups: groups, Applications: &Applications{Core: c}, ServicePrincipals: &ServicePrincipals{Core: c},
		Units: &Units{Core: c, Groups: groups}}
}

const mostIDs = 1000

// GetDirectoryObject returns one live object of any type.
func (s *Objects) GetDirectoryObject(ctx context.Context, req *pb.GetDirectoryObjectRequest) (*pb.DirectoryObject, error) {
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var out *pb.DirectoryObject
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		l, ok, err := tx.Resolve(id)
		if err == nil && !ok {
			err = property.NotFound(req.Id)
		}
		if err == nil && l.ID != who.ObjectID && !s.mayRead(who, t, l) {
			err = property.Denied()
		}
		if err != nil {
			return err
		}
		found, err := s.objects(tx, who, t, []store.Link{l})
		if err == nil && len(found) == 0 {
			err = property.NotFound(req.Id)
		}
		if err == nil {
			out = found[0]
		}
		return err
	})
	return out, err
}

// mayRead decides whether the caller may read an object that it names by its
// id alone.
func (s *Objects) mayRead(who caller.Caller, t *store.Tenant, l store.Link) bool {
	in := rights(t)
	switch {
	case !access.ReadType(who, l.Type), access.HiddenType(who, in, l.Type):
		return false
	case l.Type == object.User:
		return access.ReadUser(who, l.ID, in) > access.Nothing
	case l.Type == object.Contact:
		return access.Contacts(who, in) > access.Nothing
	}
	return true
}

// GetDirectoryObjectsByIds returns the live objects among the ids; unknown
// ones are left out.
func (s *Objects) GetDirectoryObjectsByIds(ctx context.Context, req *pb.GetDirectoryObjectsByIdsRequest) (*pb.ListDirectoryObjectsResponse, error) {
	if len(req.Ids) == 0 || len(req.Ids) > mostIDs {
		return nil, property.Refused("ids", "Between 1 and %d ids are expected.", mostIDs)
	}
	list := make([]uuid.UUID, 0, len(req.Ids))
	for _, text := range req.Ids {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, property.Refused("ids", "Invalid GUID: %s", clip(text))
		}
		list = append(list, id)
	}
	types := make(map[object.Type]bool)
	for _, name := range req.Types {
		if t, ok := object.Parse(strings.TrimPrefix(name, "microsoft.graph.")); ok {
			types[t] = true
		} else if !strings.EqualFold(name, "directoryObject") {
			types[0] = true // a type that no object here has
		}
	}
	found, err := s.byID(ctx, list, types)
	return &pb.ListDirectoryObjectsResponse{Value: found}, err
}

func (s *Objects) byID(ctx context.Context, list []uuid.UUID, types map[object.Type]bool) ([]*pb.DirectoryObject, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if who.Kind == caller.User && rights(t).External {
		if err := access.Directory(who, rights(t)); err != nil {
			return nil, err
		}
	}
	var out []*pb.DirectoryObject
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		links, err := tx.ResolveAll(list)
		if err != nil {
			return err
		}
		kept := links[:0]
		for _, l := range links {
			if (len(types) == 0 || types[l.Type]) && !access.HiddenType(who, rights(t), l.Type) {
				kept = append(kept, l)
			}
		}
		if out, err = s.objects(tx, who, t, kept); err != nil {
			return err
		}
		for i, l := range kept {
			if l.ID != who.ObjectID && len(out) == len(kept) && !s.mayRead(who, t, l) {
				out[i] = bare(l)
			}
		}
		return nil
	})
	return out, err
}

// horizon is the time after which a deletion can still be taken back.
func (s *Objects) horizon() time.Time { return s.Clock.Now().Add(-user.Retention) }

// ListDeletedItems lists soft-deleted objects of one type (DIR-96).
func (s *Objects) ListDeletedItems(ctx context.Context, req *pb.ListDeletedItemsRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	types, err := castTypes(req.Cast)
	if err != nil || len(types) == 0 {
		return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "A type of deleted items is expected.")
	}
	if err := access.ReadDeleted(who, types[0], false); err != nil {
		return nil, err
	}
	route := "deletedItems/" + types[0].String()
	out := &pb.ListDirectoryObjectsResponse{}
	after := s.horizon()
	switch types[0] {
	case object.User:
		l, page, err := s.listing(who, route, req.Query, userDescriptor, store.UserColumns)
		if err != nil {
			return nil, err
		}
		found, err := s.Store.ListDeletedUsers(ctx, t.ID, l, after)
		if err != nil {
			return nil, err
		}
		out.OdataCount, out.NextPageToken = found.Count, next(s.Core, who, route, req.Query, page, found)
		for _, u := range found.Items {
			out.Value = append(out.Value, userObject(limited(who, userToProto(u, t.InitialDomain), access.Everything)))
		}
		return out, nil
	case object.Group:
		l, page, err := s.listing(who, route, req.Query, groupDescriptor, store.GroupColumns)
		if err != nil {
			return nil, err
		}
		found, err := s.Store.ListGroups(ctx, t.ID, l, &after)
		if err != nil {
			return nil, err
		}
		out.OdataCount, out.NextPageToken = found.Count, next(s.Core, who, route, req.Query, page, found)
		for _, g := range found.Items {
			out.Value = append(out.Value, &pb.DirectoryObject{Object: &pb.DirectoryObject_Group{Group: groupToProto(g)}})
		}
		return out, nil
	}
	if types[0] == object.Unit {
		l, page, err := s.listing(who, route, req.Query, unitDescriptor, store.UnitColumns)
		if err != nil {
			return nil, err
		}
		found, err := s.Store.ListUnits(ctx, t.ID, l, &after)
		if err != nil {
			return nil, err
		}
		out.OdataCount, out.NextPageToken = found.Count, next(s.Core, who, route, req.Query, page, found)
		for _, u := range found.Items {
			out.Value = append(out.Value, &pb.DirectoryObject{Object: &pb.DirectoryObject_AdministrativeUnit{AdministrativeUnit: unitToProto(u)}})
		}
		return out, nil
	}
	return out, s.deletedApplications(ctx, who, t, types[0], route, req.Query, after, out)
}

func (s *Objects) deletedApplications(ctx context.Context, who caller.Caller, t *store.Tenant, kind object.Type, route string, q *odatapb.Query, after time.Time, out *pb.ListDirectoryObjectsResponse) error {
	var links []store.Link
	switch kind {
	case object.Application:
		l, page, err := s.listing(who, route, q, applicationDescriptor, store.ApplicationColumns)
		if err != nil {
			return err
		}
		found, err := s.Store.ListApplications(ctx, t.ID, l, &after)
		if err != nil {
			return err
		}
		out.OdataCount, out.NextPageToken = found.Count, next(s.Core, who, route, q, page, found)
		for _, a := range found.Items {
			links = append(links, store.Link{ID: a.ID, Type: kind})
		}
	case object.ServicePrincipal:
		l, page, err := s.listing(who, route, q, servicePrincipalDescriptor, store.ServicePrincipalColumns)
		if err != nil {
			return err
		}
		found, err := s.Store.ListServicePrincipals(ctx, t.ID, l, &after)
		if err != nil {
			return err
		}
		out.OdataCount, out.NextPageToken = found.Count, next(s.Core, who, route, q, page, found)
		for _, p := range found.Items {
			links = append(links, store.Link{ID: p.ID, Type: kind})
		}
	default:
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, "Objects of type '%s' are not soft-deleted.", kind)
	}
	return s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		var err error
		out.Value, err = s.objects(tx, who, t, links)
		return err
	})
}

// deleted finds a soft-deleted object that can still be restored.
func (s *Objects) deleted(tx *store.Tx, text string) (store.Link, error) {
	id, err := objectID(text)
	if err != nil {
		return store.Link{}, err
	}
	t, err := tx.DeletedType(id, s.horizon())
	return store.Link{ID: id, Type: t}, err
}

// GetDeletedItem returns one soft-deleted object (DIR-96).
func (s *Objects) GetDeletedItem(ctx context.Context, req *pb.GetDeletedItemRequest) (*pb.DirectoryObject, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var out *pb.DirectoryObject
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		link, err := s.deleted(tx, req.Id)
		if err != nil {
			return err
		}
		owners, err := tx.OwnersOf(link.ID)
		if err != nil {
			return err
		}
		if err := access.ReadDeleted(who, link.Type, owns(who, owners)); err != nil {
			return err
		}
		found, err := s.objects(tx, who, t, []store.Link{link})
		if err == nil && len(found) == 0 {
			err = property.NotFound(req.Id)
		}
		if err == nil {
			out = found[0]
		}
		return err
	})
	return out, err
}

// RestoreDeletedItem brings a soft-deleted object back (DIR-98).
func (s *Objects) RestoreDeletedItem(ctx context.Context, req *pb.RestoreDeletedItemRequest) (*pb.DirectoryObject, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var out *pb.DirectoryObject
	ev := record("Restore user", userManagement, "Update", audit.Target{ID: clip(req.Id)})
	err = s.writeAs(ctx, t.ID, &ev, func(tx *store.Tx) error {
		link, err := s.deleted(tx, req.Id)
		if err != nil {
			return err
		}
		ev = restored[link.Type]
		ev.Targets = []audit.Target{target(link.Type, link.ID, "")}
		if err := access.DeleteType(who, link.Type); err != nil {
			return err
		}
		if link.Type != object.User && req.NewUserPrincipalName != nil {
			return property.Refused("newUserPrincipalName", "The property 'newUserPrincipalName' is for users only.")
		}
		if err := s.restore(ctx, tx, who, t, link, req); err != nil {
			return err
		}
		tx.Change(store.Change{Type: link.Type, ID: link.ID, Kind: store.Restored})
		if err := tx.Flush(); err != nil {
			return err
		}
		found, err := s.objects(tx, who, t, []store.Link{link})
		if err == nil && len(found) == 1 {
			out = found[0]
		}
		return err
	})
	return out, err
}

func (s *Objects) restore(ctx context.Context, tx *store.Tx, who caller.Caller, t *store.Tenant, link store.Link, req *pb.RestoreDeletedItemRequest) error {
	switch link.Type {
	case object.User:
		return s.restoreUser(ctx, tx, who, t, link.ID, req)
	case object.Group:
		old, err := tx.Group(link.ID, store.SoftDeleted, true)
		if err != nil {
			return err
		}
		if _, err := s.mayWriteGroup(tx, who, old, deletesGroup); err != nil {
			return err
		}
		g := *old
		g.Deleted = nil
		if err := tx.SaveGroup(old, &g); err != nil {
			return err
		}
		return s.audit(ctx, tx, record("Restore group", groupManagement, "Update", groupTarget(&g)))
	case object.Unit:
		u, err := tx.Unit(link.ID, store.SoftDeleted, true)
		if err != nil {
			return err
		}
		if err := access.WriteUnit(who); err != nil {
			return err
		}
		u.Deleted = nil
		if err := tx.SaveUnit(u); err != nil {
			return err
		}
		return s.audit(ctx, tx, record("Restore administrative unit", administrativeUnit, "Update", unitTarget(u)))
	case object.Application:
		a, err := tx.Application(store.AppObject(link.ID), store.SoftDeleted, true)
		if err != nil {
			return err
		}
		right, err := s.appOf(tx, who, object.Application, a.ID, a.AppID)
		if err != nil {
			return err
		}
		if err := access.RestoreApplication(who, right); err != nil {
			return err
		}
		a.Deleted = nil
		if err := tx.SaveApplication(a); err != nil {
			return err
		}
		return s.audit(ctx, tx, record("Restore application", applicationManagement, "Update", target(link.Type, a.ID, a.DisplayName)))
	}
	p, err := tx.ServicePrincipal(store.AppObject(link.ID), store.SoftDeleted, true)
	if err != nil {
		return err
	}
	right, err := s.appOf(tx, who, object.ServicePrincipal, p.ID, p.AppID)
	if err != nil {
		return err
	}
	if err := access.RestoreApplication(who, right); err != nil {
		return err
	}
	p.Deleted = nil
	if err := tx.SaveServicePrincipal(p, true); err != nil {
		return err
	}
	return s.audit(ctx, tx, record("Restore service principal", applicationManagement, "Update", target(link.Type, p.ID, p.DisplayName)))
}

func (s *Objects) restoreUser(ctx context.Context, tx *store.Tx, who caller.Caller, t *store.Tenant, id uuid.UUID, req *pb.RestoreDeletedItemRequest) error {
	old, err := tx.LockDeletedUser(id)
	if err != nil {
		return err
	}
	goal, err := s.target(tx, id)
	if err != nil {
		return err
	}
	who, err = s.over(tx, who, id, old.Restricted)
	if err != nil {
		return err
	}
	if err := access.Delete(who, goal); err != nil {
		return err
	}
	u, err := user.Restore(*old, req.GetNewUserPrincipalName(), &t.Tenant, s.now())
	if err != nil {
		return err
	}
	taken, err := tx.TakenAddresses(u.Proxies, id)
	if err != nil {
		return err
	}
	if len(taken) > 0 {
		if !req.GetAutoReconcileProxyConflict() {
			return property.Conflict("proxyAddresses")
		}
		u.Proxies = address.Drop(u.Proxies, taken)
	}
	tx.SaveUser(old, &u, store.Differ(old, &u))
	return s.audit(ctx, tx, record("Restore user", userManagement, "Update", userTarget(&u)))
}

// PurgeDeletedItem ends a soft-deleted object now (DIR-100).
func (s *Objects) PurgeDeletedItem(ctx context.Context, req *pb.PurgeDeletedItemRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Hard Delete user", userManagement, "Delete", audit.Target{ID: clip(req.Id)})
	err = s.writeAs(ctx, t.ID, &ev, func(tx *store.Tx) error {
		link, err := s.deleted(tx, req.Id)
		if err != nil {
			return err
		}
		ev = purged[link.Type]
		ev.Targets = []audit.Target{target(link.Type, link.ID, "")}
		if err := access.DeleteType(who, link.Type); err != nil {
			return err
		}
		names, err := tx.Names([]uuid.UUID{link.ID})
		if err != nil {
			return err
		}
		if err := s.mayPurge(tx, who, link); err != nil {
			return err
		}
		return purge.Object(ctx, tx, s.Clock, link, names[link.ID].Text, nil)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// restored and purged are what refusals are recorded as.
var (
	restored = map[object.Type]audit.Event{
		object.User: record("Restore user", userManagement, "Update"), object.Group: record("Restore group", groupManagement, "Update"),
		object.Application:      record("Restore application", applicationManagement, "Update"),
		object.ServicePrincipal: record("Restore service principal", applicationManagement, "Update"),
		object.Unit:             record("Restore administrative unit", administrativeUnit, "Update"),
	}
	purged = map[object.Type]audit.Event{
		object.User: record("Hard Delete user", userManagement, "Delete"), object.Group: record("Hard Delete group", groupManagement, "Delete"),
		object.Application:      record("Hard Delete application", applicationManagement, "Delete"),
		object.ServicePrincipal: record("Hard Delete service principal", applicationManagement, "Delete"),
		object.Unit:             record("Hard Delete administrative unit", administrativeUnit, "Delete"),
	}
)

func (s *Objects) mayPurge(tx *store.Tx, who caller.Caller, link store.Link) error {
	switch link.Type {
	case object.User:
		old, err := tx.LockDeletedUser(link.ID)
		if err != nil {
			return err
		}
		goal, err := s.target(tx, link.ID)
		if err != nil {
			return err
		}
		if who, err = s.over(tx, who, link.ID, old.Restricted); err != nil {
			return err
		}
		return access.Purge(who, goal)
	case object.Group:
		g, err := tx.Group(link.ID, store.SoftDeleted, false)
		if err != nil {
			return err
		}
		if who, err = s.over(tx, who, g.ID, g.Restricted); err != nil {
			return err
		}
		return access.PurgeGroup(who, g.RoleAssignable)
	case object.Unit:
		return access.WriteUnit(who)
	case object.Application:
		a, err := tx.Application(store.AppObject(link.ID), store.SoftDeleted, false)
		if err != nil {
			return err
		}
		right, err := s.appOf(tx, who, link.Type, a.ID, a.AppID)
		if err != nil {
			return err
		}
		return access.PurgeApplication(who, right)
	}
	p, err := tx.ServicePrincipal(store.AppObject(link.ID), store.SoftDeleted, false)
	if err != nil {
		return err
	}
	right, err := s.appOf(tx, who, link.Type, p.ID, p.AppID)
	if err != nil {
		return err
	}
	return access.PurgeApplication(who, right)
}

// DeleteDirectoryObject deletes an object as its own path does.
func (s *Objects) DeleteDirectoryObject(ctx context.Context, req *pb.DeleteDirectoryObjectRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	var l store.Link
	if err := s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, ok, err := tx.Resolve(id)
		if err == nil && !ok {
			err = property.NotFound(req.Id)
		}
		l = found
		return err
	}); err != nil {
		return nil, err
	}
	if _, ok := purged[l.Type]; !ok {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The object cannot be deleted by this path.")
	}
	if err := access.DeleteType(who, l.Type); err != nil {
		return nil, err
	}
	switch l.Type {
	case object.User:
		return s.Users.DeleteUser(ctx, &pb.DeleteUserRequest{Id: req.Id})
	case object.Group:
		return s.Groups.DeleteGroup(ctx, &pb.DeleteGroupRequest{Id: req.Id})
	case object.Application:
		return s.Applications.DeleteApplication(ctx, &pb.DeleteApplicationRequest{Id: req.Id})
	case object.ServicePrincipal:
		return s.ServicePrincipals.DeleteServicePrincipal(ctx, &pb.DeleteServicePrincipalRequest{Id: req.Id})
	}
	if err := access.WriteUnit(who); err != nil {
		return nil, err
	}
	return s.Units.DeleteAdministrativeUnit(ctx, &pb.DeleteAdministrativeUnitRequest{Id: req.Id})
}

// ListSubscribedSkus answers none: there are no licences here (DIR-220).
func (s *Objects) ListSubscribedSkus(context.Context, *pb.ListSubscribedSkusRequest) (*pb.ListDirectoryObjectsResponse, error) {
	return &pb.ListDirectoryObjectsResponse{}, nil
}

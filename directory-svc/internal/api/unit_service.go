package api

import (
	"context"
	"slices"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/unit"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Units serves AdministrativeUnitService (DIR-156 to DIR-166).
type Units struct {
	pb.UnimplementedAdministrativeUnitServiceServer
	*Core
	Groups *Groups
}

var _ pb.AdministrativeUnitServiceServer = (*Units)(nil)

func unitTarget(u *unit.Unit) audit.Target { return target(object.Unit, u.ID, u.DisplayName) }

// CreateAdministrativeUnit creates a unit.
func (s *Units) CreateAdministrativeUnit(ctx context.Context, req *pb.CreateAdministrativeUnitRequest) (*pb.AdministrativeUnit, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var draft unit.Unit
	given := present(req.Unit)
	if err := applyUnit(&draft, req.Unit, declared(given)); err != nil {
		return nil, err
	}
	u, err := unit.New(draft, newID(), s.now())
	if err != nil {
		return nil, err
	}
	ev := record("Add administrative unit", administrativeUnit, "Add", unitTarget(&u))
	properties := modified(nil, unitToProto(&u), propertyNames(unitFields, declared(given)))
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		if err := s.saveRule(tx, u.ID, false, u.Rule); err != nil {
			return err
		}
		if err := tx.InsertUnit(&u); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.Unit, ID: u.ID, Kind: store.Created})
		also, err := s.extend(tx, object.Unit, u.ID, req.Unit.Extensions, given)
		if err != nil {
			return err
		}
		ev.Targets[0].Modified = slices.Concat(properties, also)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return unitToProto(&u), nil
}

// ListAdministrativeUnits lists units a page at a time.
func (s *Units) ListAdministrativeUnits(ctx context.Context, req *pb.ListAdministrativeUnitsRequest) (*pb.ListAdministrativeUnitsResponse, error) {
	const route = "administrativeUnits"
	who, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "administrative_units", store.UnitColumns)
	if err != nil {
		return nil, err
	}
	names, err := selected(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	l, page, err := s.listing(who, route, req.Query, unitDescriptor, columns)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListUnits(ctx, t.ID, l, nil)
	if err != nil {
		return nil, err
	}
	out := &pb.ListAdministrativeUnitsResponse{OdataCount: found.Count, NextPageToken: next(s.Core, who, route, req.Query, page, found),
		Value: make([]*pb.AdministrativeUnit, len(found.Items))}
	ids := make([]uuid.UUID, len(found.Items))
	for i, u := range found.Items {
		out.Value[i], ids[i] = unitToProto(u), u.ID
	}
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(names), ids, func(i int, values *structpb.Struct) { out.Value[i].Extensions = values })
}

func (s *Units) readable(ctx context.Context) (caller.Caller, *store.Tenant, error) {
	who, t, err := s.home(ctx)
	if err == nil {
		err = access.Directory(who, rights(t))
	}
	return who, t, err
}

// CountAdministrativeUnits counts units (DIR-205).
func (s *Units) CountAdministrativeUnits(ctx context.Context, req *pb.CountAdministrativeUnitsRequest) (*pb.CountResponse, error) {
	who, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	if err := counting(who, req.Query); err != nil {
		return nil, err
	}
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "administrative_units", store.UnitColumns)
	if err != nil {
		return nil, err
	}
	where, err := conditions(req.Query, unitDescriptor, columns, true, true)
	if err != nil {
		return nil, err
	}
	n, err := s.Store.CountUnits(ctx, t.ID, where)
	return &pb.CountResponse{Value: n}, err
}

// GetAdministrativeUnit returns one unit.
func (s *Units) GetAdministrativeUnit(ctx context.Context, req *pb.GetAdministrativeUnitRequest) (*pb.AdministrativeUnit, error) {
	_, t, u, err := s.unit(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	names, err := selected(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	out := unitToProto(u)
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(names), []uuid.UUID{u.ID}, func(_ int, values *structpb.Struct) { out.Extensions = values })
}

// unit finds a live unit that the caller may read.
func (s *Units) unit(ctx context.Context, text string) (caller.Caller, *store.Tenant, *unit.Unit, error) {
	who, t, err := s.readable(ctx)
	if err != nil {
		return who, t, nil, err
	}
	id, err := objectID(text)
	if err != nil {
		return who, t, nil, err
	}
	var u *unit.Unit
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		u, err = tx.Unit(id, store.Live, false)
		return err
	})
	return who, t, u, err
}

// change finds a unit inside a transaction that is to change it.
func (s *Units) change(tx *store.Tx, text string) (*unit.Unit, error) {
	id, err := objectID(text)
	if err != nil {
		return nil, err
	}
	return tx.Unit(id, store.Live, true)
}

// UpdateAdministrativeUnit changes the named properties.
func (s *Units) UpdateAdministrativeUnit(ctx context.Context, req *pb.UpdateAdministrativeUnitRequest) (*emptypb.Empty, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	in, paths := req.Unit, req.UpdateMask.GetPaths()
	if in == nil {
		in = &pb.AdministrativeUnit{}
	}
	if len(paths) == 0 {
		_, _, _, err := s.unit(ctx, req.Id)
		return &emptypb.Empty{}, err
	}
	ev := record("Update administrative unit", administrativeUnit, "Update", audit.Target{ID: clip(req.Id), Type: object.Unit.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := s.change(tx, req.Id)
		if err != nil {
			return err
		}
		ev.Targets[0] = unitTarget(old)
		if own := declared(paths); len(own) > 0 {
			if err := s.saveUnit(ctx, tx, old, in, own, ev); err != nil {
				return err
			}
		}
		return s.saveExtensions(ctx, tx, object.Unit, old.ID, in.Extensions, paths, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// saveUnit writes the named properties of a unit and records the change.
func (s *Units) saveUnit(ctx context.Context, tx *store.Tx, old *unit.Unit, in *pb.AdministrativeUnit, paths []string, ev audit.Event) error {
	draft := *old
	if err := applyUnit(&draft, in, paths); err != nil {
		return err
	}
	u, err := unit.Update(*old, draft)
	if err != nil {
		return err
	}
	if err := s.saveRule(tx, u.ID, old.Dynamic, u.Rule); err != nil {
		return err
	}
	if err := tx.SaveUnit(&u); err != nil {
		return err
	}
	changed := propertyNames(unitFields, paths)
	tx.Change(store.Change{Type: object.Unit, ID: u.ID, Kind: store.Updated, Properties: changed})
	ev.Targets[0] = unitTarget(&u)
	ev.Targets[0].Modified = modified(unitToProto(old), unitToProto(&u), changed)
	return s.audit(ctx, tx, ev)
}

// DeleteAdministrativeUnit soft-deletes a unit.
func (s *Units) DeleteAdministrativeUnit(ctx context.Context, req *pb.DeleteAdministrativeUnitRequest) (*emptypb.Empty, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Delete administrative unit", administrativeUnit, "Delete", audit.Target{ID: clip(req.Id), Type: object.Unit.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		u, err := s.change(tx, req.Id)
		if err != nil {
			return err
		}
		u.Deleted = ptr(s.now())
		if err := tx.SaveUnit(u); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.Unit, ID: u.ID, Kind: store.Deleted})
		ev.Targets[0] = unitTarget(u)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ListAdministrativeUnitMembers lists the users and groups of a unit; hidden
// ones are for administrators (DIR-157).
func (s *Units) ListAdministrativeUnitMembers(ctx context.Context, req *pb.ListAdministrativeUnitMembersRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, u, err := s.unit(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	if u.Visibility != nil && *u.Visibility == unit.HiddenMembership && who.Kind == caller.User && !access.SeesHidden(who) && !over(who, u) {
		return nil, property.Denied()
	}
	return s.relation(ctx, who, t, "administrativeUnits/members", store.UnitMembers, u.ID, req.Cast, req.Query)
}

// over reports whether the caller holds a role over the unit.
func over(who caller.Caller, u *unit.Unit, names ...string) bool {
	return slices.ContainsFunc(who.Roles, func(r caller.Role) bool {
		return r.Scope == unit.Scope(u.ID) && (len(names) == 0 || slices.Contains(names, r.Template))
	})
}

// CreateAdministrativeUnitMember creates a group inside the unit, which is
// also for those who manage groups over the unit alone (DIR-158).
func (s *Units) CreateAdministrativeUnitMember(ctx context.Context, req *pb.CreateAdministrativeUnitMemberRequest) (*pb.DirectoryObject, error) {
	who, t, u, err := s.unit(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	if access.WriteUnit(who) != nil && !over(who, u, role.GroupsAdministrator, role.UserAdministrator) {
		return nil, property.Denied()
	}
	for i, r := range who.Roles {
		if r.Scope == unit.Scope(u.ID) {
			who.Roles = slices.Clone(who.Roles)
			who.Roles[i].Scope = role.TenantScope
		}
	}
	out, err := s.Groups.create(ctx, who, t, req.Group, func(tx *store.Tx, l store.Link, unified bool) error {
		locked, err := tx.Unit(u.ID, store.Live, true)
		if err != nil {
			return err
		}
		return s.addMember(ctx, tx, locked, l, unified)
	})
	if err != nil {
		return nil, err
	}
	return &pb.DirectoryObject{Object: &pb.DirectoryObject_Group{Group: out}}, nil
}

func (s *Units) addMember(ctx context.Context, tx *store.Tx, u *unit.Unit, l store.Link, unified bool) error {
	if err := u.CheckMember(l.Type, unified); err != nil {
		return err
	}
	tx.AddUnitMember(u.ID, l, s.now())
	return s.linked(ctx, tx, u, l, store.Linked, "Add member to ", "Assign")
}

// linked records that a member came or went: in the feed for both ends, and in
// the audit log.
func (s *Units) linked(ctx context.Context, tx *store.Tx, u *unit.Unit, l store.Link, kind store.ChangeKind, verb, operation string) error {
	tx.Change(store.Change{Type: object.Unit, ID: u.ID, Kind: kind, Properties: []string{"members"}, Related: &l.ID})
	return s.audit(ctx, tx, record(verb+described(u), administrativeUnit, operation, unitTarget(u), target(l.Type, l.ID, "")))
}

func described(u *unit.Unit) string {
	if u.Restricted {
		return "restricted management administrative unit"
	}
	return "administrative unit"
}

// AddAdministrativeUnitMember adds a user or a group.
func (s *Units) AddAdministrativeUnitMember(ctx context.Context, req *pb.AddAdministrativeUnitMemberRequest) (*emptypb.Empty, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := refID(req.Reference.GetOdataId())
	if err != nil {
		return nil, err
	}
	ev := record("Add member to administrative unit", administrativeUnit, "Assign", audit.Target{ID: clip(req.Id), Type: object.Unit.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		u, err := s.change(tx, req.Id)
		if err != nil {
			return err
		}
		l, ok, err := tx.Resolve(id)
		if err != nil {
			return err
		}
		if !ok {
			return property.NotFound(id.String())
		}
		unified := false
		if l.Type == object.Group {
			g, err := tx.Group(id, store.Live, false)
			if err != nil {
				return err
			}
			unified = g.Unified
		}
		return s.addMember(ctx, tx, u, l, unified)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// RemoveAdministrativeUnitMember removes a member.
func (s *Units) RemoveAdministrativeUnitMember(ctx context.Context, req *pb.RemoveAdministrativeUnitMemberRequest) (*emptypb.Empty, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.ObjectId)
	if err != nil {
		return nil, err
	}
	ev := record("Remove member from administrative unit", administrativeUnit, "Unassign", audit.Target{ID: clip(req.Id), Type: object.Unit.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		u, err := s.change(tx, req.Id)
		if err != nil {
			return err
		}
		l, ok, err := tx.Resolve(id)
		if err != nil {
			return err
		}
		if err := u.CheckMember(object.User, false); err != nil {
			return err
		}
		if ok {
			ok, err = tx.RemoveLink(store.UnitMembers, u.ID, id)
		}
		if err != nil {
			return err
		}
		if !ok {
			return property.NotFound(req.ObjectId)
		}
		return s.linked(ctx, tx, u, l, store.Unlinked, "Remove member from ", "Unassign")
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

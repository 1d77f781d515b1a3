package api

import (
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// objects reads the objects behind links, in their order. Objects that went
// meanwhile are left out.
func (c *Core) objects(tx *store.Tx, who caller.Caller, t *store.Tenant, links []store.Link) ([]*pb.DirectoryObject, error) {
	byType := make(map[object.Type][]uuid.UUID)
	for _, l := range links {
		byType[l.Type] = append(byType[l.Type], l.ID)
	}
	found := make(map[uuid.UUID]*pb.DirectoryObject, len(links))
	users, err := tx.UsersByID(byType[object.User])
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		found[u.ID] = userObject(shown(who, t, u))
	}
	groups, err := tx.Groups(byType[object.Group])
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		found[g.ID] = &pb.DirectoryObject{Object: &pb.DirectoryObject_Group{Group: groupToProto(g)}}
	}
	if err := c.applicationObjects(tx, t, byType, found); err != nil {
		return nil, err
	}
	units, err := tx.Units(byType[object.Unit])
	if err != nil {
		return nil, err
	}
	for _, u := range units {
		found[u.ID] = &pb.DirectoryObject{Object: &pb.DirectoryObject_AdministrativeUnit{AdministrativeUnit: unitToProto(u)}}
	}
	degree := access.Contacts(who, rights(t))
	contacts, err := tx.Contacts(byType[object.Contact])
	if err != nil {
		return nil, err
	}
	for _, p := range contacts {
		found[p.ID] = &pb.DirectoryObject{Object: &pb.DirectoryObject_OrgContact{OrgContact: limitedContact(p, degree)}}
	}
	if len(byType[object.Role]) > 0 {
		active, err := tx.ActiveRoles()
		if err != nil {
			return nil, err
		}
		for _, r := range active {
			found[r.ID] = &pb.DirectoryObject{Object: &pb.DirectoryObject_DirectoryRole{DirectoryRole: activeRoleToProto(r)}}
		}
	}
	ownOnly := access.OwnOnly(who, rights(t))
	out := make([]*pb.DirectoryObject, 0, len(links))
	for _, l := range links {
		if o := found[l.ID]; o != nil {
			if ownOnly && l.ID != who.ObjectID {
				o = bare(l)
			}
			out = append(out, o)
		}
	}
	return out, nil
}

func userObject(u *pb.User) *pb.DirectoryObject {
	return &pb.DirectoryObject{Object: &pb.DirectoryObject_User{User: u}}
}

func (c *Core) applicationObjects(tx *store.Tx, t *store.Tenant, byType map[object.Type][]uuid.UUID, found map[uuid.UUID]*pb.DirectoryObject) error {
	if len(byType[object.Application]) > 0 {
		apps, err := tx.Applications(byType[object.Application])
		if err != nil {
			return err
		}
		credentials, err := tx.Credentials(byType[object.Application])
		if err != nil {
			return err
		}
		for _, a := range apps {
			m, err := applicationToProto(a, credentials[a.ID])
			if err != nil {
				return err
			}
			found[a.ID] = &pb.DirectoryObject{Object: &pb.DirectoryObject_Application{Application: m}}
		}
	}
	if len(byType[object.ServicePrincipal]) == 0 {
		return nil
	}
	principals, err := tx.ServicePrincipals(byType[object.ServicePrincipal])
	if err != nil {
		return err
	}
	messages, err := c.servicePrincipals(tx, t, principals)
	for i, m := range messages {
		found[principals[i].ID] = &pb.DirectoryObject{Object: &pb.DirectoryObject_ServicePrincipal{ServicePrincipal: m}}
	}
	return err
}

// servicePrincipals converts service principals with their applications and
// credentials.
func (c *Core) servicePrincipals(tx *store.Tx, t *store.Tenant, list []*application.ServicePrincipal) ([]*pb.ServicePrincipal, error) {
	appIDs, own := make([]uuid.UUID, len(list)), make([]uuid.UUID, len(list))
	for i, p := range list {
		appIDs[i], own[i] = p.AppID, p.ID
	}
	apps, err := tx.ApplicationsByAppID(appIDs)
	if err != nil {
		return nil, err
	}
	credentials, err := tx.Credentials(own)
	if err != nil {
		return nil, err
	}
	out := make([]*pb.ServicePrincipal, len(list))
	for i, p := range list {
		if out[i], err = servicePrincipalToProto(p, apps[p.AppID], credentials[p.ID], t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// castTypes reads a type cast, `microsoft.graph.user` or `graph.user`.
func castTypes(cast string) ([]object.Type, error) {
	if cast == "" {
		return nil, nil
	}
	name := cast[strings.LastIndexByte(cast, '.')+1:]
	t, ok := object.Parse(name)
	if !ok {
		return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "The cast '%s' is not known.", clip(cast))
	}
	return []object.Type{t}, nil
}

// bind resolves the references of a bind annotation, all or none (DIR-5,
// DIR-9). Naming an object twice is refused.
func bind(tx *store.Tx, name string, references []string) ([]store.Link, error) {
	list := make([]uuid.UUID, len(references))
	seen := make(map[uuid.UUID]bool, len(references))
	for i, r := range references {
		id, err := refID(r)
		if err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, property.Refused(name, "Request contains a property with duplicate values.")
		}
		list[i], seen[id] = id, true
	}
	links, err := tx.ResolveAll(list)
	if err == nil && len(links) != len(list) {
		err = fault.Invalid(errorspb.Reason_REFERENCE_INVALID, "The reference in '%s@odata.bind' could not be resolved.", name)
	}
	return links, err
}

// owns reports whether the caller is among the owners.
func owns(who caller.Caller, owners []store.Link) bool {
	for _, o := range owners {
		if o.ID == who.ObjectID {
			return true
		}
	}
	return false
}

package api

import (
	"context"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/contact"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Contacts serves ContactService (DIR-112 to DIR-122).
type Contacts struct {
	pb.UnimplementedContactServiceServer
	*Core
}

var _ pb.ContactServiceServer = (*Contacts)(nil)

const contactCategory = "Contact"

func contactTarget(c *contact.Contact) audit.Target {
	return target(object.Contact, c.ID, c.DisplayName)
}

// workforce is the tenant of the caller, which must be one that has contacts
// (DIR-22).
func (s *Contacts) workforce(ctx context.Context) (caller.Caller, *store.Tenant, error) {
	who, t, err := s.home(ctx)
	if err == nil && t.Type == organization.External {
		err = fault.Invalid(errorspb.Reason_TENANT_TYPE_UNSUPPORTED, "Contacts are not supported in this tenant type.")
	}
	return who, t, err
}

// ListContacts lists contacts a page at a time.
func (s *Contacts) ListContacts(ctx context.Context, req *pb.ListContactsRequest) (*pb.ListContactsResponse, error) {
	const route = "contacts"
	who, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	l, page, err := s.listing(who, route, req.Query, contactDescriptor, store.ContactColumns)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListContacts(ctx, t.ID, l)
	if err != nil {
		return nil, err
	}
	out := &pb.ListContactsResponse{OdataCount: found.Count, NextPageToken: next(s.Core, who, route, req.Query, page, found)}
	for _, c := range found.Items {
		out.Value = append(out.Value, contactToProto(c))
	}
	return out, nil
}

func (s *Contacts) readable(ctx context.Context) (caller.Caller, *store.Tenant, error) {
	who, t, err := s.workforce(ctx)
	if err == nil {
		err = access.Directory(who, rights(t))
	}
	return who, t, err
}

// CountContacts counts contacts (DIR-205).
func (s *Contacts) CountContacts(ctx context.Context, req *pb.CountContactsRequest) (*pb.CountResponse, error) {
	who, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	if err := counting(who, req.Query); err != nil {
		return nil, err
	}
	where, err := conditions(req.Query, contactDescriptor, store.ContactColumns, true, true)
	if err != nil {
		return nil, err
	}
	n, err := s.Store.CountContacts(ctx, t.ID, where)
	return &pb.CountResponse{Value: n}, err
}

// contact finds one contact for reading; guests see its card (DIR-175).
func (s *Contacts) contact(ctx context.Context, text string) (caller.Caller, *store.Tenant, *contact.Contact, error) {
	who, t, err := s.workforce(ctx)
	if err != nil {
		return who, t, nil, err
	}
	if access.Contacts(who, rights(t)) == access.Nothing {
		return who, t, nil, property.Denied()
	}
	id, err := objectID(text)
	if err != nil {
		return who, t, nil, err
	}
	var c *contact.Contact
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		c, err = tx.Contact(id, false)
		return err
	})
	return who, t, c, err
}

// GetContact returns one contact.
func (s *Contacts) GetContact(ctx context.Context, req *pb.GetContactRequest) (*pb.OrgContact, error) {
	who, t, c, err := s.contact(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return limitedContact(c, access.Contacts(who, rights(t))), nil
}

// limitedContact reduces a contact to what the caller may see.
func limitedContact(c *contact.Contact, degree access.Reading) *pb.OrgContact {
	switch degree {
	case access.Everything:
		return contactToProto(c)
	case access.Card:
		return &pb.OrgContact{Id: c.ID.String(), DisplayName: &c.DisplayName, Mail: &c.Mail}
	}
	return &pb.OrgContact{Id: c.ID.String()}
}

// GetContactManager answers 404: contacts have no manager here, they only are
// managers of users.
func (s *Contacts) GetContactManager(ctx context.Context, req *pb.GetContactRequest) (*pb.DirectoryObject, error) {
	if _, _, _, err := s.contact(ctx, req.Id); err != nil {
		return nil, err
	}
	return nil, property.NotFound("manager")
}

// ListContactMemberOf lists the groups that hold the contact directly.
func (s *Contacts) ListContactMemberOf(ctx context.Context, req *pb.ListContactRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, c, err := s.contact(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "contacts/memberOf", store.MemberOf, c.ID, req.Cast, req.Query)
}

// ListContactDirectReports lists the users the contact manages.
func (s *Contacts) ListContactDirectReports(ctx context.Context, req *pb.ListContactRelationRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, c, err := s.contact(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "contacts/directReports", store.DirectReports, c.ID, req.Cast, req.Query)
}

// CreateContact creates a contact (DIR-113). An address that another live
// object holds is refused (DIR-116).
func (s *Contacts) CreateContact(ctx context.Context, req *pb.CreateContactRequest) (*pb.OrgContact, error) {
	_, t, err := s.workforce(ctx)
	if err != nil {
		return nil, err
	}
	var draft contact.Contact
	if err := applyContact(&draft, req.Contact, present(req.Contact)); err != nil {
		return nil, err
	}
	c, err := contact.New(draft, newID(), s.now())
	if err != nil {
		return nil, err
	}
	ev := record("Add contact", contactCategory, "Add", contactTarget(&c))
	ev.Targets[0].Modified = modified(nil, contactToProto(&c), propertyNames(contactFields, present(req.Contact)))
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		if err := tx.InsertContact(&c); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.Contact, ID: c.ID, Kind: store.Created})
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return contactToProto(&c), nil
}

// UpdateContact changes the named properties.
func (s *Contacts) UpdateContact(ctx context.Context, req *pb.UpdateContactRequest) (*emptypb.Empty, error) {
	_, t, err := s.workforce(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	in, paths := req.Contact, req.UpdateMask.GetPaths()
	if in == nil {
		in = &pb.OrgContact{}
	}
	ev := record("Update contact", contactCategory, "Update", audit.Target{ID: clip(req.Id), Type: object.Contact.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		old, err := tx.Contact(id, true)
		if err != nil || len(paths) == 0 {
			return err
		}
		draft := *old
		if err := applyContact(&draft, in, paths); err != nil {
			return err
		}
		c, err := contact.Update(draft)
		if err != nil {
			return err
		}
		if err := tx.SaveContact(&c); err != nil {
			return err
		}
		changed := propertyNames(contactFields, paths)
		tx.Change(store.Change{Type: object.Contact, ID: c.ID, Kind: store.Updated, Properties: changed})
		ev.Targets[0] = contactTarget(&c)
		ev.Targets[0].Modified = modified(contactToProto(old), contactToProto(&c), changed)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// DeleteContact deletes a contact at once (DIR-94).
func (s *Contacts) DeleteContact(ctx context.Context, req *pb.DeleteContactRequest) (*emptypb.Empty, error) {
	_, t, err := s.workforce(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	ev := record("Delete contact", contactCategory, "Delete", audit.Target{ID: clip(req.Id), Type: object.Contact.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		c, err := tx.Contact(id, true)
		if err != nil {
			return err
		}
		tx.DeleteContact(id)
		tx.Change(store.Change{Type: object.Contact, ID: id, Kind: store.Purged})
		ev.Targets[0] = contactTarget(c)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ReplaceProxyAddresses replaces the addresses of a user or a Microsoft 365
// group (DIR-119).
func (s *Contacts) ReplaceProxyAddresses(ctx context.Context, req *pb.ReplaceProxyAddressesRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	proxies, err := address.Parse(req.Addresses)
	if err != nil {
		return nil, err
	}
	ev := record("Update user", userManagement, "Update", audit.Target{ID: clip(req.Id), Type: object.User.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		l, ok, err := tx.Resolve(id)
		if err != nil {
			return err
		}
		switch {
		case ok && l.Type == object.User:
			return s.userAddresses(ctx, tx, who, t, id, proxies, &ev)
		case ok && l.Type == object.Group:
			return s.groupAddresses(ctx, tx, who, id, proxies, &ev)
		}
		return property.NotFound(req.Id)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

var addressProperties = []string{"mail", "proxyAddresses"}

func (s *Contacts) userAddresses(ctx context.Context, tx *store.Tx, who caller.Caller, t *store.Tenant, id uuid.UUID, proxies []address.Proxy, ev *audit.Event) error {
	old, err := tx.LockUser(store.UserID(id))
	if err != nil {
		return err
	}
	by, err := s.over(tx, who, old.ID, old.Restricted)
	if err != nil {
		return err
	}
	if err := access.Recipients(by); err != nil {
		return err
	}
	u, err := user.ReplaceProxies(*old, proxies)
	if err != nil {
		return err
	}
	tx.SaveUser(old, &u, store.Differ(old, &u))
	tx.Change(store.Change{Type: object.User, ID: id, Kind: store.Updated, Properties: addressProperties})
	ev.Targets[0] = userTarget(&u)
	ev.Targets[0].Modified = modified(userToProto(old, t.InitialDomain), userToProto(&u, t.InitialDomain), addressProperties)
	return s.audit(ctx, tx, *ev)
}

func (s *Contacts) groupAddresses(ctx context.Context, tx *store.Tx, who caller.Caller, id uuid.UUID, proxies []address.Proxy, ev *audit.Event) error {
	old, err := tx.Group(id, store.Live, true)
	if err != nil {
		return err
	}
	by, err := s.over(tx, who, old.ID, old.Restricted)
	if err != nil {
		return err
	}
	if err := access.Recipients(by); err != nil {
		return err
	}
	g, err := group.ReplaceProxies(*old, proxies)
	if err != nil {
		return err
	}
	if err := tx.SaveGroup(old, &g); err != nil {
		return err
	}
	tx.Change(store.Change{Type: object.Group, ID: id, Kind: store.Updated, Properties: addressProperties})
	*ev = record("Update group", groupManagement, "Update", groupTarget(&g))
	ev.Targets[0].Modified = modified(groupToProto(old), groupToProto(&g), addressProperties)
	return s.audit(ctx, tx, *ev)
}

// ListAddressList lists the address list by displayName (DIR-121). $search
// finds names by their beginning.
func (s *Contacts) ListAddressList(ctx context.Context, req *pb.ListAddressListRequest) (*pb.ListAddressListResponse, error) {
	const route = "addressList"
	who, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	if req.Query.GetFilter() != "" || req.Query.GetOrderby() != "" {
		return nil, unfiltered(req.Query)
	}
	prefix := strings.ToLower(strings.Trim(req.Query.GetSearch(), `"`))
	prefix = strings.TrimPrefix(prefix, "displayname:")
	page, err := s.Tokens.Page(who, route, req.Query)
	if err != nil {
		return nil, err
	}
	after, err := behind(page, uuid.Nil)
	if err != nil {
		return nil, err
	}
	afterKey := ""
	if page.After != nil && page.After.Value != nil {
		afterKey = *page.After.Value
	}
	found, err := s.Store.AddressList(ctx, t.ID, prefix, afterKey, after, page.Size+1)
	if err != nil {
		return nil, err
	}
	out := &pb.ListAddressListResponse{}
	if len(found) > page.Size {
		found = found[:page.Size]
		last := found[page.Size-1]
		out.NextPageToken = s.Tokens.Next(who, route, req.Query, page, odata.Position{ID: last.ID.String(), Value: &last.Key})
	}
	for _, e := range found {
		out.Value = append(out.Value, &pb.AddressListEntry{Id: e.ID.String(), Type: e.Type.String(), DisplayName: &e.DisplayName, Mail: e.Mail, JobTitle: e.JobTitle,
			Department: e.Department, CompanyName: e.CompanyName, OfficeLocation: e.OfficeLocation})
	}
	return out, nil
}

package api

import (
	"context"
	"errors"
	"net"
	"slices"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Resolver looks up the TXT records of a name, as net.Resolver does.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

const proofTTL = 3600

func domainTarget(name string) audit.Target {
	return audit.Target{ID: name, DisplayName: name, Type: "Domain"}
}

// CreateDomain adds a domain (DIR-27).
func (s *Organizations) CreateDomain(ctx context.Context, req *pb.CreateDomainRequest) (*pb.Domain, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	for _, path := range present(req.Domain) {
		if path != "id" {
			if err := sameOrReadOnly(&pb.Domain{}, req.Domain, path); err != nil {
				return nil, err
			}
		}
	}
	ev := record("Add unverified domain", directoryManagement, "Add", domainTarget(clip(req.Domain.GetId())))
	d, err := t.NewDomain(req.Domain.GetId(), s.Suffix)
	if err != nil {
		return nil, s.failed(ctx, t.ID, ev, err)
	}
	ev.Targets[0] = domainTarget(d.Name)
	if d.Verified {
		ev.Activity = "Add verified domain"
	}
	if err := s.elsewhere(ctx, t.ID, d.Name); err != nil {
		return nil, s.taken(ctx, t.ID, ev, err)
	}
	if err := t.CheckRoom(); err != nil {
		return nil, s.taken(ctx, t.ID, ev, err)
	}
	d.Created = s.now()
	err = s.write(ctx, who.Tenant, ev, func(tx *store.Tx) error {
		t, err := tx.LockTenant()
		if err != nil {
			return err
		}
		if err := t.CheckRoom(); err != nil { // others may have been added meanwhile
			return err
		}
		if _, ok := t.Domain(d.Name); ok {
			return property.Conflict("id")
		}
		if err := tx.SaveDomain(d); err != nil {
			return err
		}
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return domainToProto(d), nil
}

// taken records a conflict or a quota of domains, whose answer is that of an
// invalid value (DIR-14, DIR-27).
func (c *Core) taken(ctx context.Context, t tenant.ID, ev audit.Event, refusal error) error {
	if !fault.Is(refusal, errorspb.Reason_PROPERTY_INVALID) {
		return c.failed(ctx, t, ev, refusal)
	}
	if err := audit.WriteFailure(ctx, c.Store.DB(), t, c.Clock, ev, refusal); err != nil {
		return err
	}
	return refusal
}

// elsewhere refuses a name that another tenant has verified, or a child of
// one.
func (c *Core) elsewhere(ctx context.Context, own tenant.ID, name string) error {
	for _, held := range append([]string{name}, address.Parents(name)...) {
		owner, err := c.Store.TenantByDomain(ctx, held)
		switch {
		case fault.Is(err, errorspb.Reason_NOT_FOUND):
		case err != nil:
			return err
		case owner.ID != own:
			return property.Refused("id", "The domain '%s' is verified in another directory.", held)
		}
	}
	return nil
}

// domain runs fn on a domain of the caller's tenant inside the transaction
// that changes it.
func (s *Organizations) domain(ctx context.Context, text string, ev *audit.Event, fn func(*store.Tx, *store.Tenant, organization.Domain) error) (*emptypb.Empty, error) {
	who, _, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev.Targets = []audit.Target{domainTarget(clip(text))}
	err = s.failed(ctx, who.Tenant, *ev, s.Store.Write(ctx, who.Tenant, func(tx *store.Tx) error {
		t, err := tx.LockTenant()
		if err != nil {
			return err
		}
		d, ok := t.Domain(text)
		if !ok {
			return property.NotFound(clip(text))
		}
		ev.Targets[0] = domainTarget(d.Name)
		return fn(tx, t, d)
	}))
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// UpdateDomain changes the named properties (DIR-30).
func (s *Organizations) UpdateDomain(ctx context.Context, req *pb.UpdateDomainRequest) (*emptypb.Empty, error) {
	in, paths := req.Domain, req.UpdateMask.GetPaths()
	if in == nil {
		in = &pb.Domain{}
	}
	ev := record("Update domain", directoryManagement, "Update")
	return s.domain(ctx, req.Id, &ev, func(tx *store.Tx, _ *store.Tenant, old organization.Domain) error {
		d := old
		for _, path := range paths {
			switch path {
			case "is_default":
				if !in.GetIsDefault() {
					return property.Refused("isDefault", "Another domain must be made the default instead.")
				}
				d.Default = true
			case "supported_services":
				d.Services = in.SupportedServices
			case "password_validity_period_in_days":
				d.PasswordValidity = in.GetPasswordValidityPeriodInDays()
			case "password_notification_window_in_days":
				d.PasswordNotifyDays = in.GetPasswordNotificationWindowInDays()
			default:
				if err := sameOrReadOnly(domainToProto(old), in, path); err != nil {
					return err
				}
			}
		}
		if err := organization.UpdateDomain(old, d); err != nil || len(paths) == 0 {
			return err
		}
		if err := tx.SaveDomain(d); err != nil {
			return err
		}
		fields := in.ProtoReflect().Descriptor().Fields()
		ev.Targets[0].Modified = modified(domainToProto(old), domainToProto(d), propertyNames(fields, paths))
		return s.audit(ctx, tx, ev)
	})
}

// DeleteDomain removes a domain that nothing uses (DIR-31).
func (s *Organizations) DeleteDomain(ctx context.Context, req *pb.DeleteDomainRequest) (*emptypb.Empty, error) {
	ev := record("Remove unverified domain", directoryManagement, "Delete")
	return s.domain(ctx, req.Id, &ev, func(tx *store.Tx, _ *store.Tenant, d organization.Domain) error {
		if d.Verified {
			ev.Activity = "Remove verified domain"
		}
		if err := organization.RemoveDomain(d); err != nil {
			return err
		}
		uses, err := tx.DomainUses(d.Name, uuid.Nil, 1)
		if err != nil {
			return err
		}
		if len(uses) > 0 {
			return property.Refused("id", "The domain '%s' is still referenced by objects of the directory.", d.Name)
		}
		return s.removeDomain(ctx, tx, d, ev)
	})
}

func (s *Organizations) removeDomain(ctx context.Context, tx *store.Tx, d organization.Domain, ev audit.Event) error {
	if err := tx.DeleteDomain(d.Name); err != nil {
		return err
	}
	return s.audit(ctx, tx, ev)
}

// ListVerificationDnsRecords returns the record that proves ownership
// (DIR-28).
func (s *Organizations) ListVerificationDnsRecords(ctx context.Context, req *pb.ListVerificationDnsRecordsRequest) (*pb.ListVerificationDnsRecordsResponse, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	d, ok := t.Domain(req.Id)
	if !ok {
		return nil, property.NotFound(clip(req.Id))
	}
	id := uuid.NewSHA1(t.ID.UUID(), []byte(d.Name))
	return &pb.ListVerificationDnsRecordsResponse{Value: []*pb.DomainDnsTxtRecord{{Id: id.String(), IsOptional: ptr(false), Label: &d.Name, RecordType: ptr("Txt"),
		SupportedService: ptr("Email"), Ttl: ptr(int32(proofTTL)), Text: ptr(t.ProofOf(d.Name))}}}, nil
}

// VerifyDomainOwnership verifies a domain whose TXT record is there (DIR-29).
func (s *Organizations) VerifyDomainOwnership(ctx context.Context, req *pb.VerifyDomainOwnershipRequest) (*pb.Domain, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	d, ok := t.Domain(req.Id)
	if !ok {
		return nil, property.NotFound(clip(req.Id))
	}
	if d.Verified {
		return domainToProto(d), nil
	}
	if err := s.proved(ctx, t, d.Name); err != nil {
		return nil, err
	}
	ev := record("Verify domain", directoryManagement, "Update", domainTarget(d.Name))
	if err := s.elsewhere(ctx, t.ID, d.Name); err != nil {
		return nil, s.taken(ctx, t.ID, ev, err)
	}
	_, err = s.domain(ctx, d.Name, &ev, func(tx *store.Tx, _ *store.Tenant, now organization.Domain) error {
		d = now
		d.Verified = true
		if err := tx.SaveDomain(d); err != nil {
			return err
		}
		return s.audit(ctx, tx, ev)
	})
	if fault.Is(err, errorspb.Reason_OBJECT_CONFLICT) { // another tenant was faster
		err = property.Refused("id", "The domain '%s' is verified in another directory.", d.Name)
	}
	if err != nil {
		return nil, err
	}
	return domainToProto(d), nil
}

// proved looks for the proof among the TXT records of the domain.
func (s *Organizations) proved(ctx context.Context, t *store.Tenant, name string) error {
	records, err := s.Resolver.LookupTXT(ctx, name+".") // the dot: no search list
	var missing *net.DNSError
	if err != nil && (!errors.As(err, &missing) || !missing.IsNotFound) {
		return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "The name servers of the domain did not answer.").WithCause(err)
	}
	if !slices.Contains(records, t.ProofOf(name)) {
		return property.Refused("id", "DNS record not found: the domain '%s' needs the TXT record that verificationDnsRecords shows. Changes can take a while to be seen.", name)
	}
	return nil
}

// ListDomainNameReferences lists the objects that use a domain (DIR-31).
func (s *Organizations) ListDomainNameReferences(ctx context.Context, req *pb.ListDomainNameReferencesRequest) (*pb.ListDirectoryObjectsResponse, error) {
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	d, ok := t.Domain(req.Id)
	if !ok {
		return nil, property.NotFound(clip(req.Id))
	}
	route := "domainNameReferences/" + d.Name
	page, err := s.Tokens.Page(who, route, req.Query)
	if err != nil {
		return nil, err
	}
	after, err := behind(page, uuid.Nil)
	if err != nil {
		return nil, err
	}
	out := &pb.ListDirectoryObjectsResponse{}
	return out, s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		links, err := tx.DomainUses(d.Name, after, page.Size+1)
		if err != nil {
			return err
		}
		if len(links) > page.Size {
			links = links[:page.Size]
			out.NextPageToken = s.Tokens.Next(who, route, req.Query, page, odata.Position{ID: links[page.Size-1].ID.String()})
		}
		if page.Count {
			n, err := tx.CountDomainUses(d.Name)
			if err != nil {
				return err
			}
			out.OdataCount = &n
		}
		out.Value, err = s.objects(tx, who, t, links)
		return err
	})
}

// mostMoved is how many objects a forced removal moves (DIR-32).
const mostMoved = 1000

// ForceDeleteDomain moves what uses a domain to the initial one and removes it
// (DIR-32).
func (s *Organizations) ForceDeleteDomain(ctx context.Context, req *pb.ForceDeleteDomainRequest) (*emptypb.Empty, error) {
	ev := record("Remove unverified domain", directoryManagement, "Delete")
	return s.domain(ctx, req.Id, &ev, func(tx *store.Tx, t *store.Tenant, d organization.Domain) error {
		if d.Verified {
			ev.Activity = "Remove verified domain"
		}
		if err := organization.RemoveDomain(d); err != nil {
			return err
		}
		uses, err := tx.DomainUses(d.Name, uuid.Nil, mostMoved+1)
		if err != nil {
			return err
		}
		if len(uses) > mostMoved {
			return property.Refused("id", "The domain '%s' is referenced by more than %d objects.", d.Name, mostMoved)
		}
		for _, l := range uses {
			if err := s.move(ctx, tx, t, l, d.Name, req.GetDisableUserAccounts()); err != nil {
				return err
			}
		}
		return s.removeDomain(ctx, tx, d, ev)
	})
}

// mostAttempts is how many numbers are tried where a name is taken.
const mostAttempts = 100

// move takes one object off a domain.
func (s *Organizations) move(ctx context.Context, tx *store.Tx, t *store.Tenant, l store.Link, domain string, disable bool) error {
	moveAt := s.moveUser(ctx, tx, t, l.ID, domain, disable)
	switch l.Type {
	case object.User:
	case object.Group:
		moveAt = s.moveGroup(ctx, tx, t, l.ID, domain)
	case object.Contact:
		moveAt = s.moveContact(ctx, tx, t, l.ID, domain)
	default:
		names, err := tx.Names([]uuid.UUID{l.ID})
		if err != nil {
			return err
		}
		return property.Refused("id", "The %s '%s' (%s) uses the domain in its identifierUris and cannot be moved; change it first.", l.Type, names[l.ID].Text, l.ID)
	}
	for attempt := range mostAttempts {
		if done, err := moveAt(attempt); err != nil || done {
			return err
		}
	}
	return property.Refused("id", "The object '%s' uses the domain and all names it could move to are taken; change it first.", l.ID)
}

// mover moves an object to a name with a number, and answers whether that was
// free.
type mover func(attempt int) (done bool, err error)

func (s *Organizations) moveUser(ctx context.Context, tx *store.Tx, t *store.Tenant, id uuid.UUID, domain string, disable bool) mover {
	return func(attempt int) (bool, error) {
		old, err := tx.LockUser(store.UserID(id))
		if err != nil {
			return false, err
		}
		u := user.Move(*old, domain, t.InitialDomain, attempt, disable, s.now())
		free, err := tx.NameFree(u.UserPrincipalName, u.ID)
		if err != nil || !free {
			return false, err
		}
		taken, err := tx.TakenAddresses(u.Proxies, u.ID)
		if err != nil || len(taken) > 0 {
			return false, err
		}
		d := store.Differ(old, &u)
		tx.SaveUser(old, &u, d)
		tx.Change(store.Change{Type: object.User, ID: u.ID, Kind: store.Updated, Properties: d.Properties})
		ev := record("Update user", userManagement, "Update", userTarget(&u))
		ev.Targets[0].Modified = modified(userToProto(old, t.InitialDomain), userToProto(&u, t.InitialDomain), d.Properties)
		return true, s.audit(ctx, tx, ev)
	}
}

func (s *Organizations) moveGroup(ctx context.Context, tx *store.Tx, t *store.Tenant, id uuid.UUID, domain string) mover {
	return func(attempt int) (bool, error) {
		old, err := tx.Group(id, store.Live, true)
		if err != nil {
			return false, err
		}
		g := *old
		g.Proxies = address.Move(old.Proxies, domain, t.InitialDomain, attempt)
		g.Mail = address.MailOf(g.Proxies)
		taken, err := tx.TakenAddresses(g.Proxies, g.ID)
		if err != nil || len(taken) > 0 {
			return false, err
		}
		if err := tx.SaveGroup(old, &g); err != nil {
			return false, err
		}
		tx.Change(store.Change{Type: object.Group, ID: g.ID, Kind: store.Updated, Properties: addressProperties})
		return true, s.audit(ctx, tx, record("Update group", groupManagement, "Update", groupTarget(&g)))
	}
}

func (s *Organizations) moveContact(ctx context.Context, tx *store.Tx, t *store.Tenant, id uuid.UUID, domain string) mover {
	return func(attempt int) (bool, error) {
		c, err := tx.Contact(id, true)
		if err != nil {
			return false, err
		}
		c.Mail = address.Moved(c.Mail, domain, t.InitialDomain, attempt)
		taken, err := tx.TakenAddresses(c.Proxies(), c.ID)
		if err != nil || len(taken) > 0 {
			return false, err
		}
		if err := tx.SaveContact(c); err != nil {
			return false, err
		}
		tx.Change(store.Change{Type: object.Contact, ID: c.ID, Kind: store.Updated, Properties: addressProperties})
		return true, s.audit(ctx, tx, record("Update contact", contactCategory, "Update", contactTarget(c)))
	}
}

// GetVerificationDnsRecord returns the record that proves ownership.
func (s *Organizations) GetVerificationDnsRecord(ctx context.Context, req *pb.GetVerificationDnsRecordRequest) (*pb.DomainDnsTxtRecord, error) {
	found, err := s.ListVerificationDnsRecords(ctx, &pb.ListVerificationDnsRecordsRequest{Id: req.Id})
	if err != nil {
		return nil, err
	}
	for _, r := range found.Value {
		if r.Id == req.RecordId {
			return r, nil
		}
	}
	return nil, property.NotFound(clip(req.RecordId))
}

package api

import (
	"context"
	"slices"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// ServicePrincipals serves ServicePrincipalService (DIR-181 to DIR-185).
type ServicePrincipals struct {
	pb.UnimplementedServicePrincipalServiceServer
	*Core
}

var _ pb.ServicePrincipalServiceServer = (*ServicePrincipals)(nil)

var servicePrincipalDescriptor = (&pb.ServicePrincipal{}).ProtoReflect().Descriptor()

// CreateServicePrincipal makes an application present in the tenant.
func (s *ServicePrincipals) CreateServicePrincipal(ctx context.Context, req *pb.CreateServicePrincipalRequest) (*pb.ServicePrincipal, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.CreateApplication(who, rights(t)); err != nil {
		return nil, err
	}
	in := req.ServicePrincipal
	if in.GetAppId() == "" {
		return nil, property.Required("ServicePrincipal", "appId")
	}
	key, err := store.ParseAppKey("appId=" + in.GetAppId())
	if err != nil {
		return nil, unknownApp(in.GetAppId())
	}
	var out *pb.ServicePrincipal
	ev := record("Add service principal", applicationManagement, "Add", audit.Target{DisplayName: in.GetDisplayName(), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		app, err := tx.Application(key, store.Live, false)
		if isNotFound(err) {
			return unknownApp(in.GetAppId())
		}
		if err != nil {
			return err
		}
		// A principal is who the application acts as: making it is for those who
		// may change the application (DIR-182).
		right, err := s.appOf(tx, who, object.Application, app.ID, app.AppID)
		if err != nil {
			return err
		}
		if err := access.WriteApplication(who, right); err != nil {
			return err
		}
		for name := range in.GetExtensions().GetFields() {
			return undefined(name)
		}
		draft := &pb.ServicePrincipal{}
		paths := slices.DeleteFunc(withoutCredentials(present(in)), func(p string) bool { return p == "app_id" })
		if err := merge(draft, in, paths); err != nil {
			return err
		}
		if draft.DisplayName == nil {
			draft.DisplayName = &app.DisplayName
		}
		p, err := servicePrincipalFromProto(application.ServicePrincipal{ID: newID(), AppID: app.AppID, Type: "Application", Enabled: true,
			Names: application.Names(app.AppID, app.IdentifierURIs), TemplateID: app.TemplateID, Created: s.now()}, draft)
		if err != nil {
			return err
		}
		if err := s.countCreated(tx, caller.From(ctx), p.ID); err != nil {
			return err
		}
		if err := tx.InsertServicePrincipal(&p); err != nil {
			return err
		}
		if err := s.firstOwners(ctx, tx, who, in.OwnersBind, p.ID, object.ServicePrincipal, "service principal"); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Created})
		if out, err = servicePrincipalToProto(&p, app, nil, t); err != nil {
			return err
		}
		ev.Targets[0] = target(object.ServicePrincipal, p.ID, p.DisplayName)
		return s.audit(ctx, tx, ev)
	})
	return out, err
}

func unknownApp(appID string) error {
	return fault.Invalid(errorspb.Reason_REFERENCE_INVALID,
		"The appId '%s' of the service principal does not reference a valid application object.", clip(appID)).WithMeta("property", "appId")
}

// servicePrincipal finds a service principal for a change by the caller; acting
// tells that it is one of who can act as it.
func (s *ServicePrincipals) servicePrincipal(tx *store.Tx, who caller.Caller, id string, acting bool) (*application.ServicePrincipal, error) {
	key, err := store.ParseAppKey(id)
	if err != nil {
		return nil, err
	}
	p, err := tx.ServicePrincipal(key, store.Live, true)
	if err != nil {
		return nil, err
	}
	read, decide := s.appOf, access.WriteApplication
	if acting {
		read, decide = s.actsFor, access.HoldCredentials
	}
	right, err := read(tx, who, object.ServicePrincipal, p.ID, p.AppID)
	if err != nil {
		return nil, err
	}
	if err := decide(who, right); err != nil {
		return nil, err
	}
	if p.Builtin {
		return nil, fault.Denied(errorspb.Reason_PROTECTED_OBJECT, "The service principal belongs to the product and cannot be changed or removed.")
	}
	return p, nil
}

// GetServicePrincipal returns one service principal by object id or client id.
func (s *ServicePrincipals) GetServicePrincipal(ctx context.Context, req *pb.GetServicePrincipalRequest) (*pb.ServicePrincipal, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if rights(t).External {
		if err := access.Directory(who, rights(t)); err != nil {
			return nil, err
		}
	}
	key, err := store.ParseAppKey(req.Id)
	if err != nil {
		return nil, err
	}
	var out *pb.ServicePrincipal
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		p, err := tx.ServicePrincipal(key, store.Live, false)
		if err != nil {
			return err
		}
		messages, err := s.servicePrincipals(tx, t, []*application.ServicePrincipal{p})
		if err == nil {
			out = messages[0]
		}
		return err
	})
	return out, err
}

// ListServicePrincipals lists service principals a page at a time.
func (s *ServicePrincipals) ListServicePrincipals(ctx context.Context, req *pb.ListServicePrincipalsRequest) (*pb.ListServicePrincipalsResponse, error) {
	const route = "servicePrincipals"
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	l, page, err := s.listing(who, route, req.Query, servicePrincipalDescriptor, store.ServicePrincipalColumns)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListServicePrincipals(ctx, t.ID, l, nil)
	if err != nil {
		return nil, err
	}
	out := &pb.ListServicePrincipalsResponse{OdataCount: found.Count, NextPageToken: next(s.Core, who, route, req.Query, page, found)}
	return out, s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		out.Value, err = s.servicePrincipals(tx, t, found.Items)
		return err
	})
}

// CountServicePrincipals counts service principals.
func (s *ServicePrincipals) CountServicePrincipals(ctx context.Context, req *pb.CountServicePrincipalsRequest) (*pb.CountResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	if err := counting(who, req.Query); err != nil {
		return nil, err
	}
	where, err := conditions(req.Query, servicePrincipalDescriptor, store.ServicePrincipalColumns, true, true)
	if err != nil {
		return nil, err
	}
	n, err := s.Store.CountServicePrincipals(ctx, t.ID, where)
	return &pb.CountResponse{Value: n}, err
}

// UpdateServicePrincipal changes the named properties (DIR-181).
func (s *ServicePrincipals) UpdateServicePrincipal(ctx context.Context, req *pb.UpdateServicePrincipalRequest) (*emptypb.Empty, error) {
	in, paths := req.ServicePrincipal, req.UpdateMask.GetPaths()
	if in == nil {
		in = &pb.ServicePrincipal{}
	}
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, req.Id, slices.ContainsFunc(req.UpdateMask.GetPaths(), isCredential), "Update service principal", "Update", func(tx *store.Tx, old *application.ServicePrincipal, ev *audit.Event) error {
		apps, err := tx.ApplicationsByAppID([]uuid.UUID{old.AppID})
		if err != nil {
			return err
		}
		before, err := servicePrincipalToProto(old, apps[old.AppID], nil, t)
		if err != nil {
			return err
		}
		after := proto.CloneOf(before)
		if err := merge(after, in, withoutCredentials(paths)); err != nil {
			return err
		}
		p, err := servicePrincipalFromProto(*old, after)
		if err != nil {
			return err
		}
		if err := s.replaceCertificates(tx, old.ID, in.KeyCredentials, paths); err != nil {
			return err
		}
		if slices.Contains(paths, "password_credentials") {
			if err := keepPasswords(tx, old.ID, in.PasswordCredentials); err != nil {
				return err
			}
		}
		names := propertyNames(servicePrincipalDescriptor.Fields(), paths)
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Updated, Properties: names})
		ev.Targets[0].DisplayName, ev.Targets[0].Modified = p.DisplayName, modified(before, after, names)
		return tx.SaveServicePrincipal(&p, false)
	})
}

// DeleteServicePrincipal soft-deletes a service principal (DIR-94).
func (s *ServicePrincipals) DeleteServicePrincipal(ctx context.Context, req *pb.DeleteServicePrincipalRequest) (*emptypb.Empty, error) {
	return s.change(ctx, req.Id, false, "Remove service principal", "Delete", func(tx *store.Tx, p *application.ServicePrincipal, _ *audit.Event) error {
		p.Deleted = ptr(s.now())
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Deleted})
		return tx.SaveServicePrincipal(p, true)
	})
}

// change lets fn change a service principal that the caller may write, and
// records the activity; acting tells that it is about who can act as it.
func (s *ServicePrincipals) change(ctx context.Context, id string, acting bool, activity, operation string, fn func(*store.Tx, *application.ServicePrincipal, *audit.Event) error) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record(activity, applicationManagement, operation, audit.Target{ID: clip(id), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		p, err := s.servicePrincipal(tx, who, id, acting)
		if err != nil {
			return err
		}
		done := record(activity, applicationManagement, operation, target(object.ServicePrincipal, p.ID, p.DisplayName))
		if err := fn(tx, p, &done); err != nil {
			return err
		}
		return s.audit(ctx, tx, done)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// AddServicePrincipalPassword generates a secret and answers it once.
func (s *ServicePrincipals) AddServicePrincipalPassword(ctx context.Context, req *pb.AddServicePrincipalPasswordRequest) (*pb.PasswordCredential, error) {
	var out *pb.PasswordCredential
	_, err := s.change(ctx, req.Id, true, "Add service principal credentials", "Update", func(tx *store.Tx, p *application.ServicePrincipal, _ *audit.Event) error {
		c, shown, err := newPasswordCredential(req.PasswordCredential, s.now())
		if err != nil {
			return err
		}
		out = shown
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Updated, Properties: []string{"passwordCredentials"}})
		return tx.InsertCredential(p.ID, c)
	})
	return out, err
}

// RemoveServicePrincipalPassword removes a secret.
func (s *ServicePrincipals) RemoveServicePrincipalPassword(ctx context.Context, req *pb.RemoveServicePrincipalPasswordRequest) (*emptypb.Empty, error) {
	return s.change(ctx, req.Id, true, "Remove service principal credentials", "Update", func(tx *store.Tx, p *application.ServicePrincipal, _ *audit.Event) error {
		tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Updated, Properties: []string{"passwordCredentials"}})
		return removeCredential(tx, p.ID, req.KeyId)
	})
}

// ListServicePrincipalOwners lists the owners of a service principal.
func (s *ServicePrincipals) ListServicePrincipalOwners(ctx context.Context, req *pb.ListServicePrincipalOwnersRequest) (*pb.ListDirectoryObjectsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.GetServicePrincipal(ctx, &pb.GetServicePrincipalRequest{Id: req.Id})
	if err != nil {
		return nil, err
	}
	return s.relation(ctx, who, t, "servicePrincipals/owners", store.Owners, uuid.MustParse(p.Id), req.Cast, req.Query)
}

// AddServicePrincipalOwner adds an owner.
func (s *ServicePrincipals) AddServicePrincipalOwner(ctx context.Context, req *pb.AddServicePrincipalOwnerRequest) (*emptypb.Empty, error) {
	return s.owner(ctx, req.Id, func(tx *store.Tx, p *application.ServicePrincipal) error {
		return s.addOwner(ctx, tx, p.ID, object.ServicePrincipal, p.DisplayName, req.Reference.GetOdataId(), "service principal")
	})
}

// RemoveServicePrincipalOwner removes an owner; the last one may go.
func (s *ServicePrincipals) RemoveServicePrincipalOwner(ctx context.Context, req *pb.RemoveServicePrincipalOwnerRequest) (*emptypb.Empty, error) {
	return s.owner(ctx, req.Id, func(tx *store.Tx, p *application.ServicePrincipal) error {
		return s.removeOwner(ctx, tx, p.ID, object.ServicePrincipal, p.DisplayName, req.ObjectId, "service principal")
	})
}

func (s *ServicePrincipals) owner(ctx context.Context, id string, fn func(*store.Tx, *application.ServicePrincipal) error) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Add owner to service principal", applicationManagement, "Assign", audit.Target{ID: clip(id), Type: object.ServicePrincipal.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		p, err := s.servicePrincipal(tx, who, id, true)
		if err != nil {
			return err
		}
		return fn(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

package api

import (
	"context"
	"slices"
	"time"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Applications serves ApplicationService (DIR-180 to DIR-183).
type Applications struct {
	pb.UnimplementedApplicationServiceServer
	*Core
}

var _ pb.ApplicationServiceServer = (*Applications)(nil)

var applicationDescriptor = (&pb.Application{}).ProtoReflect().Descriptor()

// credentialFields are maintained beside the document.
var credentialFields = []string{"password_credentials", "key_credentials", "owners_bind"}

// isCredential reports whether a path of a mask is about who can act as the
// application.
func isCredential(path string) bool {
	return path == "password_credentials" || path == "key_credentials"
}

func withoutCredentials(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return slices.Contains(credentialFields, p) })
}

// CreateApplication registers an application (DIR-180, DIR-182).
func (s *Applications) CreateApplication(ctx context.Context, req *pb.CreateApplicationRequest) (*pb.Application, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.CreateApplication(who, rights(t)); err != nil {
		return nil, err
	}
	in, now := req.Application, s.now()
	draft := &pb.Application{}
	given := present(in)
	if err := merge(draft, in, declared(withoutCredentials(given))); err != nil {
		return nil, err
	}
	roles, err := rolesOf(draft.AppRoles, draft.GetApi().GetOauth2PermissionScopes())
	if err != nil {
		return nil, err
	}
	if err := application.CheckRoles(nil, roles); err != nil {
		return nil, err
	}
	if err := t.Limits.Fits(quota.Entries, entries(draft)); err != nil {
		return nil, err
	}
	app, err := applicationFromProto(application.Application{ID: newID(), AppID: uuid.New(), Created: now}, draft)
	if err != nil {
		return nil, err
	}
	credentials, secrets, err := newCredentials(in.PasswordCredentials, in.KeyCredentials, s.now())
	if err != nil {
		return nil, err
	}
	ev := record("Add application", applicationManagement, "Add", target(object.Application, app.ID, app.DisplayName))
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		if err := s.countCreated(tx, caller.From(ctx), app.ID); err != nil {
			return err
		}
		if err := tx.InsertApplication(&app); err != nil {
			return err
		}
		for i := range credentials {
			if err := tx.InsertCredential(app.ID, &credentials[i]); err != nil {
				return err
			}
		}
		if err := s.firstOwners(ctx, tx, who, in.OwnersBind, app.ID, object.Application, "application"); err != nil {
			return err
		}
		tx.Change(store.Change{Type: object.Application, ID: app.ID, Kind: store.Created})
		held, err := s.extend(tx, object.Application, app.ID, in.Extensions, given)
		if err != nil {
			return err
		}
		ev.Targets[0].Modified = held
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	out, err := applicationToProto(&app, credentials)
	if err == nil && len(secrets) > 0 {
		out.PasswordCredentials = secrets // the only time they are shown
	}
	return out, err
}

// newCredentials makes what a create brings along.
func newCredentials(passwords []*pb.PasswordCredential, keys []*pb.KeyCredential, now time.Time) ([]application.Credential, []*pb.PasswordCredential, error) {
	var out []application.Credential
	var secrets []*pb.PasswordCredential
	for _, p := range passwords {
		c, shown, err := newPasswordCredential(p, now)
		if err != nil {
			return nil, nil, err
		}
		out, secrets = append(out, *c), append(secrets, shown)
	}
	for _, k := range keys {
		c, err := newKeyCredential(k, now)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, *c)
	}
	return out, secrets, nil
}

// application finds an application for a change by the caller.
func (s *Applications) application(tx *store.Tx, who caller.Caller, id string) (*application.Application, error) {
	a, err := lockApplication(tx, id)
	if err != nil {
		return nil, err
	}
	right, err := s.appOf(tx, who, object.Application, a.ID, a.AppID)
	if err != nil {
		return nil, err
	}
	return a, access.WriteApplication(who, right)
}

// actingApplication finds an application for a change of who can act as it.
func (s *Applications) actingApplication(tx *store.Tx, who caller.Caller, id string) (*application.Application, error) {
	a, err := lockApplication(tx, id)
	if err != nil {
		return nil, err
	}
	right, err := s.actsFor(tx, who, object.Application, a.ID, a.AppID)
	if err != nil {
		return nil, err
	}
	return a, access.HoldCredentials(who, right)
}

func lockApplication(tx *store.Tx, id string) (*application.Application, error) {
	key, err := store.ParseAppKey(id)
	if err != nil {
		return nil, err
	}
	return tx.Application(key, store.Live, true)
}

// GetApplication returns one application by object id or client id.
func (s *Applications) GetApplication(ctx context.Context, req *pb.GetApplicationRequest) (*pb.Application, error) {
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
	var out *pb.Application
	var id uuid.UUID
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		a, err := tx.Application(key, store.Live, false)
		if err != nil {
			return err
		}
		credentials, err := tx.Credentials([]uuid.UUID{a.ID})
		if err != nil {
			return err
		}
		id = a.ID
		out, err = applicationToProto(a, credentials[a.ID])
		return err
	})
	if err != nil {
		return nil, err
	}
	names, err := selected(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(names), []uuid.UUID{id}, func(_ int, values *structpb.Struct) { out.Extensions = values })
}

// ListApplications lists applications a page at a time.
func (s *Applications) ListApplications(ctx context.Context, req *pb.ListApplicationsRequest) (*pb.ListApplicationsResponse, error) {
	const route = "applications"
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "applications", store.ApplicationColumns)
	if err != nil {
		return nil, err
	}
	names, err := selected(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	l, page, err := s.listing(who, route, req.Query, applicationDescriptor, columns)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListApplications(ctx, t.ID, l, nil)
	if err != nil {
		return nil, err
	}
	out := &pb.ListApplicationsResponse{OdataCount: found.Count, NextPageToken: next(s.Core, who, route, req.Query, page, found)}
	out.Value = make([]*pb.Application, len(found.Items))
	ids := make([]uuid.UUID, len(found.Items))
	for i, a := range found.Items {
		ids[i] = a.ID
	}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		credentials, err := tx.Credentials(ids)
		if err != nil {
			return err
		}
		for i, a := range found.Items {
			if out.Value[i], err = applicationToProto(a, credentials[a.ID]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(names), ids, func(i int, values *structpb.Struct) { out.Value[i].Extensions = values })
}

// CountApplications counts applications.
func (s *Applications) CountApplications(ctx context.Context, req *pb.CountApplicationsRequest) (*pb.CountResponse, error) {
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
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "applications", store.ApplicationColumns)
	if err != nil {
		return nil, err
	}
	where, err := conditions(req.Query, applicationDescriptor, columns, true, true)
	if err != nil {
		return nil, err
	}
	n, err := s.Store.CountApplications(ctx, t.ID, where)
	return &pb.CountResponse{Value: n}, err
}

// UpdateApplication changes the named properties (DIR-180, DIR-183).
func (s *Applications) UpdateApplication(ctx context.Context, req *pb.UpdateApplicationRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	in, paths := req.Application, req.UpdateMask.GetPaths()
	if in == nil {
		in = &pb.Application{}
	}
	ev := record("Update application", applicationManagement, "Update", audit.Target{ID: clip(req.Id), Type: object.Application.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		find := s.application
		if slices.ContainsFunc(paths, isCredential) {
			find = s.actingApplication
		}
		old, err := find(tx, who, req.Id)
		if err != nil {
			return err
		}
		ev.Targets[0] = target(object.Application, old.ID, old.DisplayName)
		if own := declared(paths); len(own) > 0 {
			if err := s.saveApplication(ctx, tx, old, in, own, ev); err != nil {
				return err
			}
		}
		return s.saveExtensions(ctx, tx, object.Application, old.ID, in.Extensions, paths, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// saveApplication writes the named properties of an application and records
// the change.
func (s *Applications) saveApplication(ctx context.Context, tx *store.Tx, old *application.Application, in *pb.Application, paths []string, ev audit.Event) error {
	before, err := applicationToProto(old, nil)
	if err != nil {
		return err
	}
	after := proto.CloneOf(before)
	if err := merge(after, in, withoutCredentials(paths)); err != nil {
		return err
	}
	if err := checkRoles(before, after); err != nil {
		return err
	}
	if err := tx.Fits(quota.Entries, entries(after)); err != nil {
		return err
	}
	app, err := applicationFromProto(*old, after)
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
	if err := tx.SaveApplication(&app); err != nil {
		return err
	}
	names := propertyNames(applicationDescriptor.Fields(), paths)
	tx.Change(store.Change{Type: object.Application, ID: app.ID, Kind: store.Updated, Properties: names})
	ev.Targets[0] = target(object.Application, app.ID, app.DisplayName)
	ev.Targets[0].Modified = modified(before, after, names)
	return s.audit(ctx, tx, ev)
}

func checkRoles(before, after *pb.Application) error {
	old, err := rolesOf(before.AppRoles, before.GetApi().GetOauth2PermissionScopes())
	if err != nil {
		return err
	}
	now, err := rolesOf(after.AppRoles, after.GetApi().GetOauth2PermissionScopes())
	if err != nil {
		return err
	}
	return application.CheckRoles(old, now)
}

// replaceCertificates makes the certificates of an owner those of a request:
// entries without a key are present ones that stay.
func (c *Core) replaceCertificates(tx *store.Tx, owner uuid.UUID, keys []*pb.KeyCredential, paths []string) error {
	if !slices.Contains(paths, "key_credentials") {
		return nil
	}
	held, err := tx.Credentials([]uuid.UUID{owner})
	if err != nil {
		return err
	}
	var keep []application.Credential
	for _, k := range keys {
		if len(k.Key) > 0 {
			made, err := newKeyCredential(k, c.now())
			if err != nil {
				return err
			}
			keep = append(keep, *made)
			continue
		}
		i := slices.IndexFunc(held[owner], func(h application.Credential) bool { return h.Certificate != nil && h.KeyID.String() == k.GetKeyId() })
		if i < 0 {
			return property.Refused("keyCredentials", "A key credential without a key must repeat one that is present.")
		}
		keep = append(keep, held[owner][i])
	}
	if err := tx.DeleteCertificates(owner); err != nil {
		return err
	}
	for i := range keep {
		if err := tx.InsertCredential(owner, &keep[i]); err != nil {
			return err
		}
	}
	return nil
}

// keepPasswords removes the secrets that an update leaves out. Secrets are
// added by addPassword alone.
func keepPasswords(tx *store.Tx, owner uuid.UUID, keep []*pb.PasswordCredential) error {
	held, err := tx.Credentials([]uuid.UUID{owner})
	if err != nil {
		return err
	}
	for _, h := range held[owner] {
		if h.Certificate == nil && !slices.ContainsFunc(keep, func(k *pb.PasswordCredential) bool { return k.GetKeyId() == h.KeyID.String() }) {
			if _, err := tx.DeleteCredential(owner, h.KeyID); err != nil {
				return err
			}
		}
	}
	for _, k := range keep {
		if !slices.ContainsFunc(held[owner], func(h application.Credential) bool { return h.KeyID.String() == k.GetKeyId() }) {
			return property.Refused("passwordCredentials", "New password credentials must be generated with the addPassword action.")
		}
	}
	return nil
}

// DeleteApplication soft-deletes an application and its service principal in
// the tenant (DIR-95).
func (s *Applications) DeleteApplication(ctx context.Context, req *pb.DeleteApplicationRequest) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record("Delete application", applicationManagement, "Delete", audit.Target{ID: clip(req.Id), Type: object.Application.Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		a, err := s.application(tx, who, req.Id)
		if err != nil {
			return err
		}
		a.Deleted = ptr(s.now())
		ev.Targets[0] = target(object.Application, a.ID, a.DisplayName)
		tx.Change(store.Change{Type: object.Application, ID: a.ID, Kind: store.Deleted})
		if err := s.audit(ctx, tx, ev); err != nil {
			return err
		}
		p, err := tx.ServicePrincipal(store.AppKey{AppID: a.AppID}, store.Live, true)
		if err == nil && p.Builtin {
			return fault.Denied(errorspb.Reason_PROTECTED_OBJECT, "The application belongs to the product and cannot be removed.")
		}
		if err == nil {
			p.Deleted = a.Deleted
			tx.Change(store.Change{Type: object.ServicePrincipal, ID: p.ID, Kind: store.Deleted})
			if err := tx.SaveServicePrincipal(p, true); err != nil {
				return err
			}
			err = s.audit(ctx, tx, record("Remove service principal", applicationManagement, "Delete", target(object.ServicePrincipal, p.ID, p.DisplayName)))
		}
		if err != nil && !isNotFound(err) {
			return err
		}
		return tx.SaveApplication(a)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// AddApplicationPassword generates a secret and answers it once.
func (s *Applications) AddApplicationPassword(ctx context.Context, req *pb.AddApplicationPasswordRequest) (*pb.PasswordCredential, error) {
	var out *pb.PasswordCredential
	err := s.change(ctx, req.Id, "Update application – Certificates and secrets management", func(tx *store.Tx, a *application.Application) error {
		c, shown, err := newPasswordCredential(req.PasswordCredential, s.now())
		if err != nil {
			return err
		}
		out = shown
		return tx.InsertCredential(a.ID, c)
	})
	return out, err
}

// RemoveApplicationPassword removes a secret.
func (s *Applications) RemoveApplicationPassword(ctx context.Context, req *pb.RemoveApplicationPasswordRequest) (*emptypb.Empty, error) {
	err := s.change(ctx, req.Id, "Update application – Certificates and secrets management", func(tx *store.Tx, a *application.Application) error {
		return removeCredential(tx, a.ID, req.KeyId)
	})
	return &emptypb.Empty{}, err
}

func removeCredential(tx *store.Tx, owner uuid.UUID, key string) error {
	id, err := uuid.Parse(key)
	if err != nil {
		return property.Refused("keyId", "No password credential found with keyId.")
	}
	ok, err := tx.DeleteCredential(owner, id)
	if err == nil && !ok {
		err = property.Refused("keyId", "No password credential found with keyId.")
	}
	return err
}

// change lets fn change something of an application that the caller may
// write, and records the activity.
func (s *Applications) change(ctx context.Context, id, activity string, fn func(*store.Tx, *application.Application) error) error {
	who, t, err := s.home(ctx)
	if err != nil {
		return err
	}
	ev := record(activity, applicationManagement, "Update", audit.Target{ID: clip(id), Type: object.Application.Title()})
	return s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		a, err := s.actingApplication(tx, who, id)
		if err != nil {
			return err
		}
		if err := fn(tx, a); err != nil {
			return err
		}
		ev.Targets[0] = target(object.Application, a.ID, a.DisplayName)
		tx.Change(store.Change{Type: object.Application, ID: a.ID, Kind: store.Updated, Properties: []string{"passwordCredentials"}})
		return s.audit(ctx, tx, ev)
	})
}

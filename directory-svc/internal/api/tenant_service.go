package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/token"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Tenants serves TenantService: the operator's side of tenants (DIR-16).
type Tenants struct {
	pb.UnimplementedTenantServiceServer
	*Core
}

var _ pb.TenantServiceServer = (*Tenants)(nil)

// deletionDelay is how long a tenant can be restored (DIR-20).
const deletionDelay = 30 * 24 * time.Hour

// repeatable is how long a creation may be repeated under its key (DIR-17).
const repeatable = 24 * time.Hour

// CreateTenant makes a tenant with its initial domain, its administrator and
// the service principal of Graph, in one transaction (DIR-17).
func (s *Tenants) CreateTenant(ctx context.Context, req *pb.CreateTenantRequest) (*pb.CreatedTenant, error) {
	now := s.now()
	t, err := s.newTenant(req, now)
	if err != nil {
		return nil, err
	}
	hash, err := requestHash(req)
	if err != nil {
		return nil, err
	}
	if req.IdempotencyKey != "" {
		if done, err := s.repeated(ctx, req.IdempotencyKey, hash, now); done != nil || err != nil {
			return done, err
		}
	}
	admin, keep, generated, err := s.administrator(req.Administrator, t, now)
	if err != nil {
		return nil, err
	}
	graph := graphPrincipal(newID(), now)
	err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
		if err := tx.InsertTenant(t); err != nil {
			return err
		}
		if req.IdempotencyKey != "" {
			if err := tx.InsertTenantRequest(store.TenantRequest{IdempotencyKey: req.IdempotencyKey, RequestHash: hash, TenantID: t.ID.UUID(), AdministratorID: admin.ID, CreatedAt: now}); err != nil {
				return err
			}
		}
		tx.InsertUser(admin, keep)
		if err := tx.InsertRoleAssignment(store.RoleAssignment{ID: newID(), PrincipalID: admin.ID, PrincipalType: object.User, RoleID: role.GlobalAdministratorID,
			Scope: role.TenantScope, Created: now}, newID()); err != nil {
			return err
		}
		if err := tx.InsertServicePrincipal(graph); err != nil {
			return err
		}
		if t.Type == organization.External {
			if err := s.extensionsApp(ctx, tx, now); err != nil {
				return err
			}
		}
		tx.Change(store.Change{Type: object.User, ID: admin.ID, Kind: store.Created}, store.Change{Type: object.ServicePrincipal, ID: graph.ID, Kind: store.Created})
		for _, ev := range []audit.Event{
			record("Create Company", directoryManagement, "Add", audit.Target{ID: t.ID.String(), DisplayName: t.DisplayName, Type: "Directory"}),
			record("Add user", userManagement, "Add", userTarget(admin)),
			record("Add member to role", roleManagement, "Add", target(object.Role, role.GlobalAdministratorID, role.GlobalAdministrator), userTarget(admin)),
		} {
			if err := s.audit(ctx, tx, ev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return createdTenant(t, admin.ID, admin.UserPrincipalName, generated), nil
}

func createdTenant(t *store.Tenant, admin uuid.UUID, name, generated string) *pb.CreatedTenant {
	out := &pb.CreatedTenant{TenantId: t.ID.String(), InitialDomain: t.InitialDomain, State: pb.Tenant_State(t.State), CreatedDateTime: timestamppb.New(t.Created),
		Administrator: &pb.CreatedTenant_Administrator{Id: admin.String(), UserPrincipalName: name}}
	if generated != "" {
		out.Administrator.TemporaryPassword = &generated
	}
	return out
}

func requestHash(req *pb.CreateTenantRequest) ([]byte, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	sum := sha256.Sum256(raw)
	return sum[:], err
}

// repeated answers a creation that was made before under the same key. The
// generated password was answered once and is not known any more.
func (s *Tenants) repeated(ctx context.Context, key string, hash []byte, now time.Time) (*pb.CreatedTenant, error) {
	row, err := s.Store.FindTenantRequest(ctx, key)
	if row == nil || err != nil || now.Sub(row.CreatedAt) > repeatable {
		return nil, err
	}
	if string(row.RequestHash) != string(hash) {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The idempotency key was used for another request.")
	}
	t, err := s.Store.Tenant(ctx, tenant.ID(row.TenantID))
	if err != nil {
		return nil, err
	}
	admin, err := s.Store.GetUser(ctx, t.ID, store.UserID(row.AdministratorID), nil)
	if err != nil {
		return nil, err
	}
	return createdTenant(t, admin.ID, admin.UserPrincipalName, ""), nil
}

func (s *Tenants) newTenant(req *pb.CreateTenantRequest, now time.Time) (*store.Tenant, error) {
	if err := organization.CheckDisplayName(req.DisplayName); err != nil {
		return nil, err
	}
	if err := organization.CheckPrefix(req.InitialDomainPrefix); err != nil {
		return nil, err
	}
	for name, code := range map[string]*string{"countryLetterCode": &req.CountryLetterCode, "defaultUsageLocation": req.DefaultUsageLocation} {
		if code != nil && !organization.IsCountry(*code) {
			return nil, property.Invalid("Tenant", name)
		}
	}
	if req.TenantType != pb.Tenant_workforce && req.TenantType != pb.Tenant_external {
		return nil, property.Invalid("Tenant", "tenantType")
	}
	if len(req.GetBillingAccountId()) > 64 {
		return nil, property.Invalid("Tenant", "billingAccountId")
	}
	privacy := req.GetPrivacyProfile()
	if privacy.GetContactEmail() != "" && !address.IsMail(privacy.GetContactEmail()) {
		return nil, property.Invalid("Tenant", "privacyProfile")
	}
	if privacy.GetStatementUrl() != "" {
		if err := organization.CheckStatementURL(privacy.GetStatementUrl()); err != nil {
			return nil, err
		}
	}
	if req.PreferredLanguage != nil && !organization.IsLanguage(*req.PreferredLanguage) {
		return nil, property.Invalid("Tenant", "preferredLanguage")
	}
	if slices.ContainsFunc(req.TechnicalNotificationMails, func(m string) bool { return !address.IsMail(m) }) {
		return nil, property.Invalid("Tenant", "technicalNotificationMails")
	}
	id := tenant.New()
	if req.TenantId != nil {
		var err error
		if id, err = tenant.Parse(*req.TenantId); err != nil {
			return nil, property.Invalid("Tenant", "tenantId")
		}
	}
	domain := req.InitialDomainPrefix + "." + s.Suffix
	return &store.Tenant{
		Tenant: organization.Tenant{
			ID: id, DisplayName: req.DisplayName, Type: organization.Type(req.TenantType), State: organization.Active, InitialDomain: domain, Created: now,
			Domains: []organization.Domain{{Name: domain, Verified: true, Default: true, Initial: true, Root: true,
				Services: []string{"Email", "OfficeCommunicationsOnline"}, PasswordValidity: organization.NoExpiry, PasswordNotifyDays: 14, Created: now}},
		},
		Country: req.CountryLetterCode, PreferredLanguage: req.PreferredLanguage, DefaultUsageLocation: req.DefaultUsageLocation,
		BillingAccountID: req.BillingAccountId, PrivacyStatementURL: optional(ptr(privacy.GetStatementUrl())), PrivacyContactEmail: optional(ptr(privacy.GetContactEmail())), TechnicalMails: req.TechnicalNotificationMails,
	}, nil
}

// administrator makes the first user of a tenant, who must change the
// password at the first sign-in.
func (s *Tenants) administrator(in *pb.CreateTenantRequest_Administrator, t *store.Tenant, now time.Time) (*user.User, *store.Password, string, error) {
	secret, generated := in.GetPassword(), ""
	if secret == "" {
		generated = password.Generate()
		secret = generated
	}
	prefix, enabled := in.GetUserNamePrefix(), true
	draft := user.User{DisplayName: in.GetDisplayName(), UserPrincipalName: prefix + "@" + t.InitialDomain, MailNickname: &prefix, HasPassword: true}
	u, err := user.New(draft, &enabled, newID(), &t.Tenant, now)
	if err != nil {
		return nil, nil, "", err
	}
	// The name of a tenant that is being made is no secret worth guarding, and
	// demonstrations use it: only the general rules apply.
	if err := password.Check(secret, password.Context{}); err != nil {
		return nil, nil, "", err
	}
	keep := &store.Password{Scheme: int16(password.Keyed), Verifier: s.Verifiers.Key(secret), MustChange: true}
	return &u, keep, generated, nil
}

// graphPrincipal is the service principal of Graph, which every tenant has
// (WIRE-88).
func graphPrincipal(id uuid.UUID, now time.Time) *application.ServicePrincipal {
	app := uuid.MustParse(token.GraphAppID)
	return &application.ServicePrincipal{ID: id, AppID: app, DisplayName: "Microsoft Graph", Type: "Application", Enabled: true, Builtin: true,
		Names: application.Names(app, []string{"https://graph.microsoft.com"}), Document: []byte("{}"), Created: now}
}

// extensionsAppName is how Graph's tools find the application that holds the
// custom attributes of customers.
const extensionsAppName = "b2c-extensions-app. Do not modify. Used for storing user data."

// extensionsApp makes that application, which cannot be deleted (DIR-194).
func (s *Tenants) extensionsApp(ctx context.Context, tx *store.Tx, now time.Time) error {
	app := &application.Application{ID: newID(), AppID: uuid.New(), DisplayName: extensionsAppName, Document: []byte(`{"signInAudience":"AzureADMyOrg"}`), Created: now}
	principal := &application.ServicePrincipal{ID: newID(), AppID: app.AppID, DisplayName: extensionsAppName, Type: "Application", Enabled: true, Builtin: true,
		Names: application.Names(app.AppID, nil), Document: []byte("{}"), Created: now}
	if err := tx.InsertApplication(app); err != nil {
		return err
	}
	if err := tx.InsertServicePrincipal(principal); err != nil {
		return err
	}
	tx.Change(store.Change{Type: object.Application, ID: app.ID, Kind: store.Created}, store.Change{Type: object.ServicePrincipal, ID: principal.ID, Kind: store.Created})
	return s.audit(ctx, tx, record("Add application", applicationManagement, "Add", target(object.Application, app.ID, app.DisplayName)))
}

// ListTenants lists tenants a page at a time (DIR-18).
func (s *Tenants) ListTenants(ctx context.Context, req *pb.ListTenantsRequest) (*pb.ListTenantsResponse, error) {
	const route = "tenants"
	who := caller.From(ctx)
	page, err := s.Tokens.Page(who, route, req.Query)
	if err != nil {
		return nil, err
	}
	var after tenant.ID
	if page.After != nil {
		if after, err = tenant.Parse(page.After.ID); err != nil {
			return nil, fault.Invalid(errorspb.Reason_INVALID_PAGE_TOKEN, "The specified page token value is not valid.")
		}
	}
	found, err := s.Store.Tenants(ctx, organization.State(req.State), req.Prefix, after, page.Size+1)
	if err != nil {
		return nil, err
	}
	out := &pb.ListTenantsResponse{}
	if len(found) > page.Size {
		found = found[:page.Size]
		out.NextPageToken = s.Tokens.Next(who, route, req.Query, page, odata.Position{ID: found[page.Size-1].ID.String()})
	}
	for _, t := range found {
		if t.UserCount, t.GroupCount, err = s.Store.TenantCounts(ctx, t.ID); err != nil {
			return nil, err
		}
		out.Value = append(out.Value, tenantToProto(t))
	}
	return out, nil
}

func tenantToProto(t *store.Tenant) *pb.Tenant {
	return &pb.Tenant{TenantId: t.ID.String(), DisplayName: &t.DisplayName, TenantType: pb.Tenant_TenantType(t.Type).Enum(), InitialDomain: &t.InitialDomain,
		DefaultDomain: ptr(t.DefaultDomain()), State: pb.Tenant_State(t.State).Enum(), CountryLetterCode: &t.Country, BillingAccountId: t.BillingAccountID,
		CreatedDateTime: timestamppb.New(t.Created), DeletionScheduledDateTime: stamp(t.DeletionScheduled), UserCount: ptr(t.UserCount), GroupCount: ptr(t.GroupCount),
		Limits: limitsToProto(t.Limits)}
}

// limitsToProto shows the limits that are not the default.
func limitsToProto(l quota.Limits) *pb.Tenant_Limits {
	out := &pb.Tenant_Limits{}
	for i, fields := 0, out.ProtoReflect().Descriptor().Fields(); i < fields.Len(); i++ {
		if n, ok := l[quota.Item(fields.Get(i).JSONName())]; ok {
			out.ProtoReflect().Set(fields.Get(i), protoreflect.ValueOfInt32(int32(n)))
		}
	}
	return out
}

// setLimit changes the limit that a path of the mask names.
func setLimit(l quota.Limits, in *pb.Tenant_Limits, path string) (quota.Limits, error) {
	field := in.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(path))
	if field == nil {
		return nil, property.Invalid("Tenant", "limits")
	}
	var n *int32
	if in.ProtoReflect().Has(field) {
		n = ptr(int32(in.ProtoReflect().Get(field).Int()))
	}
	return l.With(quota.Item(field.JSONName()), n)
}

// GetTenant returns one tenant with its counts (DIR-18).
func (s *Tenants) GetTenant(ctx context.Context, req *pb.GetTenantRequest) (*pb.Tenant, error) {
	id, err := tenant.Parse(req.TenantId)
	if err != nil {
		return nil, property.NotFound(clip(req.TenantId))
	}
	return s.tenant(ctx, id)
}

func (s *Tenants) tenant(ctx context.Context, id tenant.ID) (*pb.Tenant, error) {
	shared, err := s.Store.Tenant(ctx, id)
	if err != nil {
		return nil, err
	}
	t := *shared
	if t.UserCount, t.GroupCount, err = s.Store.TenantCounts(ctx, id); err != nil {
		return nil, err
	}
	return tenantToProto(&t), nil
}

// UpdateTenant changes name, state, billing account or limits (DIR-19, DIR-235).
func (s *Tenants) UpdateTenant(ctx context.Context, req *pb.UpdateTenantRequest) (*emptypb.Empty, error) {
	err := s.change(ctx, req.TenantId, "Set Company Information", func(t *store.Tenant) error {
		for _, path := range req.UpdateMask.GetPaths() {
			switch path {
			case "display_name":
				t.DisplayName = req.Tenant.GetDisplayName()
				if err := organization.CheckDisplayName(t.DisplayName); err != nil {
					return err
				}
			case "state":
				to := organization.State(req.Tenant.GetState())
				if err := organization.CheckState(t.State, to); err != nil {
					return err
				}
				t.State = to
			case "billing_account_id":
				t.BillingAccountID = optional(req.Tenant.BillingAccountId)
				if t.BillingAccountID != nil && len(*t.BillingAccountID) > 64 {
					return property.Invalid("Tenant", "billingAccountId")
				}
			case "limits":
				t.Limits = nil // null: all of them are the default again
			default:
				limit, ok := strings.CutPrefix(path, "limits.")
				if !ok {
					return property.ReadOnly(path)
				}
				var err error
				if t.Limits, err = setLimit(t.Limits, req.Tenant.GetLimits(), limit); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// change locks a tenant, lets fn change it and records the activity in it.
func (s *Tenants) change(ctx context.Context, key, activity string, fn func(*store.Tenant) error) error {
	id, err := tenant.Parse(key)
	if err != nil {
		return property.NotFound(clip(key))
	}
	return s.Store.Write(ctx, id, func(tx *store.Tx) error {
		t, err := tx.LockTenant()
		if err != nil {
			return err
		}
		before := tenantToProto(t)
		if err := fn(t); err != nil {
			return err
		}
		if err := tx.SaveTenant(t); err != nil {
			return err
		}
		ev := record(activity, directoryManagement, "Update", audit.Target{ID: id.String(), DisplayName: t.DisplayName, Type: "Directory"})
		ev.Targets[0].Modified = modified(before, tenantToProto(t), []string{"displayName", "state", "billingAccountId", "limits"})
		return s.audit(ctx, tx, ev)
	})
}

// DeleteTenant schedules the deletion of a tenant (DIR-20).
func (s *Tenants) DeleteTenant(ctx context.Context, req *pb.DeleteTenantRequest) (*pb.Tenant, error) {
	err := s.change(ctx, req.TenantId, "Directory scheduled for deletion (UserRequest)", func(t *store.Tenant) error {
		if t.State == organization.Scheduled {
			return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The tenant is scheduled for deletion already.")
		}
		t.Suspended = t.State == organization.Suspended
		t.State, t.DeletionScheduled = organization.Scheduled, ptr(s.now().Add(deletionDelay))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.GetTenant(ctx, &pb.GetTenantRequest{TenantId: req.TenantId})
}

// RestoreTenant takes a scheduled deletion back (DIR-20).
func (s *Tenants) RestoreTenant(ctx context.Context, req *pb.RestoreTenantRequest) (*pb.Tenant, error) {
	err := s.change(ctx, req.TenantId, "Directory restored", func(t *store.Tenant) error {
		if t.State != organization.Scheduled || !s.now().Before(*t.DeletionScheduled) {
			return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The tenant is not scheduled for deletion.")
		}
		if t.State, t.DeletionScheduled = organization.Active, nil; t.Suspended {
			t.State = organization.Suspended
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.GetTenant(ctx, &pb.GetTenantRequest{TenantId: req.TenantId})
}

// VerifyDomain adds a verified domain on the operator's word (DIR-29).
func (s *Tenants) VerifyDomain(ctx context.Context, req *pb.VerifyDomainRequest) (*emptypb.Empty, error) {
	id, err := tenant.Parse(req.TenantId)
	if err != nil {
		return nil, property.NotFound(clip(req.TenantId))
	}
	name := address.Fold(req.Domain)
	if err := organization.CheckDomain(name, s.Suffix); err != nil {
		return nil, err
	}
	if err := s.elsewhere(ctx, id, name); err != nil {
		return nil, err
	}
	err = s.Store.Write(ctx, id, func(tx *store.Tx) error {
		t, err := tx.LockTenant()
		if err != nil {
			return err
		}
		d, held := t.Domain(name)
		if !held {
			if d, err = t.NewDomain(name, s.Suffix); err != nil {
				return err
			}
			d.Created = s.now()
		}
		d.Verified, d.Default = true, d.Default || req.GetMakeDefault()
		if err := tx.SaveDomain(d); err != nil {
			return err
		}
		return s.audit(ctx, tx, record("Verify domain", directoryManagement, "Update", audit.Target{ID: name, DisplayName: name, Type: "Domain"}))
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// CreateAdministratorApplication registers an application that holds every
// application permission of Graph, and answers its secret once.
func (s *Tenants) CreateAdministratorApplication(ctx context.Context, req *pb.CreateAdministratorApplicationRequest) (*pb.AdministratorApplication, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	now, name := s.now(), req.DisplayName
	if name == "" {
		name = "Administrator application"
	}
	app := &application.Application{ID: newID(), AppID: uuid.New(), DisplayName: name, Document: []byte(`{"signInAudience":"AzureADMyOrg"}`), Created: now}
	if err := application.Check(app); err != nil {
		return nil, err
	}
	principal := &application.ServicePrincipal{ID: newID(), AppID: app.AppID, DisplayName: name, Type: "Application", Enabled: true,
		Names: application.Names(app.AppID, nil), Document: []byte("{}"), Created: now}
	secret, verifier, hint := token.NewSecret()
	credential := &application.Credential{KeyID: uuid.New(), Verifier: verifier, Hint: &hint, DisplayName: ptr("administrator"), Start: now, End: now.Add(application.DefaultSecretLife)}
	err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
		graph, err := tx.ServicePrincipal(store.AppKey{AppID: uuid.MustParse(token.GraphAppID)}, store.Live, false)
		if err != nil {
			return fmt.Errorf("find the service principal of Graph: %w", err)
		}
		var grants []store.Assignment
		for _, p := range token.Permissions {
			if p.Application != uuid.Nil {
				grants = append(grants, store.Assignment{ID: newID(), PrincipalID: principal.ID, PrincipalType: object.ServicePrincipal, ResourceID: graph.ID, AppRoleID: p.Application, CreatedAt: now})
			}
		}
		for _, step := range []func() error{
			func() error { return tx.InsertApplication(app) },
			func() error { return tx.InsertServicePrincipal(principal) },
			func() error { return tx.InsertCredential(app.ID, credential) },
			func() error { return tx.InsertAssignments(grants...) },
			func() error {
				return s.audit(ctx, tx, record("Add application", applicationManagement, "Add", target(object.Application, app.ID, name)))
			},
			func() error {
				return s.audit(ctx, tx, record("Add service principal", applicationManagement, "Add", target(object.ServicePrincipal, principal.ID, name)))
			},
		} {
			if err := step(); err != nil {
				return err
			}
		}
		tx.Change(store.Change{Type: object.Application, ID: app.ID, Kind: store.Created}, store.Change{Type: object.ServicePrincipal, ID: principal.ID, Kind: store.Created})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &pb.AdministratorApplication{AppId: app.AppID.String(), ApplicationId: app.ID.String(), ServicePrincipalId: principal.ID.String(), ClientSecret: secret}, nil
}

// PurgeTenant makes the day of a scheduled deletion come now (DIR-20).
func (s *Tenants) PurgeTenant(ctx context.Context, req *pb.PurgeTenantRequest) (*pb.Tenant, error) {
	var out *pb.Tenant
	err := s.change(ctx, req.TenantId, "Directory purge requested", func(t *store.Tenant) error {
		if t.State != organization.Scheduled {
			return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The tenant is not scheduled for deletion.")
		}
		if due := s.now(); due.Before(*t.DeletionScheduled) {
			t.DeletionScheduled = &due
		}
		out = tenantToProto(t)
		return nil
	})
	return out, err
}

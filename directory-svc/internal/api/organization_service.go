package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/extension"
	"entente.dev/directory-svc/internal/organization"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Organizations serves OrganizationService.
type Organizations struct {
	pb.UnimplementedOrganizationServiceServer
	*Core
}

var _ pb.OrganizationServiceServer = (*Organizations)(nil)

func organizationToProto(t *store.Tenant) *pb.Organization {
	out := &pb.Organization{Id: t.ID.String(), DisplayName: &t.DisplayName, TenantType: ptr(t.Type.Graph()), CreatedDateTime: timestamppb.New(t.Created),
		CountryLetterCode: &t.Country, PreferredLanguage: t.PreferredLanguage, DefaultUsageLocation: t.DefaultUsageLocation,
		MarketingNotificationEmails: t.MarketingMails, TechnicalNotificationMails: t.TechnicalMails,
		SecurityComplianceNotificationMails: t.SecurityMails, SecurityComplianceNotificationPhones: t.SecurityPhones}
	if t.PrivacyContactEmail != nil || t.PrivacyStatementURL != nil {
		out.PrivacyProfile = &pb.PrivacyProfile{ContactEmail: t.PrivacyContactEmail, StatementUrl: t.PrivacyStatementURL}
	}
	for _, d := range t.Domains {
		if d.Verified {
			out.VerifiedDomains = append(out.VerifiedDomains, &pb.VerifiedDomain{Name: ptr(d.Name), Type: ptr("Managed"), Capabilities: ptr("Email"), IsDefault: ptr(d.Default), IsInitial: ptr(d.Initial)})
		}
	}
	return out
}

// organization is the caller's own, reduced for guests and customers (DIR-175).
func (s *Organizations) organization(ctx context.Context, q *odatapb.Query) (*pb.Organization, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	names, err := selected(q.GetSelect())
	if err != nil {
		return nil, err
	}
	out := organizationToProto(t)
	switch access.Directory(who, rights(t)) {
	case nil:
		return out, s.withExtensions(ctx, t.ID, extensionsAsked(names), []uuid.UUID{t.ID.UUID()}, func(_ int, values *structpb.Struct) { out.Extensions = values })
	default:
		return &pb.Organization{Id: out.Id, DisplayName: out.DisplayName}, nil
	}
}

// ListOrganizations returns the one organization of the caller (DIR-23).
func (s *Organizations) ListOrganizations(ctx context.Context, req *pb.ListOrganizationsRequest) (*pb.ListOrganizationsResponse, error) {
	o, err := s.organization(ctx, req.Query)
	if err != nil {
		return nil, err
	}
	return &pb.ListOrganizationsResponse{Value: []*pb.Organization{o}}, nil
}

// GetOrganization returns the organization of the caller; any other id is
// unknown (DIR-23).
func (s *Organizations) GetOrganization(ctx context.Context, req *pb.GetOrganizationRequest) (*pb.Organization, error) {
	if id, err := tenant.Parse(req.Id); err != nil || id != caller.From(ctx).Tenant {
		return nil, property.NotFound(clip(req.Id))
	}
	return s.organization(ctx, req.Query)
}

// UpdateOrganization changes notifications, the privacy profile (DIR-24) and
// values of extensions (DIR-191).
func (s *Organizations) UpdateOrganization(ctx context.Context, req *pb.UpdateOrganizationRequest) (*emptypb.Empty, error) {
	who, _, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if id, err := tenant.Parse(req.Id); err != nil || id != who.Tenant {
		return nil, property.NotFound(clip(req.Id))
	}
	in := req.Organization
	if in == nil {
		in = &pb.Organization{}
	}
	if len(req.UpdateMask.GetPaths()) == 0 {
		return &emptypb.Empty{}, nil // DIR-4
	}
	ev := record("Set Company Information", directoryManagement, "Update", audit.Target{ID: req.Id, Type: "Directory"})
	err = s.write(ctx, who.Tenant, ev, func(tx *store.Tx) error {
		t, err := tx.LockTenant()
		if err != nil {
			return err
		}
		before, own := organizationToProto(t), declared(req.UpdateMask.GetPaths())
		if err := applyOrganization(t, in, own, before); err != nil {
			return err
		}
		if err := tx.SaveTenant(t); err != nil {
			return err
		}
		held, err := s.extendTarget(tx, extension.Organization, t.ID.UUID(), in.Extensions, req.UpdateMask.GetPaths())
		if err != nil {
			return err
		}
		ev.Targets[0].DisplayName = t.DisplayName
		fields := before.ProtoReflect().Descriptor().Fields()
		ev.Targets[0].Modified = append(modified(before, organizationToProto(t), propertyNames(fields, own)), held...)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func applyOrganization(t *store.Tenant, in *pb.Organization, paths []string, now *pb.Organization) error {
	for _, path := range paths {
		switch path {
		case "marketing_notification_emails":
			t.MarketingMails = in.MarketingNotificationEmails
		case "technical_notification_mails":
			t.TechnicalMails = in.TechnicalNotificationMails
		case "security_compliance_notification_mails":
			t.SecurityMails = in.SecurityComplianceNotificationMails
		case "security_compliance_notification_phones":
			t.SecurityPhones = in.SecurityComplianceNotificationPhones
		case "preferred_language":
			t.PreferredLanguage = optional(in.PreferredLanguage)
			if t.PreferredLanguage != nil && !organization.IsLanguage(*t.PreferredLanguage) {
				return property.Invalid("Organization", "preferredLanguage")
			}
		case "default_usage_location":
			t.DefaultUsageLocation = optional(in.DefaultUsageLocation)
			if t.DefaultUsageLocation != nil && !organization.IsCountry(*t.DefaultUsageLocation) {
				return property.Invalid("Organization", "defaultUsageLocation")
			}
		case "privacy_profile":
			t.PrivacyContactEmail, t.PrivacyStatementURL = contactEmail(in), statement(in)
		case "privacy_profile.contact_email":
			t.PrivacyContactEmail = contactEmail(in)
		case "privacy_profile.statement_url":
			t.PrivacyStatementURL = statement(in)
		default:
			if err := sameOrReadOnly(now, in, path); err != nil {
				return err
			}
		}
	}
	if t.PrivacyStatementURL != nil {
		if err := organization.CheckStatementURL(*t.PrivacyStatementURL); err != nil {
			return err
		}
	}
	if t.PrivacyContactEmail != nil && !address.IsMail(*t.PrivacyContactEmail) {
		return property.Invalid("Organization", "privacyProfile")
	}
	for _, list := range [][]string{t.MarketingMails, t.TechnicalMails, t.SecurityMails} {
		for _, mail := range list {
			if !address.IsMail(mail) {
				return property.Refused("technicalNotificationMails", "A notification address is not valid.")
			}
		}
	}
	return nil
}

func contactEmail(in *pb.Organization) *string {
	if in.PrivacyProfile == nil {
		return nil
	}
	return optional(in.PrivacyProfile.ContactEmail)
}

func statement(in *pb.Organization) *string {
	if in.PrivacyProfile == nil {
		return nil
	}
	return optional(in.PrivacyProfile.StatementUrl)
}

func domainToProto(d organization.Domain) *pb.Domain {
	return &pb.Domain{Id: d.Name, AuthenticationType: ptr("Managed"), IsAdminManaged: ptr(true), IsDefault: ptr(d.Default), IsInitial: ptr(d.Initial), IsRoot: ptr(d.Root),
		IsVerified: ptr(d.Verified), SupportedServices: d.Services, PasswordValidityPeriodInDays: ptr(d.PasswordValidity), PasswordNotificationWindowInDays: ptr(d.PasswordNotifyDays)}
}

// domains are those of the caller's tenant, unless a customer asks (DIR-175).
func (s *Organizations) domains(ctx context.Context) (*store.Tenant, error) {
	who, t, err := s.home(ctx)
	if err == nil && who.Kind == caller.User && t.Type == organization.External {
		err = access.Directory(who, rights(t))
	}
	return t, err
}

// ListDomains returns all domains at once (DIR-26, DIR-207).
func (s *Organizations) ListDomains(ctx context.Context, req *pb.ListDomainsRequest) (*pb.ListDomainsResponse, error) {
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	t, err := s.domains(ctx)
	if err != nil {
		return nil, err
	}
	out := &pb.ListDomainsResponse{}
	for _, d := range t.Domains {
		out.Value = append(out.Value, domainToProto(d))
	}
	return out, nil
}

// GetDomain returns one domain by its name (DIR-26).
func (s *Organizations) GetDomain(ctx context.Context, req *pb.GetDomainRequest) (*pb.Domain, error) {
	t, err := s.domains(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range t.Domains {
		if d.Name == address.Fold(req.Id) {
			return domainToProto(d), nil
		}
	}
	return nil, property.NotFound(clip(req.Id))
}

// FindTenantInformationByTenantId finds a tenant of the installation (DIR-33).
func (s *Organizations) FindTenantInformationByTenantId(ctx context.Context, req *pb.FindTenantInformationByTenantIdRequest) (*pb.TenantInformation, error) {
	id, err := tenant.Parse(req.TenantId)
	if err != nil {
		return nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The tenant id '%s' is not a GUID.", clip(req.TenantId))
	}
	t, err := s.Store.Tenant(ctx, id)
	return tenantInformation(t, err, req.TenantId)
}

// FindTenantInformationByDomainName finds the tenant that verified a domain
// (DIR-33).
func (s *Organizations) FindTenantInformationByDomainName(ctx context.Context, req *pb.FindTenantInformationByDomainNameRequest) (*pb.TenantInformation, error) {
	t, err := s.Store.TenantByDomain(ctx, req.DomainName)
	return tenantInformation(t, err, req.DomainName)
}

func tenantInformation(t *store.Tenant, err error, key string) (*pb.TenantInformation, error) {
	if err != nil {
		return nil, err
	}
	if t.State != organization.Active {
		return nil, property.NotFound(clip(key))
	}
	return &pb.TenantInformation{TenantId: ptr(t.ID.String()), DisplayName: &t.DisplayName, DefaultDomainName: ptr(t.DefaultDomain())}, nil
}

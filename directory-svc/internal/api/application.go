package api

import (
	"crypto/x509"
	"fmt"
	"time"

	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/token"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Properties of applications that have columns or tables of their own; the
// rest is the document.
var applicationColumns = []string{"id", "deleted_date_time", "app_id", "created_date_time", "display_name", "unique_name", "identifier_uris",
	"application_template_id", "password_credentials", "key_credentials", "owners_bind", "publisher_domain", "extensions"}

// Properties of service principals that have columns, or that the application
// decides (WIRE-82).
var servicePrincipalColumns = []string{"id", "deleted_date_time", "account_enabled", "app_id", "app_display_name", "app_description", "app_owner_organization_id",
	"app_role_assignment_required", "application_template_id", "display_name", "service_principal_names", "service_principal_type", "tags", "sign_in_audience",
	"password_credentials", "key_credentials", "owners_bind", "oauth2_permission_scopes", "app_roles", "reply_urls", "info", "verified_publisher"}

var unmarshalDocument = protojson.UnmarshalOptions{DiscardUnknown: true}

// documentOf is the part of a resource without the listed fields, as JSON.
func documentOf(m proto.Message, columns []string) ([]byte, error) {
	rest := proto.Clone(m)
	clearFields(rest, columns...)
	return protojson.Marshal(rest)
}

func applicationToProto(a *application.Application, credentials []application.Credential) (*pb.Application, error) {
	out := &pb.Application{}
	if err := unmarshalDocument.Unmarshal(a.Document, out); err != nil {
		return nil, fmt.Errorf("document of application %s: %w", a.ID, err)
	}
	out.Id, out.AppId, out.DisplayName, out.UniqueName = a.ID.String(), ptr(a.AppID.String()), &a.DisplayName, a.UniqueName
	out.IdentifierUris, out.ApplicationTemplateId = a.IdentifierURIs, a.TemplateID
	out.CreatedDateTime, out.DeletedDateTime = timestamppb.New(a.Created), stamp(a.Deleted)
	if out.SignInAudience == nil {
		out.SignInAudience = ptr("AzureADMyOrg")
	}
	if out.Oauth2RequirePostResponse == nil {
		out.Oauth2RequirePostResponse = ptr(false)
	}
	// Graph answers these objects even when nothing in them was set.
	if out.Api == nil {
		out.Api = &pb.ApiApplication{}
	}
	if out.Info == nil {
		out.Info = &pb.InformationalUrl{}
	}
	if out.PublicClient == nil {
		out.PublicClient = &pb.PublicClientApplication{}
	}
	if out.Spa == nil {
		out.Spa = &pb.SpaApplication{}
	}
	if out.Web == nil {
		out.Web = &pb.WebApplication{}
	}
	if out.Web.ImplicitGrantSettings == nil {
		out.Web.ImplicitGrantSettings = &pb.ImplicitGrantSettings{EnableAccessTokenIssuance: ptr(false), EnableIdTokenIssuance: ptr(false)}
	}
	out.PasswordCredentials, out.KeyCredentials = credentialsToProto(credentials)
	return out, nil
}

func credentialsToProto(list []application.Credential) (passwords []*pb.PasswordCredential, keys []*pb.KeyCredential) {
	for _, c := range list {
		if c.Certificate == nil {
			passwords = append(passwords, &pb.PasswordCredential{CustomKeyIdentifier: c.CustomKeyIdentifier, DisplayName: c.DisplayName, Hint: c.Hint,
				KeyId: ptr(c.KeyID.String()), StartDateTime: timestamppb.New(c.Start), EndDateTime: timestamppb.New(c.End)})
			continue
		}
		keys = append(keys, &pb.KeyCredential{CustomKeyIdentifier: c.CustomKeyIdentifier, DisplayName: c.DisplayName, KeyId: ptr(c.KeyID.String()), Type: c.KeyType,
			Usage: c.KeyUsage, StartDateTime: timestamppb.New(c.Start), EndDateTime: timestamppb.New(c.End)})
	}
	return passwords, keys
}

// servicePrincipalToProto converts a service principal together with the
// application it mirrors, which is nil for built-in ones.
func servicePrincipalToProto(p *application.ServicePrincipal, app *application.Application, credentials []application.Credential, t *store.Tenant) (*pb.ServicePrincipal, error) {
	out := &pb.ServicePrincipal{}
	if err := unmarshalDocument.Unmarshal(p.Document, out); err != nil {
		return nil, fmt.Errorf("document of service principal %s: %w", p.ID, err)
	}
	out.Id, out.AppId, out.DisplayName, out.AccountEnabled = p.ID.String(), ptr(p.AppID.String()), &p.DisplayName, &p.Enabled
	out.AppRoleAssignmentRequired, out.ServicePrincipalNames, out.ServicePrincipalType = &p.AssignmentRequired, p.Names, &p.Type
	out.Tags, out.ApplicationTemplateId, out.DeletedDateTime = p.Tags, p.TemplateID, stamp(p.Deleted)
	out.AppDisplayName, out.AppOwnerOrganizationId, out.SignInAudience = &p.DisplayName, ptr(t.ID.String()), ptr("AzureADMyOrg")
	out.PasswordCredentials, out.KeyCredentials = credentialsToProto(credentials)
	if out.Info == nil {
		out.Info = &pb.InformationalUrl{}
	}
	switch {
	case p.AppID.String() == token.GraphAppID:
		graphRoles(out)
	case app != nil:
		source, err := applicationToProto(app, nil)
		if err != nil {
			return nil, err
		}
		out.AppDisplayName, out.AppDescription, out.AppRoles, out.SignInAudience = source.DisplayName, source.Description, source.AppRoles, source.SignInAudience
		out.Oauth2PermissionScopes, out.Info, out.VerifiedPublisher = source.Api.Oauth2PermissionScopes, source.Info, source.VerifiedPublisher
		out.ReplyUrls = append(append(append(out.ReplyUrls, source.Web.RedirectUris...), source.Spa.RedirectUris...), source.PublicClient.RedirectUris...)
		if out.Homepage == nil {
			out.Homepage = source.Web.HomePageUrl
		}
		if out.LogoutUrl == nil {
			out.LogoutUrl = source.Web.LogoutUrl
		}
	}
	return out, nil
}

// graphRoles gives the service principal of Graph its published permissions
// (WIRE-88).
func graphRoles(out *pb.ServicePrincipal) {
	out.AppOwnerOrganizationId = ptr("f8cdef31-a31e-4b4a-93e4-5f571e91255a") // where Graph is registered
	out.SignInAudience = ptr("AzureADMultipleOrgs")
	for _, p := range token.Permissions {
		if p.Application != uuid.Nil {
			out.AppRoles = append(out.AppRoles, &pb.AppRole{Id: p.Application.String(), AllowedMemberTypes: []string{"Application"}, Value: ptr(p.Value),
				DisplayName: ptr(p.Value), Description: ptr("Allows the application " + p.Value + " without a signed-in user."), IsEnabled: ptr(true), Origin: ptr("Application")})
		}
		if p.Delegated != uuid.Nil {
			out.Oauth2PermissionScopes = append(out.Oauth2PermissionScopes, &pb.PermissionScope{Id: p.Delegated.String(), Value: ptr(p.Value), Type: ptr("Admin"), IsEnabled: ptr(true),
				AdminConsentDisplayName: ptr(p.Value), AdminConsentDescription: ptr("Allows the application " + p.Value + " on behalf of the signed-in user.")})
		}
	}
}

// applicationFromProto brings the changed message back into the domain.
func applicationFromProto(a application.Application, in *pb.Application) (application.Application, error) {
	a.DisplayName, a.UniqueName, a.IdentifierURIs = in.GetDisplayName(), optional(in.UniqueName), in.IdentifierUris
	var err error
	if a.Document, err = documentOf(in, applicationColumns); err != nil {
		return a, err
	}
	return a, application.Check(&a)
}

// entries counts what the collections of an application hold (DIR-235).
func entries(in *pb.Application) int {
	return len(in.AppRoles) + len(in.RequiredResourceAccess) + len(in.GetApi().GetOauth2PermissionScopes()) + len(in.IdentifierUris)
}

func servicePrincipalFromProto(p application.ServicePrincipal, in *pb.ServicePrincipal) (application.ServicePrincipal, error) {
	p.DisplayName, p.Tags = in.GetDisplayName(), in.Tags
	if in.AccountEnabled != nil {
		p.Enabled = *in.AccountEnabled
	}
	p.AssignmentRequired = in.GetAppRoleAssignmentRequired()
	if in.ServicePrincipalType != nil {
		p.Type = *in.ServicePrincipalType
	}
	var err error
	if p.Document, err = documentOf(in, servicePrincipalColumns); err != nil {
		return p, err
	}
	if p.DisplayName == "" || property.TooLong(p.DisplayName, 256) {
		return p, property.Invalid("ServicePrincipal", "displayName")
	}
	return p, nil
}

// rolesOf are the app roles and scopes whose life the rules guard.
func rolesOf(roles []*pb.AppRole, scopes []*pb.PermissionScope) ([]application.Role, error) {
	out := make([]application.Role, 0, len(roles)+len(scopes))
	for _, r := range roles {
		id, err := uuid.Parse(r.Id)
		if err != nil {
			return nil, property.Invalid("AppRole", "id")
		}
		out = append(out, application.Role{ID: id, Value: r.GetValue(), Enabled: r.GetIsEnabled(), Members: r.AllowedMemberTypes})
	}
	for _, r := range scopes {
		id, err := uuid.Parse(r.Id)
		if err != nil {
			return nil, property.Invalid("PermissionScope", "id")
		}
		out = append(out, application.Role{ID: id, Value: r.GetValue(), Enabled: r.GetIsEnabled()})
	}
	return out, nil
}

// newPasswordCredential makes a secret; the message carries it, once.
func newPasswordCredential(in *pb.PasswordCredential, now time.Time) (*application.Credential, *pb.PasswordCredential, error) {
	secret, verifier, hint := token.NewSecret()
	c := &application.Credential{KeyID: uuid.New(), Verifier: verifier, Hint: &hint, CustomKeyIdentifier: in.GetCustomKeyIdentifier(), Start: now}
	if in != nil {
		c.DisplayName = optional(in.DisplayName)
	}
	if in.GetStartDateTime() != nil {
		c.Start = *momentOf(in.StartDateTime)
	}
	c.End = c.Start.Add(application.DefaultSecretLife)
	if in.GetEndDateTime() != nil {
		c.End = *momentOf(in.EndDateTime)
	}
	if err := application.CheckCredential(c); err != nil {
		return nil, nil, err
	}
	passwords, _ := credentialsToProto([]application.Credential{*c})
	passwords[0].SecretText = &secret
	return c, passwords[0], nil
}

// newKeyCredential reads a certificate.
func newKeyCredential(in *pb.KeyCredential, now time.Time) (*application.Credential, error) {
	certificate, err := x509.ParseCertificate(in.Key)
	if err != nil {
		return nil, property.Refused("keyCredentials", "Key credential is invalid: a certificate in DER is expected.")
	}
	c := &application.Credential{KeyID: uuid.New(), Certificate: in.Key, KeyType: optional(in.Type), KeyUsage: optional(in.Usage), DisplayName: optional(in.DisplayName),
		CustomKeyIdentifier: in.CustomKeyIdentifier, Start: now, End: certificate.NotAfter.UTC()}
	if id, err := uuid.Parse(in.GetKeyId()); err == nil {
		c.KeyID = id
	}
	if in.StartDateTime != nil {
		c.Start = *momentOf(in.StartDateTime)
	} else if certificate.NotBefore.Before(now) {
		c.Start = certificate.NotBefore.UTC()
	}
	if in.EndDateTime != nil {
		c.End = *momentOf(in.EndDateTime)
	}
	if c.DisplayName == nil {
		c.DisplayName = ptr("CN=" + certificate.Subject.CommonName)
	}
	return c, application.CheckCredential(c)
}

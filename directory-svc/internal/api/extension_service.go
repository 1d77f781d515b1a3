package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/extension"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Extensions serves ExtensionService: directory extensions and federated
// credentials of applications (DIR-190 to DIR-194).
type Extensions struct {
	pb.UnimplementedExtensionServiceServer
	*Core
	Applications *Applications
}

var _ pb.ExtensionServiceServer = (*Extensions)(nil)

func extensionToProto(d extension.Definition) *pb.ExtensionProperty {
	return &pb.ExtensionProperty{Id: d.ID.String(), Name: &d.Name, DataType: &d.DataType, TargetObjects: d.Targets, IsMultiValued: &d.MultiValued,
		AppDisplayName: &d.AppName, IsSyncedFromOnPremises: ptr(false)}
}

// CreateExtensionProperty defines an extension.
func (s *Extensions) CreateExtensionProperty(ctx context.Context, req *pb.CreateExtensionPropertyRequest) (*pb.ExtensionProperty, error) {
	in := req.ExtensionProperty
	var made extension.Definition
	err := s.Applications.change(ctx, req.Id, "Update application", func(tx *store.Tx, a *application.Application) error {
		var err error
		made, err = extension.New(extension.Definition{ApplicationID: a.ID, AppName: a.DisplayName, Name: in.GetName(), DataType: in.GetDataType(),
			Targets: in.GetTargetObjects(), MultiValued: in.GetIsMultiValued()}, a.AppID, newID(), s.now())
		if err != nil {
			return err
		}
		tx.InsertExtension(made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return extensionToProto(made), nil
}

// ListExtensionProperties lists the extensions of an application.
func (s *Extensions) ListExtensionProperties(ctx context.Context, req *pb.ListExtensionPropertiesRequest) (*pb.ListExtensionPropertiesResponse, error) {
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	out := &pb.ListExtensionPropertiesResponse{}
	return out, s.read(ctx, req.Id, func(tx *store.Tx, application uuid.UUID) error {
		found, err := tx.Extensions(application, uuid.Nil)
		out.Value = nil
		for _, d := range found {
			out.Value = append(out.Value, extensionToProto(d))
		}
		return err
	})
}

// read finds an application and reads what belongs to it.
func (s *Extensions) read(ctx context.Context, id string, fn func(tx *store.Tx, application uuid.UUID) error) error {
	a, err := s.Applications.GetApplication(ctx, &pb.GetApplicationRequest{Id: id})
	if err != nil {
		return err
	}
	_, t, err := s.home(ctx)
	if err != nil {
		return err
	}
	return s.Store.Read(ctx, t.ID, func(tx *store.Tx) error { return fn(tx, uuid.MustParse(a.Id)) })
}

// GetExtensionProperty returns one extension.
func (s *Extensions) GetExtensionProperty(ctx context.Context, req *pb.GetExtensionPropertyRequest) (*pb.ExtensionProperty, error) {
	id, err := objectID(req.PropertyId)
	if err != nil {
		return nil, err
	}
	var out *pb.ExtensionProperty
	err = s.read(ctx, req.Id, func(tx *store.Tx, application uuid.UUID) error {
		d, err := tx.Extension(application, id)
		out = extensionToProto(d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteExtensionProperty deletes a definition. The feed names it, so that
// rules that ask for it are evaluated anew (DIR-141, DIR-192).
func (s *Extensions) DeleteExtensionProperty(ctx context.Context, req *pb.DeleteExtensionPropertyRequest) (*emptypb.Empty, error) {
	id, err := objectID(req.PropertyId)
	if err != nil {
		return nil, err
	}
	err = s.Applications.change(ctx, req.Id, "Update application", func(tx *store.Tx, a *application.Application) error {
		d, err := tx.Extension(a.ID, id)
		if err != nil {
			return err
		}
		tx.DeleteExtension(id)
		tx.Change(store.Change{Type: object.Application, ID: a.ID, Kind: store.Updated, Properties: []string{d.Name}})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ListAvailableExtensionProperties lists every extension of the tenant; none
// is ever synchronized from on-premises.
func (s *Extensions) ListAvailableExtensionProperties(ctx context.Context, req *pb.ListAvailableExtensionPropertiesRequest) (*pb.ListExtensionPropertiesResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	out := &pb.ListExtensionPropertiesResponse{}
	if req.GetIsSyncedFromOnPremises() {
		return out, nil
	}
	return out, s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, err := tx.Extensions(uuid.Nil, uuid.Nil)
		out.Value = nil
		for _, d := range found {
			out.Value = append(out.Value, extensionToProto(d))
		}
		return err
	})
}

const mostFederated = 20

func federatedToProto(c store.FederatedCredential) *pb.FederatedIdentityCredential {
	return &pb.FederatedIdentityCredential{Id: c.ID.String(), Name: &c.Name, Issuer: &c.Issuer, Subject: &c.Subject, Audiences: c.Audiences, Description: c.Description}
}

func checkFederated(c store.FederatedCredential) error {
	const resource = "FederatedIdentityCredential"
	for _, p := range []struct {
		name, value string
		most        int
	}{{"name", c.Name, 120}, {"issuer", c.Issuer, 600}, {"subject", c.Subject, 600}} {
		if p.value == "" {
			return property.Required(resource, p.name)
		}
		if property.TooLong(p.value, p.most) || property.Padded(p.value) {
			return property.Invalid(resource, p.name)
		}
	}
	if len(c.Audiences) != 1 || c.Audiences[0] == "" || property.TooLong(c.Audiences[0], 600) {
		return property.Invalid(resource, "audiences")
	}
	if c.Description != nil && property.TooLong(*c.Description, 600) {
		return property.Invalid(resource, "description")
	}
	return nil
}

// CreateFederatedIdentityCredential adds a federated credential.
func (s *Extensions) CreateFederatedIdentityCredential(ctx context.Context, req *pb.CreateFederatedIdentityCredentialRequest) (*pb.FederatedIdentityCredential, error) {
	in := req.FederatedIdentityCredential
	c := store.FederatedCredential{ID: newID(), Name: in.GetName(), Issuer: in.GetIssuer(), Subject: in.GetSubject(), Audiences: in.GetAudiences(),
		Description: optional(in.Description), Created: s.now()}
	if err := checkFederated(c); err != nil {
		return nil, err
	}
	err := s.Applications.change(ctx, req.Id, "Update application", func(tx *store.Tx, a *application.Application) error {
		held, err := tx.FederatedCredentials(a.ID)
		if err != nil {
			return err
		}
		if len(held) >= mostFederated {
			return fault.Exhausted(errorspb.Reason_QUOTA_EXCEEDED, "An application has at most %d federated identity credentials.", mostFederated)
		}
		c.ApplicationID = a.ID
		tx.InsertFederatedCredential(c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return federatedToProto(c), nil
}

// ListFederatedIdentityCredentials lists the federated credentials of an
// application.
func (s *Extensions) ListFederatedIdentityCredentials(ctx context.Context, req *pb.ListFederatedIdentityCredentialsRequest) (*pb.ListFederatedIdentityCredentialsResponse, error) {
	want, err := only(req.Query, "FederatedIdentityCredential", "id", "name", "issuer", "subject")
	if err != nil {
		return nil, err
	}
	out := &pb.ListFederatedIdentityCredentialsResponse{}
	return out, s.read(ctx, req.Id, func(tx *store.Tx, application uuid.UUID) error {
		found, err := tx.FederatedCredentials(application)
		out.Value = nil
		for _, c := range found {
			if matches(want, "id", c.ID.String()) && matches(want, "name", c.Name) && matches(want, "issuer", c.Issuer) && matches(want, "subject", c.Subject) {
				out.Value = append(out.Value, federatedToProto(c))
			}
		}
		return err
	})
}

// federated finds a credential of an application by id or name.
func federated(tx *store.Tx, application uuid.UUID, key string) (store.FederatedCredential, error) {
	held, err := tx.FederatedCredentials(application)
	if err != nil {
		return store.FederatedCredential{}, err
	}
	for _, c := range held {
		if c.ID.String() == key || c.Name == key {
			return c, nil
		}
	}
	return store.FederatedCredential{}, property.NotFound(clip(key))
}

// GetFederatedIdentityCredential returns one federated credential.
func (s *Extensions) GetFederatedIdentityCredential(ctx context.Context, req *pb.GetFederatedIdentityCredentialRequest) (*pb.FederatedIdentityCredential, error) {
	var out *pb.FederatedIdentityCredential
	err := s.read(ctx, req.Id, func(tx *store.Tx, application uuid.UUID) error {
		c, err := federated(tx, application, req.CredentialId)
		out = federatedToProto(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateFederatedIdentityCredential changes a federated credential.
func (s *Extensions) UpdateFederatedIdentityCredential(ctx context.Context, req *pb.UpdateFederatedIdentityCredentialRequest) (*emptypb.Empty, error) {
	in := req.FederatedIdentityCredential
	err := s.Applications.change(ctx, req.Id, "Update application", func(tx *store.Tx, a *application.Application) error {
		c, err := federated(tx, a.ID, req.CredentialId)
		if err != nil {
			return err
		}
		for _, path := range req.UpdateMask.GetPaths() {
			switch path {
			case "issuer":
				c.Issuer = in.GetIssuer()
			case "subject":
				c.Subject = in.GetSubject()
			case "audiences":
				c.Audiences = in.GetAudiences()
			case "description":
				c.Description = optional(in.Description)
			case "name":
				if in.GetName() != c.Name {
					return property.Refused("name", "Property 'name' is set at creation and cannot be changed.")
				}
			default:
				if err := sameOrReadOnly(federatedToProto(c), in, path); err != nil {
					return err
				}
			}
		}
		if err := checkFederated(c); err != nil {
			return err
		}
		tx.SaveFederatedCredential(c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// DeleteFederatedIdentityCredential removes a federated credential.
func (s *Extensions) DeleteFederatedIdentityCredential(ctx context.Context, req *pb.DeleteFederatedIdentityCredentialRequest) (*emptypb.Empty, error) {
	err := s.Applications.change(ctx, req.Id, "Update application", func(tx *store.Tx, a *application.Application) error {
		c, err := federated(tx, a.ID, req.CredentialId)
		if err != nil {
			return err
		}
		tx.DeleteFederatedCredential(c.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

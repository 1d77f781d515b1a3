package api

import (
	"context"
	"strings"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/mapping"
)

func applicationTemplate() *syncpb.ApplicationTemplate {
	return &syncpb.ApplicationTemplate{Id: mapping.ApplicationTemplateID, DisplayName: proto.String("Azure AD Cross-Tenant Synchronization"),
		Publisher: proto.String("Entente"), Categories: []string{"directoryServices"},
		Description:                proto.String("Keeps users of this tenant in step with their external accounts in another tenant."),
		SupportedProvisioningTypes: []string{"sync"}}
}

// ListApplicationTemplates lists the one template.
func (s *Synchronization) ListApplicationTemplates(_ context.Context, req *syncpb.ListApplicationTemplatesRequest) (*syncpb.ListApplicationTemplatesResponse, error) {
	t := applicationTemplate()
	expr, err := odata.ParseFilter(req.GetQuery().GetFilter())
	if err != nil {
		return nil, err
	}
	matches, err := templateMatches(t, expr)
	if err != nil {
		return nil, err
	}
	response := &syncpb.ListApplicationTemplatesResponse{}
	if matches {
		response.Value = append(response.Value, t)
	}
	if req.GetQuery().GetCount() {
		response.OdataCount = proto.Int32(int32(len(response.Value)))
	}
	return response, nil
}

// templateMatches applies a filter on id and displayName.
func templateMatches(t *syncpb.ApplicationTemplate, e odata.Expr) (bool, error) {
	unsupported := fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "Unsupported or invalid query filter clause specified for property of resource 'ApplicationTemplate'.")
	switch e := e.(type) {
	case nil:
		return true, nil
	case odata.And:
		x, err := templateMatches(t, e.X)
		if err != nil || !x {
			return false, err
		}
		return templateMatches(t, e.Y)
	case odata.Compare:
		if e.Op != odata.Eq {
			return false, unsupported
		}
		switch strings.ToLower(e.Path.String()) {
		case "id":
			return strings.EqualFold(e.Value.Text, t.GetId()), nil
		case "displayname":
			return strings.EqualFold(e.Value.Text, t.GetDisplayName()), nil
		}
	}
	return false, unsupported
}

// GetApplicationTemplate returns the one template.
func (s *Synchronization) GetApplicationTemplate(_ context.Context, req *syncpb.GetApplicationTemplateRequest) (*syncpb.ApplicationTemplate, error) {
	if !strings.EqualFold(req.GetId(), mapping.ApplicationTemplateID) {
		return nil, notFound(req.GetId())
	}
	return applicationTemplate(), nil
}

// InstantiateApplicationTemplate makes a configuration (SYN-13).
func (s *Synchronization) InstantiateApplicationTemplate(ctx context.Context, req *syncpb.InstantiateApplicationTemplateRequest) (*syncpb.ApplicationServicePrincipal, error) {
	if !strings.EqualFold(req.GetId(), mapping.ApplicationTemplateID) {
		return nil, notFound(req.GetId())
	}
	name := strings.TrimSpace(req.GetDisplayName())
	if n := len([]rune(name)); n < 1 || n > 120 {
		return nil, invalid("The value of 'displayName' must have 1 to 120 characters.")
	}
	response, err := s.apps.CreateSynchronizationApplication(ctx, &directorypb.CreateSynchronizationApplicationRequest{
		TenantId: caller.From(ctx).Tenant.String(), DisplayName: name, TemplateId: mapping.ApplicationTemplateID})
	if err != nil {
		return nil, err
	}
	return &syncpb.ApplicationServicePrincipal{Application: response.GetApplication(), ServicePrincipal: response.GetServicePrincipal()}, nil
}

// ListTemplates lists the synchronization template of a configuration; other
// service principals have none (SYN-14).
func (s *Synchronization) ListTemplates(ctx context.Context, req *syncpb.ListTemplatesRequest) (*syncpb.ListTemplatesResponse, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	response := &syncpb.ListTemplatesResponse{}
	if conf.synchronizes() {
		response.Value = append(response.Value, template(conf))
	}
	return response, nil
}

// GetTemplate returns the synchronization template of a configuration.
func (s *Synchronization) GetTemplate(ctx context.Context, req *syncpb.GetTemplateRequest) (*syncpb.SynchronizationTemplate, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	if !conf.synchronizes() || req.GetTemplateId() != mapping.TemplateID {
		return nil, notFound(req.GetTemplateId())
	}
	return template(conf), nil
}

func template(conf configuration) *syncpb.SynchronizationTemplate {
	return &syncpb.SynchronizationTemplate{Id: mapping.TemplateID, ApplicationId: proto.String(conf.application.String()), Default: proto.Bool(true),
		Description: proto.String("Synchronizes users to another tenant."), Discoverable: proto.Bool(true), FactoryTag: proto.String(mapping.TemplateID)}
}

// GetTemplateSchema returns the schema every job begins with.
func (s *Synchronization) GetTemplateSchema(ctx context.Context, req *syncpb.GetTemplateSchemaRequest) (*syncpb.SynchronizationSchema, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	if !conf.synchronizes() || req.GetTemplateId() != mapping.TemplateID {
		return nil, notFound(req.GetTemplateId())
	}
	// The ids are those of the template, the same for everybody.
	return schemaToProto(mapping.Template(mapping.TemplateID, "4b3d4ab5-4b55-4a3b-8c1b-7c3f3ee1a5f1", "8ffa6169-f354-4751-9b77-9c00765be92d", "d2a1b9b4-3b1e-4f0a-9a52-0f1a6d3f2c77")), nil
}

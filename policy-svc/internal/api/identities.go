package api

import (
	"context"

	"entente.dev/policy-svc/internal/guestsettings"
	"entente.dev/policy-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/caller"
	"google.golang.org/protobuf/proto"
)

const identitiesPolicyID = "externalIdentitiesPolicy"

var (
	identitiesName        = "External Identities Policy"
	identitiesDescription = "Used to manage what external identities may do about themselves in the company."
)

// GetExternalIdentitiesPolicy answers what external identities may do about
// themselves (POL-78).
func (s *Collaboration) GetExternalIdentitiesPolicy(ctx context.Context, req *policypb.GetExternalIdentitiesPolicyRequest) (*policypb.ExternalIdentitiesPolicy, error) {
	if err := plainQuery(req.GetQuery()); err != nil {
		return nil, err
	}
	var e guestsettings.ExternalIdentities
	var revision int64
	err := s.Store.Read(ctx, caller.From(ctx).Tenant, func(tx *store.Tx) (err error) {
		e, revision, err = tx.ExternalIdentities()
		return err
	})
	if err != nil {
		return nil, err
	}
	tag(ctx, revision)
	return identitiesToProto(e), nil
}

// UpdateExternalIdentitiesPolicy changes it and answers it (POL-78).
func (s *Collaboration) UpdateExternalIdentitiesPolicy(ctx context.Context, req *policypb.UpdateExternalIdentitiesPolicyRequest) (*policypb.ExternalIdentitiesPolicy, error) {
	p := req.GetPolicy()
	m := maskOf(req.GetUpdateMask(), p)
	err := unchanged(m,
		fixed{"id", "id", p.GetId() == identitiesPolicyID},
		fixed{"display_name", "displayName", p.GetDisplayName() == identitiesName},
		fixed{"description", "description", p.GetDescription() == identitiesDescription})
	if err != nil {
		return nil, err
	}
	if p == nil {
		p = &policypb.ExternalIdentitiesPolicy{}
	}
	leave := changeOf(m, "allow_external_identities_to_leave", p.AllowExternalIdentitiesToLeave)
	removal := changeOf(m, "allow_deleted_identities_data_removal", p.AllowDeletedIdentitiesDataRemoval)
	explained := false
	if leave.To != nil && !*leave.To {
		facts, err := s.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: caller.From(ctx).Tenant.String()})
		if err != nil {
			return nil, err
		}
		explained = facts.GetPrivacyContactEmail() != "" || facts.GetPrivacyStatementUrl() != ""
	}
	var cur guestsettings.ExternalIdentities
	err = s.change(ctx, changePolicy, nil, func(tx *store.Tx, root store.Root) (outcome, error) {
		old, revision, err := tx.ExternalIdentities()
		if err != nil {
			return outcome{}, err
		}
		if err := matches(ctx, revision); err != nil {
			return outcome{}, err
		}
		if cur, err = old.Update(leave, removal, explained); err != nil {
			return outcome{}, err
		}
		tx.SaveExternalIdentities(cur, root.Version)
		return outcome{changePolicy, identitiesPolicyID, guestsettings.ExternalIdentitiesChanges(old, cur)}, nil
	})
	if err != nil {
		return nil, err
	}
	return identitiesToProto(cur), nil
}

func identitiesToProto(e guestsettings.ExternalIdentities) *policypb.ExternalIdentitiesPolicy {
	return &policypb.ExternalIdentitiesPolicy{
		Id: identitiesPolicyID, DisplayName: &identitiesName, Description: &identitiesDescription,
		AllowExternalIdentitiesToLeave: &e.MayLeave, AllowDeletedIdentitiesDataRemoval: proto.Bool(guestsettings.DataRemoval),
	}
}

// fixed is a property of a singleton that cannot be changed: its path in the
// mask, its name, and whether the request holds its value.
type fixed struct {
	path, property string
	same           bool
}

// unchanged refuses a request that changes a fixed property.
func unchanged(m mask, all ...fixed) error {
	for _, f := range all {
		if m.names(f.path) && !f.same {
			return readOnly(f.property)
		}
	}
	return nil
}

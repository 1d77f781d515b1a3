package api

import (
	"context"

	"entente.dev/policy-svc/internal/store"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
)

// partnersRoute names the list in its page tokens.
const partnersRoute = "partners"

var (
	partnerDescriptor = (&policypb.CrossTenantAccessPolicyConfigurationPartner{}).ProtoReflect().Descriptor()
	partnerColumns    = odata.Columns{
		"tenantId":                    {SQL: "partner_tenant_id", Type: odata.TypeUUID, NotNull: true},
		"isServiceProvider":           {SQL: "is_service_provider"},
		"isInMultiTenantOrganization": {SQL: "is_in_organization"},
	}
)

// ListPartners lists partners by tenant id (POL-28).
func (s *CrossTenant) ListPartners(ctx context.Context, req *policypb.ListPartnersRequest) (*policypb.ListPartnersResponse, error) {
	c, q := caller.From(ctx), req.GetQuery()
	switch {
	case q.GetOrderby() != "":
		return nil, unsupported("$orderby")
	case q.GetSearch() != "":
		return nil, unsupported("$search")
	case q.GetDeltatoken() != "":
		return nil, unsupported("$deltatoken")
	}
	expand, err := expandOption(q)
	if err != nil {
		return nil, err
	}
	list, page, err := s.partnerList(c, q)
	if err != nil {
		return nil, err
	}
	out := &policypb.ListPartnersResponse{}
	var rows []store.Partner
	err = s.Store.Read(ctx, c.Tenant, func(tx *store.Tx) error {
		out.OdataCount = nil
		if q.GetCount() && page.After == nil {
			n, err := tx.CountPartners(list)
			if err != nil {
				return err
			}
			total := int32(n)
			out.OdataCount = &total
		}
		rows, err = tx.Partners(list)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(rows) > page.Size {
		rows = rows[:page.Size]
		out.NextPageToken = s.Tokens.Next(c, partnersRoute, q, page, odata.Position{ID: rows[page.Size-1].TenantID.String()})
	}
	for _, p := range rows {
		out.Value = append(out.Value, partnerToProto(p.Partner, expand))
	}
	return out, nil
}

// partnerList compiles a query; one row more than the page is asked for, to
// know whether another follows.
func (s *CrossTenant) partnerList(c caller.Caller, q *odatapb.Query) (store.PartnerList, odata.Page, error) {
	page, err := s.Tokens.Page(c, partnersRoute, q)
	if err != nil {
		return store.PartnerList{}, page, err
	}
	list := store.PartnerList{Limit: page.Size + 1}
	if page.After != nil {
		if list.After, err = tenant.Parse(page.After.ID); err != nil {
			return list, page, err
		}
	}
	if q.GetFilter() == "" {
		return list, page, nil
	}
	expr, err := odata.ParseFilter(q.GetFilter())
	if err != nil {
		return list, page, err
	}
	where, err := odata.Compile(partnerDescriptor, partnerColumns, expr, page.Advanced)
	list.Where, list.Args = where.Numbered(1), where.Args
	return list, page, err
}

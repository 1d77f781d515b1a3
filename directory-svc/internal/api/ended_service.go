package api

import (
	"context"

	"entente.dev/directory-svc/internal/property"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/tenant"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxEnded is the most ended tenants one answer names.
const maxEnded = 1000

// ListEndedTenants lists the tenants that were deleted permanently.
func (s *TenantDirectory) ListEndedTenants(ctx context.Context, req *pb.ListEndedTenantsRequest) (*pb.ListEndedTenantsResponse, error) {
	var after tenant.ID
	if req.AfterId != "" {
		var err error
		if after, err = tenant.Parse(req.AfterId); err != nil {
			return nil, property.Refused("after_id", "The id is not a GUID.")
		}
	}
	limit := int(req.Limit)
	if limit <= 0 || limit > maxEnded {
		limit = maxEnded
	}
	ended, err := s.Store.EndedTenants(ctx, req.Since.AsTime(), after, limit)
	if err != nil {
		return nil, err
	}
	out := &pb.ListEndedTenantsResponse{}
	for _, e := range ended {
		out.Tenants = append(out.Tenants, &pb.EndedTenant{TenantId: e.ID.String(), EndedAt: timestamppb.New(e.At)})
	}
	return out, nil
}

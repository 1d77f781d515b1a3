package api

import (
	"context"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/store"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/tenant"
	"google.golang.org/protobuf/types/known/emptypb"
)

// GetIdentitySynchronization answers the synchronization policy of a partner
// (POL-33).
func (s *CrossTenant) GetIdentitySynchronization(ctx context.Context, req *policypb.GetIdentitySynchronizationRequest) (*policypb.CrossTenantIdentitySyncPolicyPartner, error) {
	if err := plainQuery(req.GetQuery()); err != nil {
		return nil, err
	}
	p, err := s.partner(ctx, req.GetTenantId())
	if err != nil {
		return nil, err
	}
	if p.Sync == nil {
		return nil, notFound(req.GetTenantId())
	}
	tag(ctx, p.SyncRevision)
	return syncToProto(p.Partner), nil
}

// PutIdentitySynchronization creates or replaces it (POL-34).
func (s *CrossTenant) PutIdentitySynchronization(ctx context.Context, req *policypb.PutIdentitySynchronizationRequest) (*emptypb.Empty, error) {
	body := req.GetIdentitySynchronization()
	cur := crosstenant.SyncPolicy{
		DisplayName: displayName(body), UserSync: userSync(body), GroupSync: groupSync(body),
	}
	if err := crosstenant.CheckSync(cur); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, s.changeSync(ctx, createSync, req.GetTenantId(), body, func(p *store.Partner) (outcome, error) {
		if p.Sync == nil {
			p.Sync = &cur
			return outcome{op: createSync, modified: crosstenant.CreateSyncChanges(p.TenantID, cur)}, nil
		}
		old := *p.Sync
		p.Sync = &cur
		return outcome{op: updateSync, modified: crosstenant.SyncChanges(p.TenantID, old, cur)}, nil
	})
}

// UpdateIdentitySynchronization changes it (POL-35).
func (s *CrossTenant) UpdateIdentitySynchronization(ctx context.Context, req *policypb.UpdateIdentitySynchronizationRequest) (*emptypb.Empty, error) {
	body := req.GetIdentitySynchronization()
	m := maskOf(req.GetUpdateMask(), body)
	change := crosstenant.SyncPatch{
		DisplayName: changeOf(m, "display_name", displayName(body)),
		UserSync:    changeOf(m, "user_sync_inbound", userSync(body)),
		GroupSync:   changeOf(m, "group_sync_inbound", groupSync(body)),
	}
	return &emptypb.Empty{}, s.changeSync(ctx, updateSync, req.GetTenantId(), body, func(p *store.Partner) (outcome, error) {
		if p.Sync == nil {
			return outcome{}, notFound(req.GetTenantId())
		}
		old := *p.Sync
		cur, err := crosstenant.UpdateSync(old, change)
		p.Sync = &cur
		return outcome{op: updateSync, modified: crosstenant.SyncChanges(p.TenantID, old, cur)}, err
	})
}

// DeleteIdentitySynchronization removes it (POL-36).
func (s *CrossTenant) DeleteIdentitySynchronization(ctx context.Context, req *policypb.DeleteIdentitySynchronizationRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.changeSync(ctx, deleteSync, req.GetTenantId(), nil, func(p *store.Partner) (outcome, error) {
		if p.Sync == nil {
			return outcome{}, notFound(req.GetTenantId())
		}
		old := *p.Sync
		p.Sync = nil
		return outcome{op: deleteSync, modified: crosstenant.DeleteSyncChanges(p.TenantID, old)}, nil
	})
}

// changeSync changes the synchronization policy of one partner.
func (s *CrossTenant) changeSync(ctx context.Context, op operation, id string, body *policypb.CrossTenantIdentitySyncPolicyPartner, fn func(*store.Partner) (outcome, error)) error {
	return s.change(ctx, op, s.nameOf(ctx, id), func(tx *store.Tx, root store.Root) (outcome, error) {
		p, err := find(tx, id)
		if err != nil {
			return outcome{}, err
		}
		if err := matches(ctx, p.SyncRevision); err != nil {
			return outcome{}, err
		}
		if body.GetTenantId() != "" {
			if t, err := tenant.Parse(body.GetTenantId()); err != nil || t != p.TenantID {
				return outcome{}, readOnly("tenantId")
			}
		}
		done, err := fn(p)
		if err != nil {
			return outcome{}, err
		}
		done.targetID = root.ID.String()
		p.SyncRevision = root.Version
		return done, tx.SavePartner(*p)
	})
}

// userSync is isSyncAllowed of userSyncInbound; an object without it says
// false.
func userSync(p *policypb.CrossTenantIdentitySyncPolicyPartner) *bool {
	if p.GetUserSyncInbound() == nil {
		return nil
	}
	allowed := p.GetUserSyncInbound().GetIsSyncAllowed()
	return &allowed
}

func groupSync(p *policypb.CrossTenantIdentitySyncPolicyPartner) *bool {
	if p.GetGroupSyncInbound() == nil {
		return nil
	}
	allowed := p.GetGroupSyncInbound().GetIsSyncAllowed()
	return &allowed
}

func displayName(p *policypb.CrossTenantIdentitySyncPolicyPartner) *string {
	if p == nil {
		return nil
	}
	return p.DisplayName
}

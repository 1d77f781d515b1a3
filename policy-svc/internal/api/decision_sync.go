package api

import (
	"context"
	"sync"

	"entente.dev/policy-svc/internal/crosstenant"
	"entente.dev/policy-svc/internal/guestsettings"
	"entente.dev/policy-svc/internal/snapshot"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// maxSyncUsers bounds one batch of CheckSyncUsers.
	maxSyncUsers = 500
	// groupLookups bounds how many users of a batch are looked up at a time.
	groupLookups = 8
)

// syncFailures says each failing condition as SYN-34 and SYN-35 want it.
var syncFailures = map[crosstenant.SyncFailure]policypb.CheckSyncResponse_Failure{
	crosstenant.OutboundRedemptionMissing: {Target: "source.outbound", Code: "AzureDirectoryB2BManagementPolicyCheckFailure"},
	crosstenant.InboundRedemptionMissing:  {Target: "target.inbound", Code: "AzureDirectoryB2BManagementPolicyCheckFailure"},
	crosstenant.InboundSyncNotAllowed:     {Target: "target.userSyncInbound", Code: "AzureActiveDirectoryCrossTenantSyncPolicyCheckFailure"},
}

// CheckSync decides whether one tenant may synchronize into another and names
// every condition that fails (POL-64).
func (s *Decisions) CheckSync(ctx context.Context, req *policypb.CheckSyncRequest) (*policypb.CheckSyncResponse, error) {
	now := s.Clock.Now()
	pair, target, err := s.syncPair(ctx, req.GetSourceTenantId(), req.GetTargetTenantId())
	if err != nil {
		return nil, err
	}
	what := crosstenant.SyncUsers
	if req.GetGroups() {
		what = crosstenant.SyncGroups
	}
	failures := pair.SyncFailures(what)
	out := &policypb.CheckSyncResponse{
		Allowed: len(failures) == 0, InvitationsOff: invitationsOff(target),
		PolicyVersion: target.Version(), SourcePolicyVersion: pair.Home.Version,
		ValidUntil: timestamppb.New(now.Add(syncValidity)),
	}
	for _, f := range failures {
		said := &policypb.CheckSyncResponse_Failure{Target: syncFailures[f].Target, Code: syncFailures[f].Code}
		if f == crosstenant.InboundSyncNotAllowed && req.GetGroups() {
			said.Target = "target.groupSyncInbound"
		}
		out.Failures = append(out.Failures, said)
	}
	return out, nil
}

func invitationsOff(t *snapshot.Tenant) bool {
	return !t.Authorization.AllowInvitesFrom.Admits(guestsettings.Inviter{Kind: guestsettings.InviterSync})
}

// CheckSyncUsers decides about each user of a batch who would be new in the
// target (POL-64 row 3, POL-65) or gets another address there, all of them under
// one version of either tenant's policies.
func (s *Decisions) CheckSyncUsers(ctx context.Context, req *policypb.CheckSyncUsersRequest) (*policypb.CheckSyncUsersResponse, error) {
	if len(req.GetUsers()) > maxSyncUsers {
		return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "users holds at most %d entries.", maxSyncUsers)
	}
	pair, target, err := s.syncPair(ctx, req.GetSourceTenantId(), req.GetTargetTenantId())
	if err != nil {
		return nil, err
	}
	out := &policypb.CheckSyncUsersResponse{
		Refusals:      make([]string, len(req.GetUsers())),
		PolicyVersion: target.Version(),
		AllAllowed:    !invitationsOff(target) && target.Domains.Open() && pair.SyncsEverybody(),
		SyncAllowed:   len(pair.SyncFailures(crosstenant.SyncUsers)) == 0,
	}
	if out.AllAllowed {
		return out, nil
	}
	users := make([]crosstenant.User, len(req.GetUsers()))
	for i, u := range req.GetUsers() {
		if users[i].ID, err = uuid.Parse(u.GetUserId()); err != nil {
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "users[%d].user_id is not a GUID.", i)
		}
	}
	if err := s.knowGroupsOf(ctx, pair, users, func(i int) bool { return !req.Users[i].GetExisting() }); err != nil {
		return nil, err
	}
	for i, u := range req.GetUsers() {
		gates := crosstenant.Gates{
			Inviter: !invitationsOff(target),
			Domain:  target.Domains.Admits(u.GetEmail()),
		}
		d := pair.SyncAddress(gates)
		if !u.GetExisting() {
			d = pair.SyncUser(gates, users[i])
		}
		if !d.Allowed() {
			out.Refusals[i] = ruleNames[d.Rule]
		}
	}
	return out, nil
}

// knowGroupsOf looks up the groups of those asked users whose answer depends on
// them, a few at a time.
func (s *Decisions) knowGroupsOf(ctx context.Context, pair crosstenant.Pair, users []crosstenant.User, asked func(int) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	places := make(chan struct{}, groupLookups)
	var wait sync.WaitGroup
	for i := range users {
		if !asked(i) || !pair.NeedsGroups(users[i], false) {
			continue
		}
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			if err := s.knowGroups(ctx, pair.Home.Tenant, &users[i], true); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

func (s *Decisions) syncPair(ctx context.Context, source, target string) (crosstenant.Pair, *snapshot.Tenant, error) {
	from, err := namedTenant("source_tenant_id", source)
	if err != nil {
		return crosstenant.Pair{}, nil, err
	}
	to, err := namedTenant("target_tenant_id", target)
	if err != nil {
		return crosstenant.Pair{}, nil, err
	}
	if from == to {
		return crosstenant.Pair{}, nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Source and target are the same tenant.")
	}
	return s.Cache.Pair(ctx, from, to)
}

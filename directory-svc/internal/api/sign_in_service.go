package api

import (
	"context"
	"strings"

	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/usage"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// SignIns serves SignInService (DIR-219 to DIR-222, DIR-231).
type SignIns struct {
	pb.UnimplementedSignInServiceServer
	*Core
}

var _ pb.SignInServiceServer = (*SignIns)(nil)

// maxSignIns is the size of a page of the log, also where none is asked for.
const maxSignIns = 1000

var signInDescriptor = (&pb.SignIn{}).ProtoReflect().Descriptor()

// ListSignIns lists the log, newest first.
func (s *SignIns) ListSignIns(ctx context.Context, req *pb.ListSignInsRequest) (*pb.ListSignInsResponse, error) {
	const route = "auditLogs/signIns"
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	l, page, err := s.signInPage(who, route, req.Query)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.ListSignIns(ctx, t.ID, l)
	if err != nil {
		return nil, err
	}
	out := &pb.ListSignInsResponse{OdataCount: found.Count, NextPageToken: next(s.Core, who, route, req.Query, page, found), Value: make([]*pb.SignIn, len(found.Items))}
	for i, row := range found.Items {
		out.Value[i] = signInToProto(row)
	}
	return out, nil
}

// signInPage reads the query options: a page may be larger here than
// elsewhere, and a filter and an order go together.
func (s *SignIns) signInPage(who caller.Caller, route string, q *odatapb.Query) (store.Listing, odata.Page, error) {
	refused := fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "Sign-ins support $filter, $orderby by createdDateTime, $select, $top and $skiptoken.")
	if q.GetSearch() != "" || q.GetExpand() != "" {
		return store.Listing{}, odata.Page{}, refused
	}
	size := maxSignIns
	if q != nil && q.Top != nil && *q.Top != maxSignIns {
		size = int(*q.Top)
	} else if q != nil {
		q = proto.CloneOf(q)
		q.Top = nil
	}
	page, err := s.Tokens.Page(who, route, q)
	if err != nil {
		return store.Listing{}, page, err
	}
	where, err := conditions(q, signInDescriptor, store.SignInColumns, page.Eventual, page.Advanced)
	if err != nil {
		return store.Listing{}, page, err
	}
	keys, err := odata.ParseOrderBy(q.GetOrderby())
	if err != nil {
		return store.Listing{}, page, err
	}
	desc := true
	if len(keys) > 0 {
		if !strings.EqualFold(keys[0].Path.String(), "createdDateTime") {
			return store.Listing{}, page, refused
		}
		desc = keys[0].Desc
	}
	return store.Listing{Where: where, Order: store.SignInOrder(desc), After: page.After, Limit: size, Count: page.Count}, page, nil
}

// GetSignIn returns one sign-in.
func (s *SignIns) GetSignIn(ctx context.Context, req *pb.GetSignInRequest) (*pb.SignIn, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	row, err := s.Store.GetSignIn(ctx, t.ID, id)
	if err != nil {
		return nil, err
	}
	return signInToProto(row), nil
}

// RecordSignIn writes a sign-in to the log, to the activity of the user and to
// the usage counts (DIR-231). What crosses tenants is logged in the home
// tenant as well, where that is in this installation (DIR-222).
func (s *SignIns) RecordSignIn(ctx context.Context, req *pb.RecordSignInRequest) (*emptypb.Empty, error) {
	t, err := s.named(ctx, req.TenantId)
	if err != nil {
		return nil, err
	}
	id, err := objectID(req.UserId)
	if err != nil {
		return nil, err
	}
	u, err := s.Store.AnyUser(ctx, t.ID, id)
	if err != nil {
		return nil, err
	}
	row := &store.SignIn{ID: newID(), EventID: req.EventId, At: s.now(), UserID: u.ID, UserPrincipalName: u.UserPrincipalName, UserDisplayName: u.DisplayName, AppID: strings.ToLower(req.AppId),
		ResourceID: req.ResourceId, HomeTenant: strings.ToLower(req.HomeTenantId), ResourceTenant: t.ID.String(), IP: req.IpAddress, UserAgent: req.UserAgent, ClientApp: req.ClientAppUsed,
		Correlation: req.CorrelationId, FailureReason: req.FailureReason, CrossTenant: req.CrossTenantAccessType, Interactive: req.Interactive, ErrorCode: req.ErrorCode,
		ConditionalAccess: int16(pb.ConditionalAccessStatus_Value_value[req.ConditionalAccessStatus])}
	if at := momentOf(req.At); at != nil {
		row.At = *at
	}
	if err := s.homeSignIn(ctx, t, u, row); err != nil {
		return nil, err
	}
	kind, person := usage.Of(u, &t.Tenant), usage.Person(u, &t.Tenant)
	err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
		own := *row
		if err := s.name(tx, &own); err != nil {
			return err
		}
		isNew, err := tx.InsertSignIn(&own)
		if err != nil || !isNew {
			return err
		}
		tx.SaveActivity(&own)
		// Renewals within a session do not count, nor do failures.
		if own.ErrorCode == 0 && own.Interactive && kind != usage.None {
			tx.CountUser(usage.Month(own.At), u.ID, kind, person)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// name fills in under which names the tenant knows the application and the
// resource.
func (s *SignIns) name(tx *store.Tx, row *store.SignIn) (err error) {
	if row.AppName, err = tx.AppName(row.AppID); err != nil {
		return err
	}
	row.ResourceName, err = tx.AppName(row.ResourceID)
	return err
}

// homeSignIn logs a sign-in of an external user in the tenant it comes from.
func (s *SignIns) homeSignIn(ctx context.Context, t *store.Tenant, u *user.User, row *store.SignIn) error {
	key := u.HomeKey
	if key == (identity.HomeKey{}) || key.Issuer != "" || key.Tenant == t.ID {
		return nil
	}
	object, ok := store.ParseUUID(key.Object)
	if !ok {
		return nil // no object of a directory here
	}
	if row.HomeTenant == "" {
		row.HomeTenant = key.Tenant.String()
	}
	host, err := s.Store.AnyUser(ctx, key.Tenant, object)
	if isNotFound(err) {
		return nil // the tenant or the user is elsewhere, or gone
	}
	if err != nil {
		return err
	}
	return s.Store.Write(ctx, key.Tenant, func(tx *store.Tx) error {
		there := *row
		there.UserID, there.UserPrincipalName, there.UserDisplayName = host.ID, host.UserPrincipalName, host.DisplayName
		if err := s.name(tx, &there); err != nil {
			return err
		}
		_, err := tx.InsertSignIn(&there)
		return err
	})
}

// GetMonthlyActiveUsers counts the users of a month (DIR-220).
func (s *SignIns) GetMonthlyActiveUsers(ctx context.Context, req *pb.GetMonthlyActiveUsersRequest) (*pb.MonthlyActiveUsers, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	month, err := usage.ParseMonth(req.Month, s.now())
	if err != nil {
		return nil, err
	}
	counts, err := s.Store.MonthlyUsers(ctx, t.ID, month)
	if err != nil {
		return nil, err
	}
	out := &pb.MonthlyActiveUsers{Month: usage.Format(month), FreeTier: usage.FreeTier, Final: usage.Final(month, s.now()), ExternalGuests: counts[usage.ExternalGuest],
		InternalGuests: counts[usage.InternalGuest], ExternalTenantUsers: counts[usage.Customer]}
	out.Total = out.ExternalGuests + out.InternalGuests + out.ExternalTenantUsers
	return out, nil
}

// GetBillingUsage counts each person once over the tenants of a billing
// account (DIR-220).
func (s *SignIns) GetBillingUsage(ctx context.Context, req *pb.GetBillingUsageRequest) (*pb.BillingUsage, error) {
	month, err := usage.ParseMonth(req.Month, s.now())
	if err != nil {
		return nil, err
	}
	tenants, err := s.Store.TenantsOfAccount(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	if len(tenants) == 0 {
		return nil, property.NotFound(clip(req.Id))
	}
	persons := make(map[string]struct{})
	for _, t := range tenants {
		if err := s.Store.Persons(ctx, t, month, func(p string) { persons[p] = struct{}{} }); err != nil {
			return nil, err
		}
	}
	return &pb.BillingUsage{BillingAccountId: req.Id, Month: usage.Format(month), Total: int32(len(persons)), Tenants: int32(len(tenants)), Final: usage.Final(month, s.now())}, nil
}

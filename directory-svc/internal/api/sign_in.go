package api

import (
	"context"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func signInToProto(s *store.SignIn) *pb.SignIn {
	code := s.ErrorCode
	out := &pb.SignIn{Id: s.ID.String(), CreatedDateTime: timestamppb.New(s.At), UserId: ptr(s.UserID.String()), UserPrincipalName: &s.UserPrincipalName,
		UserDisplayName: &s.UserDisplayName, AppId: optional(&s.AppID), AppDisplayName: optional(&s.AppName), ResourceId: optional(&s.ResourceID),
		ResourceDisplayName: optional(&s.ResourceName), HomeTenantId: optional(&s.HomeTenant), ResourceTenantId: optional(&s.ResourceTenant),
		IpAddress: optional(&s.IP), UserAgent: optional(&s.UserAgent), ClientAppUsed: optional(&s.ClientApp), CorrelationId: optional(&s.Correlation),
		CrossTenantAccessType: ptr(crossing(s)), IsInteractive: &s.Interactive,
		Status:   &pb.SignInStatus{ErrorCode: &code, FailureReason: optional(&s.FailureReason)},
		Location: &pb.SignInLocation{}, DeviceDetail: &pb.DeviceDetail{},
		RiskDetail: pb.RiskDetail_none.Enum(), RiskLevelAggregated: pb.RiskLevel_none.Enum(), RiskLevelDuringSignIn: pb.RiskLevel_none.Enum(), RiskState: pb.RiskState_none.Enum()}
	if s.ConditionalAccess != 0 {
		out.ConditionalAccessStatus = pb.ConditionalAccessStatus_Value(s.ConditionalAccess).Enum()
	}
	return out
}

// crossing tells how a sign-in crossed tenants. Where whoever recorded it did
// not say, an account of another tenant came as a guest (DIR-221).
func crossing(s *store.SignIn) string {
	switch {
	case s.CrossTenant != "":
		return s.CrossTenant
	case s.HomeTenant == "" || s.HomeTenant == s.ResourceTenant:
		return "none"
	}
	return "b2bCollaboration"
}

// activityProperty is the property of users that the sign-in log feeds.
const activityProperty = "signInActivity"

// mentionsActivity tells that a filter asks about it.
func mentionsActivity(filter string) bool {
	return strings.Contains(strings.ToLower(filter), strings.ToLower(activityProperty))
}

// logReaders are the roles that read sign-in logs (DIR-177).
var logReaders = []string{role.GlobalAdministrator, role.GlobalReader, role.ReportsReader, role.SecurityAdministrator, role.SecurityOperator, role.SecurityReader}

// readsActivity decides whether the caller may know when others signed in: by
// a permission of its own, and as a user by a role that reads logs (DIR-175).
func readsActivity(who caller.Caller) error {
	if !who.Has("AuditLog.Read.All") || who.Kind == caller.User && !who.HasRole(logReaders...) {
		return property.Denied()
	}
	return nil
}

// activityOfOthers decides the same about what a list shows.
func activityOfOthers(who caller.Caller, selected []string) error {
	if slices.Contains(selected, activityProperty) {
		return readsActivity(who)
	}
	return nil
}

// activityFilter checks a filter on sign-in activity: it needs rights of its
// own and stands alone (DIR-200).
func activityFilter(who caller.Caller, filter string) error {
	if !mentionsActivity(filter) {
		return nil
	}
	if err := readsActivity(who); err != nil {
		return err
	}
	e, err := odata.ParseFilter(filter)
	if err != nil {
		return err
	}
	for _, part := range odata.Conjuncts(e) {
		if c, ok := part.(odata.Compare); !ok || !mentionsActivity(c.Path.String()) {
			return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "A filter on 'signInActivity' cannot be combined with other properties.")
		}
	}
	return nil
}

// byActivity puts a checked filter on sign-in activity, the first of the
// conditions, into a form that goes by the index on the time. One that holds
// of users who never signed in stays as it is: it has to look at all.
func byActivity(filter string, where []odata.SQL) error {
	if !mentionsActivity(filter) {
		return nil
	}
	e, err := odata.ParseFilter(filter)
	if err != nil {
		return err
	}
	for _, part := range odata.Conjuncts(e) {
		if c, ok := part.(odata.Compare); ok && c.Op == odata.Ne {
			return nil
		}
	}
	active, err := odata.Compile(userDescriptor, store.ActivityColumns, e, true)
	if err == nil {
		where[0] = store.ActiveUsers(active)
	}
	return err
}

// maxActivityPage bounds a page of users with their sign-in activity.
const maxActivityPage = 500

// withActivity puts the latest sign-ins into users where they were asked for.
// The own ones are everybody's to see.
func (c *Core) withActivity(ctx context.Context, t tenant.ID, selected []string, users []*pb.User) error {
	if !slices.Contains(selected, activityProperty) || len(users) == 0 {
		return nil
	}
	if who := caller.From(ctx); len(users) > 1 || who.Kind != caller.User || users[0].Id != who.ObjectID.String() {
		if err := readsActivity(who); err != nil {
			return err
		}
	}
	ids := make([]uuid.UUID, len(users))
	for i, u := range users {
		id, err := uuid.Parse(u.Id)
		if err != nil {
			return err
		}
		ids[i] = id
	}
	found, err := c.Store.Activities(ctx, t, ids)
	if err != nil {
		return err
	}
	for i, u := range users {
		if a, ok := found[ids[i]]; ok {
			u.SignInActivity = &pb.SignInActivity{LastSignInDateTime: stamp(a.InteractiveAt), LastSignInRequestId: a.InteractiveID,
				LastNonInteractiveSignInDateTime: stamp(a.NonInteractiveAt), LastNonInteractiveSignInRequestId: a.NonInteractiveID,
				LastSuccessfulSignInDateTime: stamp(a.SuccessfulAt), LastSuccessfulSignInRequestId: a.SuccessfulID}
		}
	}
	return nil
}

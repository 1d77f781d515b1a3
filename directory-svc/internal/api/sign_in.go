package api

import (
	"context"
	"strings"

	"entente.dev/directory-svc/internal/property"
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
		CrossTenantAccessType: optional(&s.CrossTenant), IsInteractive: &s.Interactive,
		Status:   &pb.SignInStatus{ErrorCode: &code, FailureReason: optional(&s.FailureReason)},
		Location: &pb.SignInLocation{}, DeviceDetail: &pb.DeviceDetail{},
		RiskDetail: pb.RiskDetail_none.Enum(), RiskLevelAggregated: pb.RiskLevel_none.Enum(), RiskLevelDuringSignIn: pb.RiskLevel_none.Enum(), RiskState: pb.RiskState_none.Enum()}
	if s.ConditionalAccess != 0 {
		out.ConditionalAccessStatus = pb.ConditionalAccessStatus_Value(s.ConditionalAccess).Enum()
	}
	return out
}

// activityProperty is the property of users that the sign-in log feeds.
const activityProperty = "signInActivity"

// mentionsActivity tells that a filter asks about it.
func mentionsActivity(filter string) bool {
	return strings.Contains(strings.ToLower(filter), strings.ToLower(activityProperty))
}

// activityFilter checks a filter on sign-in activity: it needs a permission of
// its own and stands alone (DIR-200).
func activityFilter(who caller.Caller, filter string) error {
	if !mentionsActivity(filter) {
		return nil
	}
	if !who.Has("AuditLog.Read.All") {
		return property.Denied()
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

// maxActivityPage bounds a page of users with their sign-in activity.
const maxActivityPage = 500

// withActivity puts the latest sign-ins into users where they were asked for.
func (c *Core) withActivity(ctx context.Context, t tenant.ID, selected []string, users []*pb.User) error {
	asked := false
	for _, name := range selected {
		asked = asked || name == activityProperty
	}
	if !asked || len(users) == 0 {
		return nil
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

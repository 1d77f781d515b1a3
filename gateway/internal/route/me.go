package route

import (
	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// resolveMe turns /me into /users/{id of the signed-in user}. The token is not
// verified here: the service verifies the very same one before anything is
// answered, so what it claims is enough to choose a path.
func (x *exchange) resolveMe() error {
	if !x.path.Graph() || x.first() != "me" || x.path.Segments[0].Call {
		return nil
	}
	claims, _ := graph.PeekClaims(x.r.Header.Get("Authorization")) // RequireToken has found some
	if claims.IDType == "app" || claims.Scopes == "" {
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, "/me request is only valid with delegated authentication flow.")
	}
	if _, err := uuid.Parse(claims.ObjectID); err != nil {
		return fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token is malformed.")
	}
	x.path.Segments = append([]graph.Segment{{Name: "users"}, {Name: claims.ObjectID}}, x.path.Segments[1:]...)
	return nil
}

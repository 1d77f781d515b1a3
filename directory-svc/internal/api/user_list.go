package api

import (
	"context"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

var userDescriptor = (&pb.User{}).ProtoReflect().Descriptor()

// defaultProperties are what a list of users shows without $select (DIR-34).
var defaultProperties = []string{"id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
	"preferredLanguage", "surname", "userPrincipalName"}

// ListUsers lists users a page at a time (DIR-42).
func (s *Users) ListUsers(ctx context.Context, req *pb.ListUsersRequest) (*pb.ListUsersResponse, error) {
	const route = "users"
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	degree, err := access.ListUsers(who, rights(t))
	if err != nil {
		return nil, err
	}
	properties, err := userSelect(req.Query.GetSelect())
	if err != nil {
		return nil, err
	}
	if err := signInActivity(who, properties); err != nil {
		return nil, err
	}
	listing, page, err := s.listing(who, route, req.Query, userDescriptor, store.UserColumns)
	if err != nil {
		return nil, err
	}
	convert := func(u *pb.User) *pb.User { return limited(u, degree) }
	if properties == nil {
		properties = defaultProperties
	}
	found, err := s.Store.ListUsers(ctx, t.ID, listing, properties)
	if err != nil {
		return nil, err
	}
	out := &pb.ListUsersResponse{Value: make([]*pb.User, len(found.Items)), OdataCount: found.Count, NextPageToken: next(s.Core, who, route, req.Query, page, found)}
	for i, u := range found.Items {
		if len(req.Query.GetSelect()) == 0 {
			out.Value[i] = convert(cardToProto(u))
		} else {
			out.Value[i] = convert(userToProto(u, t.InitialDomain))
		}
	}
	return out, nil
}

// userSelect reads $select and refuses names that users do not have (DIR-203).
func userSelect(text string) ([]string, error) {
	names, err := selected(text)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if f := userFields.ByJSONName(name); f != nil {
			continue
		}
		found := false
		for j := range userFields.Len() {
			if f := userFields.Get(j); strings.EqualFold(f.JSONName(), name) {
				names[i], found = f.JSONName(), true
			}
		}
		if !found && !strings.HasPrefix(name, "extension_") {
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Could not find a property named '%s' on type 'microsoft.graph.user'.", clip(name))
		}
	}
	return names, nil
}

// CountUsers counts users (DIR-205).
func (s *Users) CountUsers(ctx context.Context, req *pb.CountUsersRequest) (*pb.CountResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := access.ListUsers(who, rights(t)); err != nil {
		return nil, err
	}
	if err := counting(who, req.Query); err != nil {
		return nil, err
	}
	where, err := conditions(req.Query, userDescriptor, store.UserColumns, true, true)
	if err != nil {
		return nil, err
	}
	n, err := s.Store.CountUsers(ctx, t.ID, where)
	if err != nil {
		return nil, err
	}
	return &pb.CountResponse{Value: n}, nil
}

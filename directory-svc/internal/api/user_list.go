package api

import (
	"context"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
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
	if err := activityOfOthers(who, properties); err != nil {
		return nil, err
	}
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "users", store.UserColumns)
	if err != nil {
		return nil, err
	}
	if err := activityFilter(who, req.Query.GetFilter()); err != nil {
		return nil, err
	}
	listing, page, err := s.listing(who, route, req.Query, userDescriptor, columns)
	if err != nil {
		return nil, err
	}
	if err := byActivity(req.Query.GetFilter(), listing.Where); err != nil {
		return nil, err
	}
	if slices.Contains(properties, activityProperty) || mentionsActivity(req.Query.GetFilter()) {
		listing.Limit = min(listing.Limit, maxActivityPage)
	}
	expand, err := expandsManager(req.Query.GetExpand())
	if err != nil {
		return nil, err
	}
	convert := func(u *pb.User) *pb.User { return limited(who, u, degree) }
	if properties == nil {
		properties = defaultProperties
	}
	if expand {
		properties = append(slices.Clip(properties), "manager")
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
	if err := s.withActivity(ctx, t.ID, properties, out.Value); err != nil {
		return nil, err
	}
	if expand {
		if err := s.expandManagers(ctx, who, t, found.Items, out.Value); err != nil {
			return nil, err
		}
	}
	if degree < access.Everything {
		return out, nil
	}
	ids := make([]uuid.UUID, len(found.Items))
	for i, u := range found.Items {
		ids[i] = u.ID
	}
	return out, s.withExtensions(ctx, t.ID, extensionsAsked(properties), ids, func(i int, values *structpb.Struct) { out.Value[i].Extensions = values })
}

// expandsManager reads $expand: users expand their manager and nothing else
// (DIR-204).
func expandsManager(expand string) (bool, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(expand), "(")
	switch {
	case name == "":
		return false, nil
	case !strings.EqualFold(name, "manager"):
		return false, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Could not find a navigation property named '%s' on type 'microsoft.graph.user'.", clip(name))
	case strings.Contains(rest, "$levels"):
		return false, fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "The option '$levels' is not supported.")
	}
	return true, nil
}

// expandManagers puts the managers of users into their messages.
func (s *Users) expandManagers(ctx context.Context, who caller.Caller, t *store.Tenant, users []*user.User, out []*pb.User) error {
	var wanted []uuid.UUID
	for _, u := range users {
		if u.ManagerID != nil {
			wanted = append(wanted, *u.ManagerID)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	return s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, err := tx.UsersByID(wanted)
		if err != nil {
			return err
		}
		managers := make(map[uuid.UUID]*pb.User, len(found))
		for _, m := range found {
			if m.Deleted == nil {
				managers[m.ID] = shown(who, t, m)
			}
		}
		for i, u := range users {
			if u.ManagerID != nil {
				out[i].Manager = managers[*u.ManagerID]
			}
		}
		return nil
	})
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
		if notHeld(userDescriptor, name) {
			return nil, fault.Unimplemented(errorspb.Reason_NOT_IMPLEMENTED, "The property '%s' is not held by this product.", clip(name)).WithMeta("property", clip(name))
		}
		if !found && !strings.HasPrefix(name, "extension_") {
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Could not find a property named '%s' on type 'microsoft.graph.user'.", clip(name))
		}
	}
	return names, nil
}

// notHeld tells that a property is one of Graph's and none of ours (DIR-36).
func notHeld(resource protoreflect.MessageDescriptor, name string) bool {
	r, _ := proto.GetExtension(resource.Options(), optionspb.E_Resource).(*optionspb.Resource)
	return slices.ContainsFunc(r.GetNotHeld(), func(n string) bool { return strings.EqualFold(n, name) })
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
	if err := activityFilter(who, req.Query.GetFilter()); err != nil {
		return nil, err
	}
	if err := counting(who, req.Query); err != nil {
		return nil, err
	}
	columns, err := s.filterable(ctx, t.ID, req.Query.GetFilter(), "users", store.UserColumns)
	if err != nil {
		return nil, err
	}
	where, err := conditions(req.Query, userDescriptor, columns, true, true)
	if err != nil {
		return nil, err
	}
	if err := byActivity(req.Query.GetFilter(), where); err != nil {
		return nil, err
	}
	n, err := s.Store.CountUsers(ctx, t.ID, where)
	if err != nil {
		return nil, err
	}
	return &pb.CountResponse{Value: n}, nil
}

package api

import (
	"context"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Grants serves PermissionGrantService: delegated permissions as data
// (WIRE-21).
type Grants struct {
	pb.UnimplementedPermissionGrantServiceServer
	*Core
}

var _ pb.PermissionGrantServiceServer = (*Grants)(nil)

// Values of consentType.
const (
	allPrincipals = "AllPrincipals"
	onePrincipal  = "Principal"
)

func grantToProto(g store.Grant) *pb.OAuth2PermissionGrant {
	out := &pb.OAuth2PermissionGrant{Id: g.ID.String(), ClientId: ptr(g.ClientID.String()), ResourceId: ptr(g.ResourceID.String()), ConsentType: ptr(allPrincipals), Scope: &g.Scope}
	if g.PrincipalID != nil {
		out.ConsentType, out.PrincipalId = ptr(onePrincipal), ptr(g.PrincipalID.String())
	}
	return out
}

const maxScope = 4000

func checkScope(scope string) (string, error) {
	if len(scope) > maxScope {
		return "", property.Invalid("OAuth2PermissionGrant", "scope")
	}
	return strings.Join(strings.Fields(scope), " "), nil
}

// CreateOAuth2PermissionGrant grants delegated permissions to a client.
func (s *Grants) CreateOAuth2PermissionGrant(ctx context.Context, req *pb.CreateOAuth2PermissionGrantRequest) (*pb.OAuth2PermissionGrant, error) {
	const resource = "OAuth2PermissionGrant"
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	in := req.Grant
	switch {
	case in.GetClientId() == "":
		return nil, property.Required(resource, "clientId")
	case in.GetResourceId() == "":
		return nil, property.Required(resource, "resourceId")
	case in.GetConsentType() != allPrincipals && in.GetConsentType() != onePrincipal:
		return nil, property.Invalid(resource, "consentType")
	case (in.GetConsentType() == onePrincipal) != (in.GetPrincipalId() != ""):
		return nil, property.Invalid(resource, "principalId")
	}
	g := store.Grant{ID: newID(), Created: s.now()}
	if g.Scope, err = checkScope(in.GetScope()); err != nil {
		return nil, err
	}
	named := []string{in.GetClientId(), in.GetResourceId()}
	if in.GetPrincipalId() != "" {
		named = append(named, in.GetPrincipalId())
	}
	ids, err := objectIDs(named)
	if err != nil {
		return nil, err
	}
	g.ClientID, g.ResourceID = ids[0], ids[1]
	if len(ids) == 3 {
		g.PrincipalID = &ids[2]
	}
	ev := record("Add delegated permission grant", applicationManagement, "Assign")
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		if err := s.ends(tx, g); err != nil {
			return err
		}
		tx.InsertGrant(g)
		return s.recorded(ctx, tx, ev, g, store.Linked)
	})
	if err != nil {
		return nil, err
	}
	return grantToProto(g), nil
}

// ends checks that what a grant names exists and has the right type.
func (s *Grants) ends(tx *store.Tx, g store.Grant) error {
	want := map[uuid.UUID]object.Type{g.ClientID: object.ServicePrincipal, g.ResourceID: object.ServicePrincipal}
	asked := []uuid.UUID{g.ClientID, g.ResourceID}
	if g.PrincipalID != nil {
		want[*g.PrincipalID] = object.User
		asked = append(asked, *g.PrincipalID)
	}
	found, err := tx.ResolveAll(asked)
	if err != nil {
		return err
	}
	for _, id := range asked {
		if !slices.Contains(found, store.Link{ID: id, Type: want[id]}) {
			return property.NotFound(id.String())
		}
	}
	return nil
}

// recorded leaves the rows of a change of a grant in feed and audit log.
func (s *Grants) recorded(ctx context.Context, tx *store.Tx, ev audit.Event, g store.Grant, kind store.ChangeKind) error {
	tx.Change(store.Change{Type: object.ServicePrincipal, ID: g.ClientID, Kind: kind, Properties: []string{"oauth2PermissionGrants"}, Related: &g.ResourceID})
	names, err := tx.Names([]uuid.UUID{g.ClientID, g.ResourceID})
	if err != nil {
		return err
	}
	ev.Targets = []audit.Target{target(object.ServicePrincipal, g.ResourceID, names[g.ResourceID].Text), target(object.ServicePrincipal, g.ClientID, names[g.ClientID].Text)}
	ev.Targets[0].Modified = modified(nil, grantToProto(g), []string{"scope", "consentType", "principalId"})
	return s.audit(ctx, tx, ev)
}

// ListOAuth2PermissionGrants lists grants.
func (s *Grants) ListOAuth2PermissionGrants(ctx context.Context, req *pb.ListOAuth2PermissionGrantsRequest) (*pb.ListOAuth2PermissionGrantsResponse, error) {
	return s.list(ctx, "oauth2PermissionGrants", uuid.Nil, req.Query)
}

// ListPrincipalOAuth2PermissionGrants lists the grants of a user or of a
// client.
func (s *Grants) ListPrincipalOAuth2PermissionGrants(ctx context.Context, req *pb.ListPrincipalOAuth2PermissionGrantsRequest) (*pb.ListOAuth2PermissionGrantsResponse, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	var link store.Link
	if err := s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		link, err = (&Objects{Core: s.Core}).liveObject(tx, req.Id)
		return err
	}); err != nil {
		return nil, err
	}
	return s.list(ctx, "oauth2PermissionGrants/"+link.ID.String(), link.ID, req.Query)
}

func (s *Grants) list(ctx context.Context, route string, either uuid.UUID, q *odatapb.Query) (*pb.ListOAuth2PermissionGrantsResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil && who.ObjectID != either {
		return nil, err
	}
	want, err := only(q, "OAuth2PermissionGrant", "clientId", "resourceId", "principalId", "consentType")
	if err != nil {
		return nil, err
	}
	var keys [3]uuid.UUID
	for i, name := range []string{"clientId", "resourceId", "principalId"} {
		if text, ok := want[name]; ok {
			if keys[i], err = uuid.Parse(text); err != nil {
				return &pb.ListOAuth2PermissionGrantsResponse{}, nil //nolint:nilerr // no id of anything
			}
		}
	}
	page, err := s.Tokens.Page(who, route, q)
	if err != nil {
		return nil, err
	}
	after, err := behind(page, uuid.Nil)
	if err != nil {
		return nil, err
	}
	out := &pb.ListOAuth2PermissionGrantsResponse{}
	return out, s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, err := tx.Grants(keys[0], keys[1], keys[2], either, after, page.Size+1)
		if err != nil {
			return err
		}
		if len(found) > page.Size {
			found = found[:page.Size]
			out.NextPageToken = s.Tokens.Next(who, route, q, page, odata.Position{ID: found[page.Size-1].ID.String()})
		}
		out.Value = nil
		for _, g := range found {
			if m := grantToProto(g); matches(want, "consentType", m.GetConsentType()) {
				out.Value = append(out.Value, m)
			}
		}
		return nil
	})
}

// GetOAuth2PermissionGrant returns one grant.
func (s *Grants) GetOAuth2PermissionGrant(ctx context.Context, req *pb.GetOAuth2PermissionGrantRequest) (*pb.OAuth2PermissionGrant, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	var out *pb.OAuth2PermissionGrant
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		g, err := tx.Grant(id)
		if err == nil {
			out = grantToProto(*g)
		}
		return err
	})
	return out, err
}

// UpdateOAuth2PermissionGrant changes the scope of a grant.
func (s *Grants) UpdateOAuth2PermissionGrant(ctx context.Context, req *pb.UpdateOAuth2PermissionGrantRequest) (*emptypb.Empty, error) {
	return s.changed(ctx, req.Id, "Update delegated permission grant", "Update", store.Updated, func(tx *store.Tx, g *store.Grant) error {
		now := grantToProto(*g)
		for _, path := range req.UpdateMask.GetPaths() {
			var err error
			if path == "scope" {
				g.Scope, err = checkScope(req.Grant.GetScope())
			} else {
				err = sameOrReadOnly(now, req.Grant, path)
			}
			if err != nil {
				return err
			}
		}
		tx.SaveGrant(*g)
		return nil
	})
}

// DeleteOAuth2PermissionGrant revokes a grant.
func (s *Grants) DeleteOAuth2PermissionGrant(ctx context.Context, req *pb.DeleteOAuth2PermissionGrantRequest) (*emptypb.Empty, error) {
	return s.changed(ctx, req.Id, "Remove delegated permission grant", "Unassign", store.Unlinked, func(tx *store.Tx, g *store.Grant) error {
		tx.DeleteGrant(g.ID)
		return nil
	})
}

func (s *Grants) changed(ctx context.Context, text, activity, operation string, kind store.ChangeKind, fn func(*store.Tx, *store.Grant) error) (*emptypb.Empty, error) {
	_, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	id, err := objectID(text)
	if err != nil {
		return nil, err
	}
	ev := record(activity, applicationManagement, operation)
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		g, err := tx.Grant(id)
		if err != nil {
			return err
		}
		if err := fn(tx, g); err != nil {
			return err
		}
		return s.recorded(ctx, tx, ev, *g, kind)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

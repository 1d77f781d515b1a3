package api

import (
	"context"
	"slices"
	"time"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/setting"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// policyStale is how old the last known policy may be while policy-svc does
// not answer (DIR-175 allows sixty seconds).
const policyStale = time.Minute

// policyOf asks policy-svc what users without a role may do; the answer is at
// most a second old.
func (c *Core) policyOf(ctx context.Context, t tenant.ID) (access.Policy, error) {
	if c.Policy == nil {
		return access.Policy{}, nil
	}
	return c.policies.get(t, policyStale, func() (access.Policy, error) {
		// As the service itself: what it asks is no act of the caller.
		level, err := policypb.NewDecisionServiceClient(c.Policy).GetGuestAccessLevel(ctx, &policypb.GetGuestAccessLevelRequest{TenantId: t.String()})
		if err != nil {
			return access.Policy{}, err
		}
		return access.Policy{Guests: access.ParseGuestLevel(level.GuestUserRoleId), NoOtherUsers: !level.AllowedToReadOtherUsers,
			NoSecurityGroups: !level.AllowedToCreateSecurityGroups, NoApps: !level.AllowedToCreateApps}, nil
	})
}

// mayCreate decides about a new group what settings and quotas say (DIR-126).
func (s *Groups) mayCreate(tx *store.Tx, who caller.Caller, g *group.Group) error {
	if g.RoleAssignable {
		n, err := tx.CountRoleGroups()
		if err != nil {
			return err
		}
		if err := tx.Fits(quota.RoleGroups, n+1); err != nil {
			return err
		}
	}
	if who.Kind != caller.User {
		return nil
	}
	if g.Unified {
		rules, err := tx.Effective(setting.GroupUnified, nil)
		if err != nil {
			return err
		}
		allowed := rules.On(setting.EnableGroupCreation)
		if named, err := uuid.Parse(rules[setting.GroupCreationAllowedGroupID]); err == nil && !allowed {
			in, err := tx.GroupsHolding([]uuid.UUID{who.ObjectID}, []uuid.UUID{named})
			if err != nil {
				return err
			}
			allowed = len(in) > 0
		}
		if err := access.CreateUnified(who, allowed); err != nil {
			return err
		}
	}
	return s.countCreated(tx, who, g.ID)
}

// countCreated holds a user without a role to the quota of objects
// (DIR-126, DIR-235).
func (c *Core) countCreated(tx *store.Tx, who caller.Caller, id uuid.UUID) error {
	if who.Kind != caller.User || len(who.Roles) > 0 {
		return nil
	}
	n, err := tx.CountCreated(who.ObjectID)
	if err != nil {
		return err
	}
	if err := tx.Fits(quota.CreatedByUser, n+1); err != nil {
		return err
	}
	tx.InsertCreated(who.ObjectID, id, c.now())
	return nil
}

// guestMember decides whether a guest may be added to a group by the caller,
// with the roles that count for it (DIR-134).
func guestMember(tx *store.Tx, by caller.Caller, g *group.Group, m store.Link) error {
	if !g.Unified || m.Type != object.User || access.Administers(by) {
		return nil
	}
	u, err := tx.User(store.UserID(m.ID))
	if err != nil || u.Type != user.Guest {
		return err
	}
	return takesGuests(tx, by, g)
}

// takesGuests is guestMember for a guest, who need not exist yet.
func takesGuests(tx *store.Tx, by caller.Caller, g *group.Group) error {
	if !g.Unified || access.Administers(by) {
		return nil
	}
	all, err := tx.Effective(setting.GroupUnified, nil)
	if err != nil {
		return err
	}
	own, err := tx.Effective(setting.GroupUnifiedGuest, &g.ID)
	if err != nil {
		return err
	}
	return group.CheckGuestMember(all.On(setting.AllowToAddGuests), own.On(setting.AllowToAddGuests))
}

// guestOwner decides whether a guest may own a group (DIR-134).
func guestOwner(tx *store.Tx, g *group.Group, o store.Link) error {
	if !g.Unified || o.Type != object.User {
		return nil
	}
	u, err := tx.User(store.UserID(o.ID))
	if err != nil || u.Type != user.Guest {
		return err
	}
	rules, err := tx.Effective(setting.GroupUnified, nil)
	if err != nil {
		return err
	}
	return group.CheckGuestOwner(rules.On(setting.AllowGuestsToBeGroupOwner))
}

// guestReads decides whether the caller, as a guest, may read the links of a
// group (DIR-134).
func guestReads(tx *store.Tx, who caller.Caller, g *group.Group) error {
	if who.Kind != caller.User || !who.Guest || !g.Unified || access.SeesHidden(who) {
		return nil
	}
	rules, err := tx.Effective(setting.GroupUnified, nil)
	if err != nil {
		return err
	}
	return access.GuestReads(rules.On(setting.AllowGuestsToAccessGroups))
}

// ownGroup decides whether a restricted guest may see a group, and reduces it
// to what such a guest sees (DIR-175).
func (s *Groups) ownGroup(tx *store.Tx, who caller.Caller, t *store.Tenant, g *pb.Group, id uuid.UUID) (*pb.Group, error) {
	if !access.OwnOnly(who, rights(t)) {
		return g, nil
	}
	groups, err := tx.GroupsOf(who.ObjectID, true, false, maxGroups)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(groups, id) {
		return nil, access.GuestReads(false)
	}
	return &pb.Group{Id: g.Id}, nil
}

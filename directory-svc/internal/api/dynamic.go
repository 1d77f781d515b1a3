package api

import (
	"context"
	"errors"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/dynamic"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/rule"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
)

// checkRule refuses a membership rule that cannot be understood or that asks
// about an extension the tenant does not have (DIR-142).
func (c *Core) checkRule(tx *store.Tx, text *string) error {
	if text == nil {
		return nil
	}
	r, err := rule.Parse(*text)
	if err != nil {
		var wrong *rule.SyntaxError
		if !errors.As(err, &wrong) {
			return err
		}
		return badRule(wrong.Error())
	}
	for _, name := range r.Extensions() {
		ok, err := tx.HasExtension(name)
		if err != nil {
			return err
		}
		if !ok {
			return badRule("the property user." + name + " is unknown")
		}
	}
	return nil
}

func badRule(problem string) error {
	f := property.Refused("membershipRule", "The membership rule is not valid: %s.", problem)
	return f.WithViolation("membershipRule", f.Message, "InvalidMembershipRule")
}

// saveRule checks a rule that is saved with an object, and the limits that
// stand beside it (DIR-153, DIR-155); nil is no rule. was tells that the
// object had one.
func (c *Core) saveRule(tx *store.Tx, id uuid.UUID, was bool, text *string) error {
	if text == nil {
		if was {
			tx.SetRuleSources(id, nil)
		}
		return nil
	}
	if err := c.checkRule(tx, text); err != nil {
		return err
	}
	if !was {
		n, err := tx.CountDynamicObjects(id)
		if err != nil {
			return err
		}
		if err := tx.Fits(quota.DynamicObjects, n+1); err != nil {
			return err
		}
	}
	r, err := rule.Parse(*text)
	if err != nil {
		return err
	}
	if len(r.MembersOf) > 0 {
		var s dynamic.Sources
		if s.Present, s.Chained, s.Named, err = tx.RuleSources(id, r.MembersOf); err != nil {
			return err
		}
		if err := dynamic.CheckSources(s); err != nil {
			return err
		}
		if err := tx.Fits(quota.MemberOfRules, s.Present+1); err != nil {
			return err
		}
		if err := tx.Fits(quota.GroupsPerRule, len(r.MembersOf)); err != nil {
			return err
		}
	}
	if was || len(r.MembersOf) > 0 {
		tx.SetRuleSources(id, r.MembersOf)
	}
	return nil
}

// aboutRule tells the properties of a group that say who is a member.
func aboutRule(p string) bool {
	return p == "membershipRule" || p == "membershipRuleProcessingState" || p == "groupTypes"
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// EvaluateDynamicMembership says whether a user matches the rule of a group,
// or a rule that is given, and writes nothing (DIR-141).
func (s *Groups) EvaluateDynamicMembership(ctx context.Context, req *pb.EvaluateDynamicMembershipRequest) (*pb.EvaluateDynamicMembershipResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if err := access.Directory(who, rights(t)); err != nil {
		return nil, err
	}
	member, err := objectID(req.MemberId)
	if err != nil {
		return nil, err
	}
	out := &pb.EvaluateDynamicMembershipResponse{}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		text := optional(req.MembershipRule)
		if req.Id != "" {
			id, err := objectID(req.Id)
			if err != nil {
				return err
			}
			g, err := tx.Group(id, store.Live, false)
			if err != nil {
				return err
			}
			if text == nil {
				text = g.Rule
			}
		}
		if text == nil {
			return property.Required("Group", "membershipRule")
		}
		if err := s.checkRule(tx, text); err != nil {
			return err
		}
		h, err := dynamic.NewHolder(uuid.Nil, object.Group, *text)
		if err != nil {
			return err
		}
		u, err := tx.User(store.UserID(member))
		if err != nil {
			return err
		}
		if err := s.mayEvaluate(tx, who, t, u.ID, h.Rule.MembersOf); err != nil {
			return err
		}
		groups, err := tx.GroupsHolding([]uuid.UUID{u.ID}, h.Rule.MembersOf)
		if err != nil {
			return err
		}
		extensions, err := tx.ExtensionTexts([]uuid.UUID{u.ID}, h.Rule.Extensions())
		if err != nil {
			return err
		}
		out.MembershipRule = *text
		out.MembershipRuleEvaluationResult = h.Holds(dynamic.Subject{User: u, Groups: groups[u.ID], Extensions: extensions[u.ID]}, s.now())
		return nil
	})
	return out, err
}

// mayEvaluate decides whether the caller may ask rules about a user: a rule
// tells any property, so all of them must be the caller's to read, and one
// about members tells who belongs to the groups it names.
func (s *Groups) mayEvaluate(tx *store.Tx, who caller.Caller, t *store.Tenant, id uuid.UUID, sources []uuid.UUID) error {
	if access.ReadUser(who, id, rights(t)) != access.Everything ||
		who.Kind == caller.Application && !who.HasAny(append([]string{"User.Read.All", "User.ReadWrite.All"}, readAll...)...) {
		return property.Denied()
	}
	if len(sources) == 0 {
		return nil
	}
	if err := readsHolders(who, rights(t), store.Link{ID: id, Type: object.User}); err != nil {
		return err
	}
	hiding, err := tx.Hiding(viewerOf(who, id), object.Group, sources)
	if err == nil && len(hiding) > 0 {
		err = property.Denied()
	}
	return err
}

// States of GetDynamicMembershipStatus.
const (
	upToDate   = "UpToDate"
	evaluating = "Evaluating"
	paused     = "Paused"
)

// GetDynamicMembershipStatus says how far the evaluation of a group's rule
// over all users has come.
func (s *Groups) GetDynamicMembershipStatus(ctx context.Context, req *pb.GetDynamicMembershipStatusRequest) (*pb.DynamicMembershipStatus, error) {
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
	out := &pb.DynamicMembershipStatus{GroupId: id.String(), State: evaluating}
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		g, err := tx.Group(id, store.Live, false)
		if err != nil {
			return err
		}
		if !g.Dynamic {
			return property.Refused("groupTypes", "The group has no membership rule.")
		}
		e, ok, err := tx.Evaluation(id)
		if err != nil {
			return err
		}
		if ok && e.Rule == *g.Rule {
			out.EvaluatedCount, out.TotalCount, out.LastMembershipUpdated = int32(e.Evaluated), int32(e.Total), stamp(e.Updated)
			if e.After == nil {
				out.State = upToDate
			}
		}
		if g.RuleState != nil && *g.RuleState == "Paused" {
			out.State = paused
		}
		return nil
	})
	return out, err
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	policypb "entente.dev/proto/gen/entente/policy/v1"

	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/plan"
)

// errUnsettled ends a cycle while the policies change faster than they can be asked.
var errUnsettled = errors.New("check policy: the answers contradict each other")

// ask puts questions about users to the target's policy. It fails while
// synchronization as a whole is not allowed.
func (r *run) ask(ctx context.Context, users []*policypb.CheckSyncUsersRequest_User) (*policypb.CheckSyncUsersResponse, error) {
	for range 3 {
		answer, err := r.Policy.CheckSyncUsers(ctx, &policypb.CheckSyncUsersRequest{SourceTenantId: r.job.Tenant.String(),
			TargetTenantId: r.job.Target.String(), Users: users})
		if err != nil {
			return nil, fmt.Errorf("check policy: %w", err)
		}
		if answer.GetSyncAllowed() && !answer.GetAllAllowed() && len(answer.GetRefusals()) != len(users) {
			return nil, fmt.Errorf("check policy: %d answers about %d users", len(answer.GetRefusals()), len(users))
		}
		if answer.GetSyncAllowed() {
			return answer, nil
		}
		// Names the condition that fails; when none does, it was met meanwhile.
		if err := r.connection(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errUnsettled
}

// permit asks the target's policy about the page: whether synchronization is
// still allowed, and about each user that would be new there or get another
// address.
func (r *run) permit(ctx context.Context, p *page) error {
	var asked []*candidate
	var users []*policypb.CheckSyncUsersRequest_User
	for _, c := range p.all {
		if c.address = questioned(c); c.address != "" {
			asked = append(asked, c)
			users = append(users, &policypb.CheckSyncUsersRequest_User{UserId: c.id.String(), Email: c.address, Existing: c.decision.Action == plan.Update})
		}
	}
	answer, err := r.ask(ctx, users)
	if err != nil {
		return err
	}
	p.version = answer.GetPolicyVersion()
	if answer.GetAllAllowed() {
		return nil
	}
	for i, c := range asked {
		if rule := answer.GetRefusals()[i]; rule != "" {
			r.refuse(c, rule)
		}
	}
	return nil
}

// questioned is the address by which the target's policy is asked about a
// candidate: the one the user will have there. It is empty where the policy has
// no say: removals, and updates that leave the address alone (SYN-9).
func questioned(c *candidate) string {
	written := ""
	for _, w := range c.writes {
		if w.Attribute == mapping.AttrMail && !w.Forced && !w.New.IsEmpty() {
			written = w.New.String()
		}
	}
	kept := ""
	switch c.decision.Action {
	case plan.Update:
		return written
	case plan.Create:
	case plan.Restore:
		kept = c.target.GetUser().GetMail()
	case plan.Adopt:
		kept = c.pending[0].GetUser().GetMail()
	default:
		return ""
	}
	for _, address := range []string{written, kept, c.source.GetUser().GetMail()} {
		if address != "" {
			return address
		}
	}
	return c.source.GetUser().GetUserPrincipalName()
}

// refuse applies a refusal of the target's policy to a candidate. An address
// that is not admitted must not keep a disabled user enabled: that much is
// written without it.
func (r *run) refuse(c *candidate, rule string) {
	if c.decision.Action != plan.Update || !r.disables(c) {
		c.fail(refusalFault(rule))
		return
	}
	c.withheld = rule
	c.writes = slices.DeleteFunc(c.writes, func(w mapping.Write) bool { return w.Attribute == mapping.AttrMail })
}

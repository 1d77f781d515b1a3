package engine

import (
	"context"
	"errors"
	"fmt"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/scope"
	"entente.dev/sync-svc/internal/store"
)

// candidate is one source object under evaluation, with all that was looked up.
type candidate struct {
	id       uuid.UUID
	source   *directorypb.SourceUser // nil when it does not exist any more
	assigned bool
	link     store.Link
	known    bool // a link row exists
	escrow   *store.Escrow
	target   *directorypb.TargetUser   // holds the home key
	pending  []*directorypb.TargetUser // pending users with an address of the source

	entitled scope.Decision
	decision plan.Decision
	writes   []mapping.Write
	upn      bool   // the sign-in name is written
	manager  string // home id to send, "-" to clear, "" to leave
	address  string // the target's policy was asked about it
	withheld string // the rule of the target's policy that keeps the address as it is
	fault    *failure
}

// failure is a failure of one object in the words of the log.
type failure struct{ code, reason, details string }

// page is a set of candidates of one batch.
type page struct {
	all     []*candidate
	version int64 // of the target's policy
}

// gather looks up links, source objects and assignments of the named objects.
func (r *run) gather(ctx context.Context, ids []uuid.UUID) ([]*candidate, error) {
	request := &directorypb.ListSourceUsersRequest{TenantId: r.job.Tenant.String()}
	for _, id := range ids {
		request.Ids = append(request.Ids, id.String())
	}
	users, err := r.Source.ListSourceUsers(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("read source users: %w", err)
	}
	assigned := map[string]bool{}
	if !r.meaning.SyncAll {
		if assigned, err = r.assigned(ctx, request.Ids); err != nil {
			return nil, err
		}
	}
	found := make(map[string]*directorypb.SourceUser, len(users.GetUsers()))
	for _, u := range users.GetUsers() {
		found[u.GetUser().GetId()] = u
	}
	list := make([]*candidate, len(ids))
	for i, id := range ids {
		list[i] = &candidate{id: id, source: found[id.String()], assigned: assigned[id.String()]}
	}
	return list, r.connect(ctx, list)
}

func (r *run) assigned(ctx context.Context, ids []string) (map[string]bool, error) {
	response, err := r.Source.ListAssignees(ctx, &directorypb.ListAssigneesRequest{TenantId: r.job.Tenant.String(),
		ServicePrincipalId: r.job.ServicePrincipal.String(), UserIds: ids, Limit: int32(len(ids))})
	if err != nil {
		return nil, fmt.Errorf("read assignments: %w", err)
	}
	m := make(map[string]bool, len(response.GetUserIds()))
	for _, id := range response.GetUserIds() {
		m[id] = true
	}
	return m, nil
}

// connect adds links and escrows to candidates.
func (r *run) connect(ctx context.Context, list []*candidate) error {
	ids := make([]uuid.UUID, len(list))
	for i, c := range list {
		ids[i] = c.id
	}
	return r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
		links, err := tx.Links(r.job.Key, ids)
		if err != nil {
			return err
		}
		escrows, err := tx.Escrows(r.job.Key, ids)
		if err != nil {
			return err
		}
		for _, c := range list {
			c.link, c.known = links[c.id]
			c.link.Source = c.id
			if e, ok := escrows[c.id]; ok {
				c.escrow = &e
			}
		}
		return nil
	})
}

// entitle decides scope of a candidate; it needs nothing of the target.
func (r *run) entitle(c *candidate) {
	if c.source == nil {
		c.entitled = scope.Decide(scope.Facts{}, r.rules())
		return
	}
	u := r.view(c.source)
	userType := c.source.GetUser().GetUserType()
	c.entitled = scope.Decide(scope.Facts{
		Importable:   c.source.GetUser().GetId() != "" && r.program.Scope.Imports(u),
		External:     c.source.GetExternal(),
		Member:       userType != directorypb.User_Guest,
		Assigned:     c.assigned,
		FilterPassed: r.program.Scope.Passes(u),
		Live:         !c.source.GetDeleted(),
		Enabled:      c.source.GetUser().GetAccountEnabled(),
		Linked:       c.link.Managed(),
	}, r.rules())
}

func (r *run) view(s *directorypb.SourceUser) user {
	return user{u: s.GetUser(), manager: s.GetManagerId(), deleted: s.GetDeleted(), external: s.GetExternal()}
}

// removes reports whether the candidate counts for the brake on removals: it
// is to be deleted or disabled in the target (SYN-208).
func (r *run) removes(c *candidate) bool {
	if c.link.State != store.Linked {
		return false
	}
	if !c.entitled.Entitled {
		d := plan.Decide(r.state(c), plan.Target{State: plan.Live, Linked: true}, r.settings())
		return d.Action == plan.Delete
	}
	return r.program.Enabled && !c.source.GetUser().GetAccountEnabled() && !c.link.Disabled
}

func (r *run) state(c *candidate) plan.Source {
	return plan.Source{Gone: c.source == nil, Deleted: c.source.GetDeleted(), Enabled: c.source.GetUser().GetAccountEnabled(), Scope: c.entitled}
}

// decide completes a page: it looks up the target, asks the target's policy,
// and plans every candidate.
func (r *run) decide(ctx context.Context, p *page) error {
	for _, c := range p.all {
		r.entitle(c)
	}
	if err := r.match(ctx, p.all); err != nil {
		return err
	}
	for _, c := range p.all {
		r.plan(c)
	}
	return r.permit(ctx, p)
}

// match finds the target objects of those candidates that may have one.
func (r *run) match(ctx context.Context, list []*candidate) error {
	var ids, invited []string
	byID := map[string]*candidate{}
	byAddress := map[string][]*candidate{}
	for _, c := range list {
		if !c.entitled.Entitled && !c.link.Managed() {
			continue
		}
		byID[c.id.String()] = c
		ids = append(ids, c.id.String())
		if c.entitled.Active && !c.link.Managed() {
			for _, a := range addresses(c.source.GetUser()) {
				if byAddress[a] == nil {
					invited = append(invited, a)
				}
				byAddress[a] = append(byAddress[a], c)
			}
		}
	}
	for len(ids) > 0 || len(invited) > 0 {
		n := min(len(invited), mostAddresses)
		response, err := r.Target.ListTargetUsers(ctx, &directorypb.ListTargetUsersRequest{ResourceTenantId: r.job.Target.String(),
			HomeTenantId: r.job.Tenant.String(), HomeObjectIds: ids, Addresses: invited[:n]})
		if err != nil {
			return fmt.Errorf("read target users: %w", err)
		}
		ids, invited = nil, invited[n:]
		for _, t := range response.GetUsers() {
			if t.GetHomeObjectId() != "" {
				if c := byID[t.GetHomeObjectId()]; c != nil && (c.target == nil || !t.GetDeleted()) {
					c.target = t
				}
				continue
			}
			for _, c := range byAddress[lower(t.GetInvitedEmail())] {
				c.pending = append(c.pending, t)
			}
		}
	}
	return nil
}

// mostAddresses is how many addresses one request may ask for.
const mostAddresses = 1000

// plan decides one candidate and computes what is written.
func (r *run) plan(c *candidate) {
	t := plan.Target{Linked: c.link.Managed()}
	switch {
	case c.target != nil && !c.target.GetDeleted():
		t.State = plan.Live
	case c.target != nil:
		t.State = plan.SoftDeleted
		t.DeletedBySync = c.target.GetDeletedBy() == "sync:"+r.job.ID
	case len(c.pending) == 1:
		t.State = plan.Pending
		t.AddressVerified = r.facts.verified[domain(c.pending[0].GetInvitedEmail())]
	case len(c.pending) > 1:
		t.State = plan.PendingSeveral
	}
	if c.target != nil && t.Linked && c.link.Target.String() != c.target.GetUser().GetId() {
		c.link.Target = uuid.Nil // another object took the place; it is linked anew
	}
	c.decision = plan.Decide(r.state(c), t, r.settings())
	if (r.staging && r.removes(c)) && !r.allowed[c.id] {
		c.decision = plan.Decision{Action: plan.Skip, Reason: stagedReason}
	}
	switch c.decision.Action {
	case plan.Create, plan.Adopt, plan.Update, plan.Restore:
		r.compute(c)
	}
}

// stagedReason marks removals that wait; it is no reason of the log.
const stagedReason = "staged"

// compute maps the attributes of a candidate that is written.
func (r *run) compute(c *candidate) {
	view := r.view(c.source)
	env := r.env(view)
	var err error
	switch c.decision.Action {
	case plan.Create:
		c.writes, err = r.program.Create(env)
		c.writes = addressed(c.writes, c.source.GetUser())
		c.upn = true
	default:
		current := c.target
		if c.decision.Action == plan.Adopt {
			current = c.pending[0]
		}
		c.writes, err = r.program.Update(env, user{u: current.GetUser()})
		c.upn = c.decision.Action == plan.Adopt || r.program.UPN && c.link.Managed() && c.link.HomeUPN != "" && c.link.HomeUPN != c.source.GetUser().GetUserPrincipalName()
	}
	if err != nil {
		c.fail(mappingFault(err))
		return
	}
	r.reference(c)
	if c.decision.Action == plan.Update && len(c.writes) == 0 && !c.upn && c.manager == "" {
		c.decision = plan.Decision{Action: plan.Skip, Reason: plan.RedundantExport}
	}
}

// addressed gives a new user an address: without a mail address at the source
// it is invited by its sign-in name, which has the form of one.
func addressed(writes []mapping.Write, u *directorypb.User) []mapping.Write {
	for _, w := range writes {
		if w.Attribute == mapping.AttrMail {
			return writes
		}
	}
	return append(writes, mapping.Write{Attribute: mapping.AttrMail, New: expression.TextValue(u.GetUserPrincipalName())})
}

// reference decides what is sent about the manager.
func (r *run) reference(c *candidate) {
	if !r.program.Manager || r.program.ManagerOnAdd && c.decision.Action != plan.Create {
		return
	}
	wanted := c.source.GetManagerId()
	fresh := c.decision.Action != plan.Update || !c.link.Managed()
	switch {
	case wanted != "" && (fresh || c.link.Manager.String() != wanted || c.link.ManagerState == store.ManagerSet && c.target.GetManagerId() == ""):
		c.manager = wanted
	case wanted == "" && r.program.FlowManagerNull && (c.target.GetManagerId() != "" || c.link.ManagerState >= store.ManagerPending):
		c.manager = "-"
	}
}

func (c *candidate) fail(f *failure) {
	c.fault = f
	c.decision = plan.Decision{Action: plan.Fail, Reason: f.code}
}

func mappingFault(err error) *failure {
	if e := (*mapping.Error)(nil); errors.As(err, &e) {
		return &failure{code: e.Code, reason: "An attribute mapping failed for this object: " + e.Reason + ". Correct the mapping of " + e.Attribute + " or the value at the source.",
			details: fmt.Sprintf("target attribute %s, function %s: %s", e.Attribute, e.Function, e.Reason)}
	}
	return &failure{code: "InternalError", reason: "The mapping failed.", details: ""}
}

package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/store"
)

// recover finishes the batches that an earlier holder stored and did not
// record.
func (r *run) recover(ctx context.Context) error {
	var batches []store.Batch
	err := r.Store.Read(ctx, r.job.Tenant, func(tx *store.Tx) error {
		var err error
		batches, err = tx.Batches(r.job.Key)
		return err
	})
	if err != nil {
		return err
	}
	for _, b := range batches {
		if err := r.redo(ctx, b); err != nil {
			return err
		}
		r.seq = b.Seq
	}
	return nil
}

// redo sends a stored batch again and records it.
func (r *run) redo(ctx context.Context, b store.Batch) error {
	request := &directorypb.ApplyExternalUsersRequest{}
	if err := proto.Unmarshal(b.Request, request); err != nil {
		return fmt.Errorf("decode batch: %w", err)
	}
	var n notes
	if err := json.Unmarshal(b.Drafts, &n); err != nil {
		return fmt.Errorf("decode batch: %w", err)
	}
	for i := range n.Drafts {
		n.Drafts[i].Record.Header = n.Header
	}
	// The batch goes out under the present token and policy. Versions are not
	// compared: those that were written already have moved on.
	request.FencingToken = r.lease.Fence
	for _, item := range request.Items {
		item.ExpectedVersion = 0
	}
	results, err := r.replay(ctx, request, n.Drafts)
	if err != nil {
		return err
	}
	// The figures are those of the cycle as recorded; the checkpoint is the batch's.
	c := b.Cycle
	if r.job.Cycle != nil && r.job.Cycle.ID == c.ID {
		after := c.After
		c = *r.job.Cycle
		c.After = max(c.After, after)
	}
	if err := r.record(ctx, r.settle(n.Drafts, results, false), &c, b.Seq); err != nil {
		return err
	}
	if r.job.Cycle != nil && r.job.Cycle.ID == c.ID {
		r.job.Cycle = &c
	}
	return nil
}

// replay sends a stored batch under the target's present policy. While the
// policy refuses, the batch stays stored.
func (r *run) replay(ctx context.Context, request *directorypb.ApplyExternalUsersRequest, drafts []draft) ([]*directorypb.ApplyExternalUsersResponse_Result, error) {
	for attempt := 1; ; attempt++ {
		if err := r.readmit(ctx, request, drafts); err != nil || len(request.GetItems()) == 0 {
			return nil, err
		}
		results, err := r.apply(ctx, request)
		if attempt == 3 || !fault.Is(err, errorspb.Reason_POLICY_VERSION_STALE) {
			return results, err
		}
	}
}

// readmit asks the target's present policy about the users of a stored batch,
// as permit does about those of a page. Items that are refused now are dropped
// and their drafts fail, unless they were written before the refusal: what
// happened is recorded as it was.
func (r *run) readmit(ctx context.Context, request *directorypb.ApplyExternalUsersRequest, drafts []draft) error {
	var sent []*draft // in the order of the items
	for i := range drafts {
		if drafts[i].Sent {
			sent = append(sent, &drafts[i])
		}
	}
	var users []*policypb.CheckSyncUsersRequest_User
	var places []int
	for i, item := range request.GetItems() {
		if u := requestioned(item, sent[i]); u != nil {
			users, places = append(users, u), append(places, i)
		}
	}
	answer, err := r.ask(ctx, users)
	if err != nil {
		return err
	}
	request.PolicyVersion = answer.GetPolicyVersion()
	if answer.GetAllAllowed() {
		return nil
	}
	rules := map[int]string{}
	var refused []*directorypb.ApplyExternalUsersRequest_Item
	for k, i := range places {
		if rule := answer.GetRefusals()[k]; rule != "" {
			rules[i] = rule
			refused = append(refused, request.GetItems()[i])
		}
	}
	written, err := r.present(ctx, refused)
	if err != nil {
		return err
	}
	var kept []*directorypb.ApplyExternalUsersRequest_Item
	for i, item := range request.GetItems() {
		if rule := rules[i]; rule == "" || written[item.GetHomeObjectId()] || sent[i].withhold(item, rule) {
			kept = append(kept, item)
		} else {
			sent[i].refuse(rule)
		}
	}
	request.Items = kept
	return nil
}

// mailPath is the address among the fields of an item.
const mailPath = "mail"

// requestioned is what the target's policy is asked about a stored item, nil
// where it has no say.
func requestioned(item *directorypb.ApplyExternalUsersRequest_Item, d *draft) *policypb.CheckSyncUsersRequest_User {
	mail := item.GetAttributes().GetMail()
	u := &policypb.CheckSyncUsersRequest_User{UserId: item.GetHomeObjectId(), Email: cmp.Or(d.Address, mail, d.Record.Source.UPN)}
	switch item.GetOperation() {
	case directorypb.ApplyExternalUsersRequest_Item_create, directorypb.ApplyExternalUsersRequest_Item_adopt, directorypb.ApplyExternalUsersRequest_Item_restore:
		return u
	case directorypb.ApplyExternalUsersRequest_Item_update:
		if mail != "" {
			u.Email, u.Existing = mail, true
			return u
		}
	}
	return nil
}

// present finds those items that had their effect already, by their source
// objects: the user is there, with the address of the item.
func (r *run) present(ctx context.Context, items []*directorypb.ApplyExternalUsersRequest_Item) (map[string]bool, error) {
	if len(items) == 0 {
		return nil, nil
	}
	request := &directorypb.ListTargetUsersRequest{ResourceTenantId: r.job.Target.String(), HomeTenantId: r.job.Tenant.String()}
	addresses := map[string]string{}
	for _, item := range items {
		request.HomeObjectIds = append(request.HomeObjectIds, item.GetHomeObjectId())
		addresses[item.GetHomeObjectId()] = item.GetAttributes().GetMail()
	}
	response, err := r.Target.ListTargetUsers(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("read target users: %w", err)
	}
	there := map[string]bool{}
	for _, t := range response.GetUsers() {
		if address, ok := addresses[t.GetHomeObjectId()]; ok && !t.GetDeleted() {
			there[t.GetHomeObjectId()] = address == "" || strings.EqualFold(address, t.GetUser().GetMail())
		}
	}
	return there, nil
}

// withhold takes the refused address out of an item that disables its user, and
// reports whether it was such an item: that much is written without it.
func (d *draft) withhold(item *directorypb.ApplyExternalUsersRequest_Item, rule string) bool {
	a := item.GetAttributes()
	if item.GetOperation() != directorypb.ApplyExternalUsersRequest_Item_update || a.AccountEnabled == nil || a.GetAccountEnabled() {
		return false
	}
	a.Mail = nil
	item.Mask = slices.DeleteFunc(item.Mask, func(path string) bool { return path == mailPath })
	d.Record.Modified, d.Record.Details = without(d.Record.Modified, mapping.AttrMail), withheldDetails(rule)
	return true
}

// refuse turns the draft of an item that is not sent into that of a failure.
func (d *draft) refuse(rule string) {
	f := refusalFault(rule)
	if d.Action == plan.Adopt && !d.Known {
		d.Record.Action = actionCreate
	}
	d.Sent, d.Action, d.Fault = false, plan.Fail, f.code
	d.Record.Reason, d.Record.Details = f.reason, f.details
	d.Record.Modified = without(d.Record.Modified, "IsSoftDeleted")
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/quarantine"
	"entente.dev/sync-svc/internal/store"
)

// ErrChanged ends a cycle whose job was changed meanwhile: paused, deleted,
// restarted or given another schema. Everything done so far is recorded.
var ErrChanged = errors.New("the job was changed")

// draft is what will be recorded about one object once its outcome is known.
// Drafts are stored with the batch, so that whoever finishes it records the
// same.
type draft struct {
	Record store.Record  `json:"r"`
	Link   store.Link    `json:"l"`
	Escrow *store.Escrow `json:"e,omitempty"`
	Action plan.Action   `json:"a"`
	Unlink bool          `json:"u,omitempty"`
	Sent   bool          `json:"s,omitempty"` // it has an item in the request
	Fault  string        `json:"f,omitempty"`
	Log    bool          `json:"log,omitempty"`
	Keep   bool          `json:"k,omitempty"` // the link is written
	// Manager is the home id of the manager that was sent, "-" or "".
	Manager string `json:"m,omitempty"`
	// Known tells that the object was connected before.
	Known    bool `json:"known,omitempty"`
	Entitled bool `json:"ent,omitempty"`
	Active   bool `json:"act,omitempty"`
	// Address is the one the target's policy was asked about, if it was.
	Address string `json:"to,omitempty"`
	// Reference marks the second step of an object that was counted before.
	Reference bool `json:"ref,omitempty"`
}

// notes are the drafts of a batch as they are stored.
type notes struct {
	Header store.Header `json:"h"`
	Drafts []draft      `json:"d"`
}

// outcome is what a batch leaves behind.
type outcome struct {
	links   []store.Link
	escrows []store.Escrow
	healed  []uuid.UUID
	records []store.Record
	counts  job.Counts
	linked  int64
	stale   []uuid.UUID
}

// execute plans, sends and records one page.
func (r *run) execute(ctx context.Context, p *page, c *job.Cycle) error {
	if err := r.decide(ctx, p); err != nil {
		return err
	}
	return r.export(ctx, p, c)
}

// export sends and records a page that was decided. Objects that changed in
// the target between reading and writing are decided again, at most three times.
func (r *run) export(ctx context.Context, p *page, c *job.Cycle) error {
	for attempt := 1; ; attempt++ {
		request, drafts, err := r.compose(p, c)
		if err != nil {
			return err
		}
		stale, err := r.send(ctx, request, drafts, c, attempt < 3)
		if fault.Is(err, errorspb.Reason_POLICY_VERSION_STALE) && attempt < 3 {
			// The target changed its policies since the page was allowed: decide again.
			if err = r.again(ctx, p, ids(p.all)); err != nil {
				return err
			}
			continue
		}
		if err != nil || len(stale) == 0 {
			return err
		}
		if err := r.again(ctx, p, stale); err != nil {
			return err
		}
	}
}

func ids(list []*candidate) []uuid.UUID {
	out := make([]uuid.UUID, len(list))
	for i, c := range list {
		out[i] = c.id
	}
	return out
}

// again reads and decides objects anew.
func (r *run) again(ctx context.Context, p *page, objects []uuid.UUID) error {
	fresh, err := r.gather(ctx, objects)
	if err != nil {
		return err
	}
	p.all = fresh
	return r.decide(ctx, p)
}

// compose turns a decided page into a request and drafts. Removals come first,
// so that they never wait for creates.
func (r *run) compose(p *page, c *job.Cycle) (*directorypb.ApplyExternalUsersRequest, []draft, error) {
	sort.SliceStable(p.all, func(i, j int) bool {
		return p.all[i].decision.Action == plan.Delete && p.all[j].decision.Action != plan.Delete
	})
	request := &directorypb.ApplyExternalUsersRequest{ResourceTenantId: r.job.Target.String(), HomeTenantId: r.job.Tenant.String(),
		JobId: r.job.ID, FencingToken: r.lease.Fence, PolicyVersion: p.version, CorrelationId: c.ID.String()}
	drafts := make([]draft, 0, len(p.all))
	for _, cand := range p.all {
		if cand.decision.Reason == stagedReason {
			continue
		}
		d, err := r.draft(cand, c)
		if err != nil {
			return nil, nil, err
		}
		if item := r.item(cand); item != nil {
			d.Sent = true
			request.Items = append(request.Items, item)
		}
		drafts = append(drafts, d)
	}
	// Drafts with an item stand in the order of the items, the rest after them.
	sort.SliceStable(drafts, func(i, j int) bool { return drafts[i].Sent && !drafts[j].Sent })
	return request, drafts, nil
}

// item is what is sent for a candidate, or nil.
func (r *run) item(c *candidate) *directorypb.ApplyExternalUsersRequest_Item {
	item := &directorypb.ApplyExternalUsersRequest_Item{HomeObjectId: c.id.String(), TargetId: c.target.GetUser().GetId(),
		ExpectedVersion: c.target.GetVersion(), ManagerHomeObjectId: c.manager}
	switch c.decision.Action {
	case plan.Create:
		item.Operation = directorypb.ApplyExternalUsersRequest_Item_create
	case plan.Update:
		item.Operation = directorypb.ApplyExternalUsersRequest_Item_update
	case plan.Restore:
		item.Operation = directorypb.ApplyExternalUsersRequest_Item_restore
	case plan.Adopt:
		item.Operation = directorypb.ApplyExternalUsersRequest_Item_adopt
		item.TargetId, item.ExpectedVersion = c.pending[0].GetUser().GetId(), c.pending[0].GetVersion()
	case plan.Delete:
		item.Operation = directorypb.ApplyExternalUsersRequest_Item_softDelete
		return item
	default:
		return nil
	}
	item.Attributes = &directorypb.User{}
	seen := map[string]bool{}
	for _, w := range c.writes {
		if path := assign(item.Attributes, w); path != "" && !seen[path] {
			seen[path] = true
			item.Mask = append(item.Mask, path)
		}
	}
	if c.upn {
		item.HomeUserPrincipalName = c.source.GetUser().GetUserPrincipalName()
	}
	return item
}

// send stores, sends and records a batch. Objects that were stale are returned
// when they may be tried again.
func (r *run) send(ctx context.Context, request *directorypb.ApplyExternalUsersRequest, drafts []draft, c *job.Cycle, retry bool) ([]uuid.UUID, error) {
	var results []*directorypb.ApplyExternalUsersResponse_Result
	var seq int64
	if len(request.GetItems()) > 0 {
		var err error
		if seq, err = r.remember(ctx, request, drafts, *c); err != nil {
			return nil, err
		}
		if results, err = r.apply(ctx, request); err != nil {
			if fault.Is(err, errorspb.Reason_POLICY_VERSION_STALE) {
				err = errors.Join(err, r.forget(ctx))
			}
			return nil, err
		}
	}
	o := r.settle(drafts, results, retry)
	return o.stale, r.record(ctx, o, c, seq)
}

// apply writes a batch into the target; what it answers fits the items. A batch
// that is refused as a whole is halved until the object that causes it is found:
// one poisonous object must not block the others (SYN-259).
func (r *run) apply(ctx context.Context, request *directorypb.ApplyExternalUsersRequest) ([]*directorypb.ApplyExternalUsersResponse_Result, error) {
	response, err := r.Target.ApplyExternalUsers(ctx, request)
	n := len(request.GetItems())
	var refusal *fault.Error
	if errors.As(err, &refusal) && (refusal.Kind == fault.KindInvalid || refusal.Kind == fault.KindInternal) {
		if n == 1 {
			return []*directorypb.ApplyExternalUsersResponse_Result{{Outcome: "failed", TargetId: request.GetItems()[0].GetTargetId(), ErrorCode: "InternalError",
				ErrorMessage: refusal.Message}}, nil
		}
		return r.halves(ctx, request)
	}
	if err != nil {
		return nil, fmt.Errorf("write target users: %w", err)
	}
	if got := len(response.GetResults()); got != n {
		return nil, fmt.Errorf("write target users: %d results for %d items", got, n)
	}
	return response.GetResults(), nil
}

func (r *run) halves(ctx context.Context, request *directorypb.ApplyExternalUsersRequest) ([]*directorypb.ApplyExternalUsersResponse_Result, error) {
	var results []*directorypb.ApplyExternalUsersResponse_Result
	items := request.GetItems()
	for _, part := range [][]*directorypb.ApplyExternalUsersRequest_Item{items[:len(items)/2], items[len(items)/2:]} {
		half := proto.CloneOf(request)
		half.Items = part
		some, err := r.apply(ctx, half)
		if err != nil {
			return nil, err
		}
		results = append(results, some...)
	}
	return results, nil
}

// remember stores a batch before it is sent and returns its number. On demand
// nothing is stored: who asked waits for the outcome, and asks again.
func (r *run) remember(ctx context.Context, request *directorypb.ApplyExternalUsersRequest, drafts []draft, c job.Cycle) (int64, error) {
	if !r.hold {
		return 0, nil
	}
	body, err := proto.Marshal(request)
	if err != nil {
		return 0, fmt.Errorf("encode batch: %w", err)
	}
	stored, err := json.Marshal(notes{Header: drafts[0].Record.Header, Drafts: drafts})
	if err != nil {
		return 0, fmt.Errorf("encode batch: %w", err)
	}
	r.seq++
	seq := r.seq
	return seq, r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		// The row of the job is locked last: the page before this one wants it too.
		if err := tx.SaveBatch(r.job.Key, store.Batch{Seq: seq, Request: body, Drafts: stored, Cycle: c}); err != nil {
			return err
		}
		return r.unchanged(tx)
	})
}

// forget drops stored batches that were not sent, or refused as a whole.
func (r *run) forget(ctx context.Context) error {
	if !r.hold {
		return nil
	}
	return r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		if err := tx.Hold(r.lease, r.Clock.Now().Add(r.LeaseLife)); err != nil {
			return err
		}
		tx.DropBatches(r.job.Key)
		return nil
	})
}

// unchanged makes sure that the run still holds its job, as it was loaded.
func (r *run) unchanged(tx *store.Tx) error {
	generation, active, err := tx.Generation(r.job.ID)
	if err != nil {
		return err
	}
	if err := tx.Hold(r.lease, r.Clock.Now().Add(r.LeaseLife)); err != nil {
		return err
	}
	if generation != r.job.Generation || !active {
		return ErrChanged
	}
	return nil
}

// record commits the outcome of a batch together with the checkpoint.
// seq is the number of the stored batch, 0 when nothing was sent.
func (r *run) record(ctx context.Context, o outcome, c *job.Cycle, seq int64) error {
	next := *c
	next.Counts.Add(o.counts)
	next.Observed = r.Clock.Now()
	changed := false
	err := r.Store.Write(ctx, r.job.Tenant, func(tx *store.Tx) error {
		changed = false
		connected := true
		// Records are added before the row of the job is locked, which the page
		// behind this one wants too.
		if err := tx.AppendLog(o.records); err != nil {
			return err
		}
		if r.hold {
			err := r.unchanged(tx)
			if changed = errors.Is(err, ErrChanged); err != nil && !changed {
				return err
			}
			if seq > 0 {
				// The batch is gone when the connections were dropped meanwhile:
				// what happened is logged, but connects nothing any more.
				if connected, err = tx.DropBatch(r.job.Key, seq); err != nil {
					return err
				}
			} else if changed {
				return ErrChanged
			}
		}
		now := r.Clock.Now()
		if connected {
			tx.SaveLinks(r.job.Key, o.links, now)
			tx.SaveEscrows(r.job.Key, o.escrows)
			tx.DropEscrows(r.job.Key, o.healed)
		}
		if r.hold {
			return tx.SaveCycle(r.job.ID, next, o.linked)
		}
		if connected && o.linked > 0 {
			tx.AddSynchronized(r.job.ID, o.linked)
		}
		return nil
	})
	if err != nil {
		return err
	}
	*c = next
	r.written = o.records
	r.count(o)
	if changed {
		return ErrChanged
	}
	return nil
}

func (r *run) count(o outcome) {
	for _, record := range o.records {
		r.Metrics.objects.WithLabelValues(actionNames[record.Action], statusNames[record.Status]).Inc()
	}
}

// settle turns results into what is recorded.
func (r *run) settle(drafts []draft, results []*directorypb.ApplyExternalUsersResponse_Result, retry bool) outcome {
	var o outcome
	now := r.Clock.Now()
	sent := 0
	for _, d := range drafts {
		if d.Entitled && !d.Reference {
			o.counts.Entitled++
		}
		if d.Active {
			o.counts.ForProvisioning++
		}
		var result *directorypb.ApplyExternalUsersResponse_Result
		if d.Sent {
			result = results[sent]
			sent++
			o.counts.Exports++
			if retry && strings.EqualFold(result.GetErrorCode(), "stale") {
				// An escrow keeps the object in mind should the next attempt not happen.
				o.stale = append(o.stale, d.Link.Source)
				o.escrows = append(o.escrows, store.Escrow{Source: d.Link.Source, Code: "stale", FirstAt: now, NextAt: now})
				o.counts.Exports--
				continue
			}
		}
		d.Log = d.Log || r.always
		d.settle(result, &o, now, r.job.Interval, r.always)
	}
	return o
}

// settle records one object.
//
// Every object ends in exactly one of exported, redundant, skipped and
// escrowed, and counts as imported once (SYN-261).
func (d *draft) settle(result *directorypb.ApplyExternalUsersResponse_Result, o *outcome, now time.Time, interval time.Duration, always bool) {
	if d.Reference {
		figures := o.counts
		defer func() {
			figures.ReferencesFailed, figures.EscrowedRaw = o.counts.ReferencesFailed, o.counts.EscrowedRaw
			o.counts = figures
		}()
	}
	o.counts.Imported++
	d.Record.Duration = now.Sub(d.Record.At)
	code := d.Fault
	if result.GetOutcome() == "failed" {
		code = result.GetErrorCode()
		if code == "" {
			code = "InternalError"
		}
		d.Record.Reason, d.Record.Details = failureSentence(code), result.GetErrorMessage()
	}
	switch {
	case code != "":
		d.failed(code, o, now, interval, always)
	case d.Sent:
		d.succeeded(result, o)
	case d.Action == plan.Skip || d.Action == plan.Release:
		if d.Link.Reason == plan.RedundantExport {
			o.counts.Redundant++
			d.Link.Reason = ""
		} else {
			o.counts.Skipped++
		}
	}
	if code == "" && d.Escrow != nil {
		o.healed = append(o.healed, d.Link.Source)
	}
	if d.Keep {
		o.links = append(o.links, d.Link)
	}
	if d.Log {
		o.records = append(o.records, d.Record)
	}
}

func (d *draft) failed(code string, o *outcome, now time.Time, interval time.Duration, always bool) {
	e := store.Escrow{Source: d.Link.Source, Code: code, FirstAt: now}
	if d.Escrow != nil {
		e.FirstAt, e.Attempts = d.Escrow.FirstAt, d.Escrow.Attempts
	}
	e.Attempts++
	e.NextAt = quarantine.Retry(e.Attempts, interval, now)
	o.counts.Escrowed++
	o.counts.EscrowedRaw++
	o.escrows = append(o.escrows, e)
	d.Record.Status, d.Record.ErrorCode, d.Record.Category = statusFailure, code, category(code)
	d.Record.Recommended = recommendation(code)
	if d.Record.Reason == "" {
		d.Record.Reason = failureSentence(code)
	}
	// The same failure again is not logged with every attempt.
	d.Log = always || d.Escrow == nil || d.Escrow.Code != code || e.Attempts%8 == 0
	d.Keep = d.Unlink
	if d.Unlink {
		d.Link.State, d.Link.Target = store.Gone, uuid.Nil
	}
}

func (d *draft) succeeded(result *directorypb.ApplyExternalUsersResponse_Result, o *outcome) {
	o.counts.Exported++
	d.Record.Target.ID = result.GetTargetId()
	if id, err := uuid.Parse(result.GetTargetId()); err == nil {
		d.Link.Target = id
	}
	if d.Action == plan.Delete {
		d.Link.State = store.Deleted
		if d.Unlink {
			d.Link.State, d.Link.Target = store.Gone, uuid.Nil
		}
		return
	}
	if !d.Known {
		o.linked++
	}
	d.Link.State, d.Link.Reason = store.Linked, ""
	switch {
	case d.Manager == "-":
		d.Link.Manager, d.Link.ManagerState = uuid.Nil, store.NoManager
	case d.Manager != "":
		d.Link.Manager = uuid.MustParse(d.Manager)
		d.Link.ManagerState = store.ManagerSet
		if result.GetManagerPending() {
			d.Link.ManagerState = store.ManagerPending
			o.counts.ReferencesFailed++
			o.counts.EscrowedRaw++
			d.Record.Modified = without(d.Record.Modified, "manager")
		}
	}
}

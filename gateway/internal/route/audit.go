package route

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"time"

	"entente.dev/gateway/internal/graph"
	auditpb "entente.dev/proto/gen/entente/audit/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const (
	auditRoute   = "auditLogs/directoryAudits"
	auditTop     = 100
	auditTimeout = 20 * time.Second
)

// audits merges the records of the services by time: each owns its rows.
type audits struct {
	sources []auditpb.AuditServiceClient
	tokens  *odata.Tokens
}

// auditState is where a merged list goes on. Each source is read again from
// the beginning of the page its next record is on; records up to Last have
// been answered. Rows that are written meanwhile come before Last and so are
// neither repeated nor do they push others out.
type auditState struct {
	Time    time.Time     `json:"t"`
	ID      string        `json:"i"`
	Sources []auditSource `json:"s"`
}

type auditSource struct {
	Token string `json:"p,omitempty"`
	Done  bool   `json:"d,omitempty"`
}

// feed is one source while a page is put together.
type feed struct {
	auditSource
	read    bool   // the page at Token is here
	next    string // token of the following page
	records []*auditpb.DirectoryAudit
	count   *int32 // of all that match, from the first page
}

func (rt *Router) listAudits(x *exchange) {
	page, err := rt.audits.list(x)
	if err != nil {
		rt.fail(x.w, x.call, err)
		return
	}
	rt.write(x, page)
}

// write answers a composed operation.
func (rt *Router) write(x *exchange, m proto.Message) {
	x.w.Header().Set("Content-Type", graph.ContentType)
	_, _ = x.w.Write(x.encode(m))
}

func (a *audits) list(x *exchange) (*auditpb.ListAuditEventsResponse, error) {
	if err := x.choose((&auditpb.ListAuditEventsResponse{}).ProtoReflect().Descriptor()); err != nil {
		return nil, err
	}
	q := x.options.Query
	scope := auditScope(x, q)
	state := auditState{Sources: make([]auditSource, len(a.sources))}
	resumed := q.GetSkiptoken() != ""
	if resumed {
		raw, err := a.tokens.Open(scope, q.GetSkiptoken())
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &state); err != nil || len(state.Sources) != len(a.sources) {
			return nil, fault.Invalid(errorspb.Reason_INVALID_PAGE_TOKEN, "The page token is not valid.")
		}
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(x.r.Context(), x.metadata()), auditTimeout)
	defer cancel()
	m := &auditMerge{a: a, query: q, ascending: ascending(q.GetOrderby()), state: state, resumed: resumed, size: auditTop}
	if q.Top != nil {
		m.size = int(q.GetTop())
	}
	page, more, err := m.page(ctx)
	if err != nil {
		return nil, err
	}
	if more {
		raw, err := json.Marshal(m.state)
		if err != nil {
			return nil, err
		}
		page.NextPageToken = a.tokens.Seal(scope, raw, odata.PageLife)
	}
	return page, nil
}

// auditScope binds a token to its query and to the token's claims. Those are
// not verified here; the tokens inside, which the services sealed, are bound
// to the verified caller.
func auditScope(x *exchange, q *odatapb.Query) odata.Scope {
	c, _ := graph.PeekClaims(x.r.Header.Get("Authorization"))
	t, err := tenant.Parse(c.Tenant)
	if err != nil {
		t = tenant.ID{}
	}
	hash := sha256.Sum256([]byte(q.GetFilter() + "\x00" + q.GetOrderby()))
	return odata.Scope{Tenant: t, Caller: c.AppID + ":" + c.ObjectID, Route: auditRoute, Query: hash[:]}
}

// ascending reads the direction; what else $orderby may say the services
// decide.
func ascending(orderby string) bool {
	return orderby != "" && !strings.HasSuffix(strings.ToLower(strings.TrimSpace(orderby)), " desc")
}

// auditMerge puts one page together.
type auditMerge struct {
	a         *audits
	query     *odatapb.Query
	ascending bool
	resumed   bool
	size      int
	state     auditState
	feeds     []*feed
}

func (m *auditMerge) page(ctx context.Context) (*auditpb.ListAuditEventsResponse, bool, error) {
	m.feeds = make([]*feed, len(m.a.sources))
	failed := make(chan error, len(m.feeds))
	for i, s := range m.state.Sources {
		m.feeds[i] = &feed{auditSource: s}
		go func() { failed <- m.fill(ctx, i) }()
	}
	var err error
	for range m.feeds {
		if e := <-failed; e != nil && (err == nil || fault.From(e).Kind != fault.KindCanceled) {
			err = e
		}
	}
	if err != nil {
		return nil, false, err
	}
	out := &auditpb.ListAuditEventsResponse{OdataCount: m.total()}
	for len(out.Value) < m.size {
		at := m.first()
		if at < 0 {
			return out, false, nil
		}
		f := m.feeds[at]
		out.Value = append(out.Value, f.records[0])
		f.records = f.records[1:]
		if err := m.fill(ctx, at); err != nil {
			return nil, false, err
		}
	}
	more := m.first() >= 0
	last := out.Value[len(out.Value)-1]
	m.state.Time, m.state.ID = last.GetActivityDateTime().AsTime(), last.GetId()
	for i, f := range m.feeds {
		m.state.Sources[i] = f.auditSource
	}
	return out, more, nil
}

// fill makes sure that a source shows its next record, if it has one.
func (m *auditMerge) fill(ctx context.Context, i int) error {
	f := m.feeds[i]
	for len(f.records) == 0 && !f.Done {
		if f.read {
			if f.next == "" {
				f.Done = true
				return nil
			}
			f.Token = f.next
		}
		top := int32(m.size)
		res, err := m.a.sources[i].ListAuditEvents(ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{
			Filter: m.query.GetFilter(), Orderby: m.query.GetOrderby(), Top: &top, Skiptoken: f.Token, Count: m.query.Count, Advanced: m.query.GetAdvanced(),
		}})
		if err != nil {
			return err
		}
		if f.Token == "" {
			f.count = res.OdataCount
		}
		for _, r := range res.GetValue() {
			if !m.resumed || m.before(m.state.Time, m.state.ID, r) {
				f.records = append(f.records, r)
			}
		}
		f.next, f.read = res.GetNextPageToken(), true
	}
	return nil
}

// total is the number of all records that match, nil unless every source said
// so on this, the first page.
func (m *auditMerge) total() *int32 {
	var sum int32
	for _, f := range m.feeds {
		if m.resumed || f.count == nil {
			return nil
		}
		sum += *f.count
	}
	return &sum
}

// first is the source whose next record comes first, -1 at the end.
func (m *auditMerge) first() int {
	best := -1
	for i, f := range m.feeds {
		if len(f.records) == 0 {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		b := m.feeds[best].records[0]
		if !m.before(b.GetActivityDateTime().AsTime(), b.GetId(), f.records[0]) {
			best = i
		}
	}
	return best
}

// before reports whether the position (at, id) comes before r in the order of
// the list.
func (m *auditMerge) before(at time.Time, id string, r *auditpb.DirectoryAudit) bool {
	t := r.GetActivityDateTime().AsTime()
	if !at.Equal(t) {
		return at.Before(t) == m.ascending
	}
	return id != r.GetId() && (id < r.GetId()) == m.ascending
}

// getAudit asks every service; one of them holds the record.
func (rt *Router) getAudit(x *exchange) {
	if err := x.choose((&auditpb.DirectoryAudit{}).ProtoReflect().Descriptor()); err != nil {
		rt.fail(x.w, x.call, err)
		return
	}
	id := x.value("id")
	missing := fault.NotFound(errorspb.Reason_SEGMENT_NOT_FOUND, "Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
	if _, err := uuid.Parse(id); err != nil {
		rt.fail(x.w, x.call, missing)
		return
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(x.r.Context(), x.metadata()), auditTimeout)
	defer cancel()
	type result struct {
		record *auditpb.DirectoryAudit
		err    error
	}
	results := make(chan result, len(rt.audits.sources))
	for _, s := range rt.audits.sources {
		go func() {
			record, err := s.GetAuditEvent(ctx, &auditpb.GetAuditEventRequest{Id: strings.ToLower(id)})
			results <- result{record, err}
		}()
	}
	var found *auditpb.DirectoryAudit
	var failure error
	for range rt.audits.sources {
		r := <-results
		switch {
		case r.err == nil:
			found = r.record
		case fault.From(r.err).Kind != fault.KindNotFound:
			failure = r.err
		}
	}
	switch {
	case found != nil:
		rt.write(x, found)
	case failure != nil:
		rt.fail(x.w, x.call, failure)
	default:
		rt.fail(x.w, x.call, missing)
	}
}

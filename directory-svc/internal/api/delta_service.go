package api

import (
	"context"
	"encoding/json"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/delta"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
)

// Delta serves DeltaService (DIR-208 to DIR-213).
type Delta struct {
	pb.UnimplementedDeltaServiceServer
	*Core
}

var _ pb.DeltaServiceServer = (*Delta)(nil)

// ListUsersDelta lists changes of users.
func (s *Delta) ListUsersDelta(ctx context.Context, req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return s.list(ctx, req, trackedUsers)
}

// ListGroupsDelta lists changes of groups.
func (s *Delta) ListGroupsDelta(ctx context.Context, req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return s.list(ctx, req, trackedGroups)
}

// ListContactsDelta lists changes of contacts.
func (s *Delta) ListContactsDelta(ctx context.Context, req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return s.list(ctx, req, trackedContacts)
}

// ListAdministrativeUnitsDelta lists changes of administrative units.
func (s *Delta) ListAdministrativeUnitsDelta(ctx context.Context, req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return s.list(ctx, req, trackedUnits)
}

// ListApplicationsDelta lists changes of applications.
func (s *Delta) ListApplicationsDelta(ctx context.Context, req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return s.list(ctx, req, trackedApplications)
}

// ListServicePrincipalsDelta lists changes of service principals.
func (s *Delta) ListServicePrincipalsDelta(ctx context.Context, req *pb.ListDeltaRequest) (*pb.ListDeltaResponse, error) {
	return s.list(ctx, req, trackedServicePrincipals)
}

// latest asks for the present end instead of the full state.
const latest = "latest"

func (s *Delta) list(ctx context.Context, req *pb.ListDeltaRequest, of *trackedType) (*pb.ListDeltaResponse, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if of.kind == object.User {
		_, err = access.ListUsers(who, rights(t))
	} else {
		err = access.Directory(who, rights(t))
	}
	if err != nil {
		return nil, err
	}
	w := &window{Delta: s, ctx: ctx, who: who, t: t, of: of, minimal: req.Minimal, whole: make(map[string]bool)}
	if err := w.read(req.GetQuery(), int(req.MaxPageSize)); err != nil {
		return nil, err
	}
	if req.GetQuery().GetDeltatoken() == latest {
		end, err := s.Store.FeedEnd(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		w.Since, w.Full = end.String(), false
		return &pb.ListDeltaResponse{DeltaToken: w.seal()}, nil
	}
	if w.Full {
		return w.full()
	}
	return w.changes()
}

// window is one request: what its token says, and for whom.
type window struct {
	*Delta
	delta.State
	ctx     context.Context
	who     caller.Caller
	t       *store.Tenant
	of      *trackedType
	minimal bool
	whole   map[string]bool // entries of objects that are told in full
	hiding  []uuid.UUID     // objects of the page that hide their members from the caller
}

func (w *window) scope() odata.Scope {
	return odata.Scope{Tenant: w.t.ID, Route: w.of.kind.String() + "/delta"}
}

// sealed tokens outlive what they are good for, so that one that is too old is
// told from one that never was.
const sealed = 10 * delta.Life

func (w *window) seal() string {
	w.Made = w.now()
	raw, err := json.Marshal(w.State)
	if err != nil { // plain fields always marshal
		panic(err)
	}
	return w.Tokens.Seal(w.scope(), raw, sealed)
}

// read understands the query options, or the token that stands for them.
func (w *window) read(q *odatapb.Query, prefer int) error {
	if q.GetOrderby() != "" || q.GetSearch() != "" || q.GetExpand() != "" || q != nil && q.Skip != nil {
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, "The query option is not supported by change tracking.")
	}
	token := q.GetSkiptoken()
	if token == "" && q.GetDeltatoken() != latest {
		token = q.GetDeltatoken()
	}
	if token == "" {
		names, err := w.of.names(q.GetSelect())
		if err != nil {
			return err
		}
		ids, err := delta.ParseIDs(q.GetFilter())
		if err != nil {
			return err
		}
		w.State = delta.Start(names, ids)
	} else {
		raw, err := w.Tokens.Open(w.scope(), token)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &w.State); err != nil {
			return fault.Invalid(errorspb.Reason_INVALID_PAGE_TOKEN, "The specified page token value is not valid.")
		}
		if w.Stale(w.now()) {
			return w.startOver()
		}
	}
	if err := activityOfOthers(w.who, w.Select); err != nil {
		return err
	}
	switch {
	case q != nil && q.Top != nil && (*q.Top < 1 || *q.Top > delta.MaxPage):
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "Invalid page size specified: '%d'. Must be between 1 and %d inclusive.", *q.Top, delta.MaxPage)
	case q != nil && q.Top != nil:
		w.Size = int(*q.Top)
	case prefer > 0:
		w.Size = min(prefer, delta.MaxPage)
	case w.Size == 0:
		w.Size = delta.DefaultPage
	}
	return nil
}

// startOver refuses a token that is too old and names one to go on with
// (DIR-212).
func (w *window) startOver() error {
	w.State = w.Fresh()
	return fault.Precondition(errorspb.Reason_SYNC_STATE_NOT_FOUND, "The delta token is too old; start over.").WithMeta("delta_token", w.seal())
}

// full lists the present state, a page at a time by id. What changes meanwhile
// comes after it, since the position in the feed was taken before.
func (w *window) full() (*pb.ListDeltaResponse, error) {
	if w.Since == "" {
		end, err := w.Store.FeedEnd(w.ctx, w.t.ID)
		if err != nil {
			return nil, err
		}
		w.Since = end.String()
	}
	out := &pb.ListDeltaResponse{}
	done := false
	err := w.Store.Read(w.ctx, w.t.ID, func(tx *store.Tx) error {
		room := delta.LinksPerPage
		if w.Inside != "" {
			var err error
			if out.Value, err = w.resume(tx, &room); err != nil || room <= 0 {
				return err
			}
		}
		ids, err := w.page(tx)
		if err != nil {
			return err
		}
		if err := w.look(tx, ids); err != nil {
			return err
		}
		objects, err := w.load(tx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			w.After = id
			o := objects[id]
			if o == nil { // out of the caller's sight
				continue
			}
			c := &pb.ChangedObject{Id: id.String(), Object: o, Properties: w.set(o)}
			out.Value = append(out.Value, c)
			w.whole[c.Id] = true
			if err := w.links(tx, c, id, "", uuid.Nil, &room); err != nil {
				return err
			}
			if room <= 0 {
				return nil
			}
		}
		done = len(ids) < w.Size
		return nil
	})
	if err == nil {
		err = w.extensions(out.Value)
	}
	if err != nil {
		return nil, err
	}
	if !done {
		out.NextPageToken = w.seal()
		return out, nil
	}
	w.Full, w.After, w.Inside, w.Link = false, uuid.Nil, "", uuid.Nil
	out.DeltaToken = w.seal()
	return out, nil
}

// resume goes on with the links of the object that the page before ended
// inside.
func (w *window) resume(tx *store.Tx, room *int) ([]*pb.ChangedObject, error) {
	if err := w.look(tx, []uuid.UUID{w.After}); err != nil {
		return nil, err
	}
	c := &pb.ChangedObject{Id: w.After.String()}
	return []*pb.ChangedObject{c}, w.links(tx, c, w.After, w.Inside, w.Link, room)
}

func (w *window) page(tx *store.Tx) ([]uuid.UUID, error) {
	if len(w.IDs) == 0 {
		return tx.LiveAfter(w.of.kind, w.After, w.Size)
	}
	found, err := tx.LiveAmong(w.of.kind, w.IDs)
	if err != nil {
		return nil, err
	}
	out := found[:0]
	for _, id := range found {
		if id.String() > w.After.String() && len(out) < w.Size {
			out = append(out, id)
		}
	}
	return out, nil
}

// changes lists what happened since the token was made.
func (w *window) changes() (*pb.ListDeltaResponse, error) {
	const rounds = 20 // of rows that nobody asked about, before a page is empty
	out := &pb.ListDeltaResponse{}
	room := delta.LinksPerPage
	if w.Inside != "" {
		err := w.Store.Read(w.ctx, w.t.ID, func(tx *store.Tx) (err error) {
			out.Value, err = w.resume(tx, &room)
			return err
		})
		if err != nil {
			return nil, err
		}
		if w.Inside != "" {
			out.NextPageToken = w.seal()
			return out, nil
		}
		w.After = uuid.Nil
	}
	for range rounds {
		from, err := store.ParsePosition(w.Since)
		if err != nil {
			return nil, err
		}
		end, err := w.Store.FeedEnd(w.ctx, w.t.ID)
		if err != nil {
			return nil, err
		}
		entries, at, more, err := w.Store.Changes(w.ctx, w.t.ID, from, []object.Type{w.of.kind}, w.Size)
		if fault.Is(err, errorspb.Reason_SYNC_STATE_NOT_FOUND) {
			return nil, w.startOver()
		}
		if err != nil {
			return nil, err
		}
		if !more { // all up to the end has been read, whatever its type
			at = store.Later(at, end)
		}
		told, used, err := w.entries(entries, &room)
		if err != nil {
			return nil, err
		}
		if used < len(entries) {
			generation := at.Generation
			at = entries[used-1].At
			at.Generation = generation
		}
		w.Since = at.String()
		out.Value = append(out.Value, told...)
		if err := w.extensions(told); err != nil {
			return nil, err
		}
		more = more || w.Inside != ""
		if !more {
			out.DeltaToken = w.seal()
			return out, nil
		}
		if len(out.Value) > 0 {
			break
		}
	}
	out.NextPageToken = w.seal()
	return out, nil
}

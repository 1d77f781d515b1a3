package api

import (
	"bytes"
	"context"
	"errors"
	"io"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/bulk"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/vault"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/sheet"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Bulk serves BulkOperationService (DIR-215 to DIR-218) and does the work of
// its rows.
type Bulk struct {
	pb.UnimplementedBulkOperationServiceServer
	*Core
	Users   *Users
	Groups  *Groups
	Objects *Objects
	// SecretKey seals initial passwords until their rows are done.
	SecretKey []byte
}

var _ pb.BulkOperationServiceServer = (*Bulk)(nil)

// maxRunning is how many operations of a tenant wait or run at a time.
const maxRunning = 5

const csvType = "text/csv; charset=utf-8"

func bulkToProto(o *store.BulkOperation) *pb.BulkOperation {
	out := &pb.BulkOperation{Id: o.ID.String(), Kind: string(o.Kind), Status: pb.BulkOperation_Status(o.Status), TotalCount: o.Total, SuccessCount: o.Success,
		FailureCount: o.Failure, CreatedDateTime: timestamppb.New(o.Created), CompletedDateTime: stamp(o.Completed)}
	if o.GroupID != nil {
		out.GroupId = ptr(o.GroupID.String())
	}
	return out
}

// bulkEvent describes a stage of an operation for the audit log (DIR-218).
func bulkEvent(o *store.BulkOperation, stage bulk.Stage, operation string) audit.Event {
	activity, category := o.Kind.Activity(stage)
	return record(activity, category, operation, audit.Target{ID: o.ID.String(), Type: "Other"})
}

// StartBulkOperation takes a file in chunks and queues its rows.
func (s *Bulk) StartBulkOperation(stream grpc.ClientStreamingServer[pb.StartBulkOperationRequest, pb.BulkOperation]) error {
	ctx := stream.Context()
	kind, group, content, err := receive(stream)
	if err != nil {
		return err
	}
	who, t, err := s.home(ctx)
	if err != nil {
		return err
	}
	o := store.BulkOperation{ID: newID(), Kind: kind, Status: store.BulkQueued, By: who.ObjectID, AppID: who.AppID, Request: who.RequestID, Created: s.now()}
	ev := bulkEvent(&o, bulk.Started, "Add")
	if err := access.Bulk(who, kind); err != nil {
		return s.failed(ctx, t.ID, ev, err)
	}
	if who.Kind == caller.User {
		o.Scopes = append([]string{}, who.Permissions...)
	}
	var parsed []sheet.Row
	if kind != bulk.ExportUsers {
		if parsed, err = kind.Format().Parse(content); err != nil {
			return err
		}
	}
	rows, err := s.seal(o.ID, kind, parsed)
	if err != nil {
		return err
	}
	o.Total = int32(len(rows)) //nolint:gosec // at most bulk.MaxRows
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		if kind.OfGroup() {
			g, _, err := s.Groups.group(tx, who, group, changesMembers)
			if err != nil {
				return err
			}
			o.GroupID = &g.ID
		}
		n, err := tx.RunningBulks()
		if err != nil {
			return err
		}
		if n >= maxRunning {
			return fault.Exhausted(errorspb.Reason_THROTTLED, "At most %d bulk operations of a tenant run at a time.", maxRunning).WithRetryAfter(retryBulk)
		}
		if err := tx.InsertBulk(o, rows); err != nil {
			return err
		}
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return err
	}
	return stream.SendAndClose(bulkToProto(&o))
}

// receive puts the chunks of a file together.
func receive(stream grpc.ClientStreamingServer[pb.StartBulkOperationRequest, pb.BulkOperation]) (bulk.Kind, string, []byte, error) {
	var kind bulk.Kind
	var group string
	var content bytes.Buffer
	for first := true; ; first = false {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", "", nil, err
		}
		if first {
			kind, group = bulk.Kind(m.Kind), m.GroupId
		}
		if content.Len()+len(m.Content) > bulk.MaxBytes {
			return "", "", nil, fault.Invalid(errorspb.Reason_INVALID_REQUEST, "The file is larger than %d MB.", bulk.MaxBytes>>20)
		}
		content.Write(m.Content)
	}
	if !kind.Known() {
		return "", "", nil, property.NotFound(clip(string(kind)))
	}
	if kind.OfGroup() && group == "" {
		return "", "", nil, property.Required("BulkOperation", "groupId")
	}
	return kind, group, content.Bytes(), nil
}

// seal moves secrets out of rows that are to be kept.
func (s *Bulk) seal(operation uuid.UUID, kind bulk.Kind, parsed []sheet.Row) ([]store.BulkRow, error) {
	rows := make([]store.BulkRow, len(parsed))
	for i, p := range parsed {
		rows[i] = store.BulkRow{Number: p.Number, Input: p.Values}
		for j, c := range kind.Columns() {
			if !c.Secret || p.Values[j] == "" {
				continue
			}
			var err error
			if rows[i].Secret, err = vault.Seal(s.SecretKey, []byte(p.Values[j]), operation.String()); err != nil {
				return nil, err
			}
			p.Values[j] = ""
		}
	}
	return rows, nil
}

// GetBulkOperationTemplate returns the file to fill in.
func (s *Bulk) GetBulkOperationTemplate(_ context.Context, req *pb.GetBulkOperationTemplateRequest) (*httpbody.HttpBody, error) {
	kind := bulk.Kind(req.Kind)
	if len(kind.Columns()) == 0 {
		return nil, property.NotFound(clip(req.Kind))
	}
	return &httpbody.HttpBody{ContentType: csvType, Data: kind.Format().Template()}, nil
}

// ListBulkOperations lists the operations that the caller began or may see,
// newest first. A page may hold fewer than were asked for.
func (s *Bulk) ListBulkOperations(ctx context.Context, req *pb.ListBulkOperationsRequest) (*pb.ListBulkOperationsResponse, error) {
	const route = "bulkOperations"
	who, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	page, err := s.Tokens.Page(who, route, req.Query)
	if err != nil {
		return nil, err
	}
	before, err := behind(page, uuid.Max)
	if err != nil {
		return nil, err
	}
	out := &pb.ListBulkOperationsResponse{}
	return out, s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, err := tx.Bulks(before, page.Size+1)
		if err != nil {
			return err
		}
		if len(found) > page.Size {
			found = found[:page.Size]
			out.NextPageToken = s.Tokens.Next(who, route, req.Query, page, odata.Position{ID: found[page.Size-1].ID.String()})
		}
		out.Value = nil
		groups := make(map[uuid.UUID]error) // what was decided about groups, which many operations share
		for i := range found {
			o := &found[i]
			err, known := error(nil), false
			if o.GroupID != nil && o.By != who.ObjectID {
				err, known = groups[*o.GroupID]
			}
			if !known {
				if err = s.sees(tx, who, o); o.GroupID != nil && o.By != who.ObjectID {
					groups[*o.GroupID] = err
				}
			}
			switch {
			case err == nil:
				out.Value = append(out.Value, bulkToProto(o))
			case !fault.Is(err, errorspb.Reason_ACCESS_DENIED):
				return err
			}
		}
		return nil
	})
}

func (s *Bulk) readable(ctx context.Context) (caller.Caller, *store.Tenant, error) {
	who, t, err := s.home(ctx)
	if err == nil {
		err = access.Directory(who, rights(t))
	}
	return who, t, err
}

// operation finds an operation that the caller began or may see.
func (s *Bulk) operation(ctx context.Context, text string) (caller.Caller, *store.Tenant, *store.BulkOperation, error) {
	who, t, err := s.readable(ctx)
	if err != nil {
		return who, t, nil, err
	}
	id, err := objectID(text)
	if err != nil {
		return who, t, nil, err
	}
	var o *store.BulkOperation
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		if o, err = tx.Bulk(id, false); err != nil {
			return err
		}
		return s.sees(tx, who, o)
	})
	return who, t, o, err
}

// sees decides whether the caller may see and cancel an operation: its own,
// and those of others that it could begin itself. What others export takes an
// administrator of users.
func (s *Bulk) sees(tx *store.Tx, who caller.Caller, o *store.BulkOperation) error {
	if o.By == who.ObjectID {
		return nil
	}
	if err := access.Bulk(who, o.Kind); err != nil {
		return err
	}
	switch {
	case o.GroupID != nil:
		return s.managesMembers(tx, who, *o.GroupID)
	case o.Kind == bulk.ExportUsers:
		return access.Bulk(who, bulk.CreateUsers)
	}
	return nil
}

// managesMembers decides whether the caller may change the members of a group,
// as the change itself would (DIR-128, DIR-164).
func (s *Bulk) managesMembers(tx *store.Tx, who caller.Caller, id uuid.UUID) error {
	g, err := tx.Group(id, store.Live, false)
	if isNotFound(err) { // gone since; what is left is for those who manage all groups
		return access.WriteGroup(who, false, false, false)
	}
	if err == nil {
		_, err = s.mayWriteGroup(tx, who, g, changesMembers)
	}
	return err
}

// GetBulkOperation returns one operation.
func (s *Bulk) GetBulkOperation(ctx context.Context, req *pb.GetBulkOperationRequest) (*pb.BulkOperation, error) {
	_, _, o, err := s.operation(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return bulkToProto(o), nil
}

// CancelBulkOperation stops an operation; finished rows stay as they are.
func (s *Bulk) CancelBulkOperation(ctx context.Context, req *pb.CancelBulkOperationRequest) (*emptypb.Empty, error) {
	_, t, o, err := s.operation(ctx, req.Id)
	if err != nil && o == nil {
		return nil, err
	}
	ev := bulkEvent(o, bulk.Canceled, "Update")
	if err != nil {
		return nil, s.failed(ctx, t.ID, ev, err)
	}
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		now, err := tx.Bulk(o.ID, true)
		if err != nil {
			return err
		}
		if now.Status.Ended() {
			return fault.Precondition(errorspb.Reason_INVALID_REQUEST, "The operation has ended.")
		}
		now.Status, now.Completed = store.BulkCanceled, ptr(s.now())
		tx.SaveBulk(now)
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// resultRows is how many rows one message of results holds at most.
const resultRows = 500

// GetBulkOperationResults returns the rows with their outcomes, or the export.
func (s *Bulk) GetBulkOperationResults(req *pb.GetBulkOperationResultsRequest, stream grpc.ServerStreamingServer[httpbody.HttpBody]) error {
	ctx := stream.Context()
	_, t, o, err := s.operation(ctx, req.Id)
	if err != nil {
		return err
	}
	if o.Kind == bulk.ExportUsers {
		return s.export(ctx, stream)
	}
	results := sheet.NewResults(o.Kind.Columns())
	for after := 0; ; {
		var rows []store.BulkRow
		if err := s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
			rows, err = tx.BulkRows(o.ID, after, resultRows, false)
			return err
		}); err != nil {
			return err
		}
		for _, r := range rows {
			results.Add(outcomeOf(r))
			after = r.Number
		}
		if err := stream.Send(&httpbody.HttpBody{ContentType: csvType, Data: results.Take()}); err != nil {
			return err
		}
		if len(rows) < resultRows {
			return nil
		}
	}
}

func outcomeOf(r store.BulkRow) sheet.Result {
	out := sheet.Result{Values: r.Input, Status: "Waiting"}
	if r.Succeeded != nil {
		out.Status = "Failure"
		if *r.Succeeded {
			out.Status = "Success"
		}
	}
	if r.Code != nil {
		out.Code, out.Message = *r.Code, *r.Message
	}
	if r.ObjectID != nil {
		out.ID = r.ObjectID.String()
	}
	return out
}

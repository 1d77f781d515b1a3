package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/sheet"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Bulks serves BulkInvitationService (INV-36 to INV-39).
type Bulks struct {
	pb.UnimplementedBulkInvitationServiceServer
	Saga *saga.Saga
}

var _ pb.BulkInvitationServiceServer = (*Bulks)(nil)

const (
	csvType = "text/csv; charset=utf-8"
	// inviteUsers is the kind among bulk operations (DIR-215).
	inviteUsers = "inviteUsers"
)

// StartBulkInvitation takes a file in chunks and queues its rows.
func (s *Bulks) StartBulkInvitation(stream grpc.ClientStreamingServer[pb.StartBulkInvitationRequest, pb.BulkInvitation]) error {
	b, err := s.start(stream.Context(), stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(bulkToProto(b))
}

// StartInviteUsersOperation is StartBulkInvitation in other words.
func (s *Bulks) StartInviteUsersOperation(stream grpc.ClientStreamingServer[pb.StartBulkInvitationRequest, directorypb.BulkOperation]) error {
	b, err := s.start(stream.Context(), stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(operationToProto(b))
}

// start puts the chunks of a file together and starts the job.
func (s *Bulks) start(ctx context.Context, next func() (*pb.StartBulkInvitationRequest, error)) (store.Bulk, error) {
	var content bytes.Buffer
	for {
		m, err := next()
		if errors.Is(err, io.EOF) {
			return s.Saga.StartBulk(ctx, caller.From(ctx), content.Bytes())
		}
		if err != nil {
			return store.Bulk{}, err
		}
		if content.Len()+len(m.Content) > invitation.MaxFileBytes {
			return store.Bulk{}, fault.Invalid(errorspb.Reason_TOO_LARGE, "The file is larger than %d MB.", invitation.MaxFileBytes>>20)
		}
		content.Write(m.Content)
	}
}

// GetBulkInvitationTemplate returns the file to fill in.
func (s *Bulks) GetBulkInvitationTemplate(ctx context.Context, _ *pb.GetBulkInvitationTemplateRequest) (*httpbody.HttpBody, error) {
	if err := s.Saga.MayInviteInBulk(caller.From(ctx)); err != nil {
		return nil, err
	}
	return &httpbody.HttpBody{ContentType: csvType, Data: invitation.BulkFormat().Template()}, nil
}

// GetBulkInvitation returns one job.
func (s *Bulks) GetBulkInvitation(ctx context.Context, req *pb.GetBulkInvitationRequest) (*pb.BulkInvitation, error) {
	b, err := s.bulk(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return bulkToProto(b), nil
}

// GetInviteUsersOperation is GetBulkInvitation in other words.
func (s *Bulks) GetInviteUsersOperation(ctx context.Context, req *pb.GetBulkInvitationRequest) (*directorypb.BulkOperation, error) {
	b, err := s.bulk(ctx, req.Id)
	if err != nil {
		return nil, err
	}
	return operationToProto(b), nil
}

// bulk finds a job of the tenant for somebody who might have started it.
func (s *Bulks) bulk(ctx context.Context, text string) (store.Bulk, error) {
	c := caller.From(ctx)
	if err := s.Saga.MayInviteInBulk(c); err != nil {
		return store.Bulk{}, err
	}
	id, err := parseID(text)
	if err != nil {
		return store.Bulk{}, err
	}
	var b store.Bulk
	err = s.Saga.Store.Read(ctx, c.Tenant, func(tx store.Tx) (err error) {
		b, err = tx.CountedBulk(id)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		err = notFound(text)
	}
	return b, err
}

// CancelBulkInvitation stops a job; who was invited stays invited.
func (s *Bulks) CancelBulkInvitation(ctx context.Context, req *pb.CancelBulkInvitationRequest) (*emptypb.Empty, error) {
	b, err := s.bulk(ctx, req.Id)
	if err == nil {
		err = s.Saga.CancelBulk(ctx, caller.From(ctx).Tenant, b.ID)
	}
	if errors.Is(err, store.ErrNone) {
		err = notFound(req.Id)
	}
	return &emptypb.Empty{}, err
}

// resultRows is how many rows one message of results holds at most.
const resultRows = 500

// GetBulkInvitationResults returns the rows with their outcomes.
func (s *Bulks) GetBulkInvitationResults(req *pb.GetBulkInvitationResultsRequest, stream grpc.ServerStreamingServer[httpbody.HttpBody]) error {
	ctx := stream.Context()
	b, err := s.bulk(ctx, req.Id)
	if err != nil {
		return err
	}
	results := sheet.NewResults(invitation.BulkColumns)
	for after := 0; ; {
		var rows []store.BulkRow
		if err := s.Saga.Store.Read(ctx, caller.From(ctx).Tenant, func(tx store.Tx) (err error) {
			rows, err = tx.BulkRows(b.ID, after, resultRows)
			return err
		}); err != nil {
			return err
		}
		for _, r := range rows {
			results.Add(resultOf(r))
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

func resultOf(r store.BulkRow) sheet.Result {
	out := sheet.Result{Values: r.Input, Status: "Waiting", Code: r.Code, Message: r.Message}
	switch {
	case r.Code != "":
		out.Status = "Failure"
	case r.Settled:
		out.Status = "Success"
	}
	if r.User != uuid.Nil {
		out.ID = r.User.String()
	}
	return out
}

var bulkStatuses = map[invitation.BulkStatus]pb.BulkInvitation_Status{
	invitation.BulkQueued: pb.BulkInvitation_notStarted, invitation.BulkRunning: pb.BulkInvitation_running, invitation.BulkCompleted: pb.BulkInvitation_completed,
	invitation.BulkTimedOut: pb.BulkInvitation_cancelled, invitation.BulkCanceled: pb.BulkInvitation_cancelled,
}

var operationStatuses = map[invitation.BulkStatus]directorypb.BulkOperation_Status{
	invitation.BulkQueued: directorypb.BulkOperation_queued, invitation.BulkRunning: directorypb.BulkOperation_running, invitation.BulkCompleted: directorypb.BulkOperation_completed,
	invitation.BulkTimedOut: directorypb.BulkOperation_timedOut, invitation.BulkCanceled: directorypb.BulkOperation_canceled,
}

func bulkToProto(b store.Bulk) *pb.BulkInvitation {
	return &pb.BulkInvitation{Id: b.ID.String(), Status: bulkStatuses[b.Status], Total: b.Total, Succeeded: b.Succeeded, Failed: b.Failed,
		CreatedDateTime: timestamppb.New(b.CreatedAt), CompletedDateTime: stamp(b.EndedAt)}
}

func operationToProto(b store.Bulk) *directorypb.BulkOperation {
	o := &directorypb.BulkOperation{Id: b.ID.String(), Kind: inviteUsers, Status: operationStatuses[b.Status], TotalCount: b.Total, SuccessCount: b.Succeeded, FailureCount: b.Failed,
		CreatedDateTime: timestamppb.New(b.CreatedAt), CompletedDateTime: stamp(b.EndedAt)}
	if b.Status == invitation.BulkCompleted && b.Failed > 0 {
		o.Status = directorypb.BulkOperation_completedWithErrors
	}
	return o
}

func stamp(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}

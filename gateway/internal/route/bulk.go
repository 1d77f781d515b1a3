package route

import (
	"context"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
)

// bulkConn finds a bulk operation by its id where it is kept: the kind
// inviteUsers in the invitation service, all others in the directory (DIR-215).
// Each service decides by itself whether the caller may have it.
type bulkConn struct{ directory, invitation grpc.ClientConnInterface }

// ofInvitations are the RPCs about one operation and those of the invitation
// service for the same; the requests of both are an id in the same field.
var ofInvitations = map[string]string{
	directorypb.BulkOperationService_GetBulkOperation_FullMethodName:        invitationpb.BulkInvitationService_GetInviteUsersOperation_FullMethodName,
	directorypb.BulkOperationService_CancelBulkOperation_FullMethodName:     invitationpb.BulkInvitationService_CancelBulkInvitation_FullMethodName,
	directorypb.BulkOperationService_GetBulkOperationResults_FullMethodName: invitationpb.BulkInvitationService_GetBulkInvitationResults_FullMethodName,
}

// hidden reports that a service has nothing for this caller.
func hidden(err error) bool {
	if err == nil {
		return false
	}
	k := fault.From(rpc.FromStatus(err)).Kind
	return k == fault.KindNotFound || k == fault.KindDenied
}

// Invoke asks the directory and, where that has nothing, the invitation
// service. What the directory says stands where neither has.
func (b bulkConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	err := b.directory.Invoke(ctx, method, args, reply, opts...)
	if other := ofInvitations[method]; other != "" && hidden(err) {
		if found := b.invitation.Invoke(ctx, other, args, reply, opts...); !hidden(found) {
			return found
		}
	}
	return err
}

// NewStream does the same with a file, whose first part tells.
func (b bulkConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := b.directory.NewStream(ctx, desc, method, opts...)
	other := ofInvitations[method]
	if err != nil || other == "" {
		return s, err
	}
	return &bulkStream{ClientStream: s, elsewhere: func() (grpc.ClientStream, error) { return b.invitation.NewStream(ctx, desc, other, opts...) }}, nil
}

// bulkStream is a stream of one request that turns to another service when the
// first part of the answer is a refusal.
type bulkStream struct {
	grpc.ClientStream
	request   any
	elsewhere func() (grpc.ClientStream, error) // nil once a part has come
}

// SendMsg sends the request and keeps it.
func (s *bulkStream) SendMsg(m any) error {
	s.request = m
	return s.ClientStream.SendMsg(m)
}

// RecvMsg receives the next part.
func (s *bulkStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	elsewhere := s.elsewhere
	if s.elsewhere = nil; elsewhere == nil || !hidden(err) {
		return err
	}
	other, found := elsewhere()
	if found == nil {
		_ = other.SendMsg(s.request) // what was wrong is told by the answer
		_ = other.CloseSend()
		found = other.RecvMsg(m)
	}
	if hidden(found) {
		return err
	}
	if other != nil {
		s.ClientStream = other
	}
	return found
}

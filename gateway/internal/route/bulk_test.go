package route

import (
	"context"
	"io"
	"strings"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
)

// keeper is a service that keeps bulk operations, or refuses with err.
type keeper struct {
	name string
	err  error
	rpcs []string
	sent []byte
}

func (k *keeper) asked(method string) {
	k.rpcs = append(k.rpcs, method[strings.LastIndexByte(method, '/')+1:])
}

func (k *keeper) Invoke(_ context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	k.asked(method)
	return k.answer(args, reply)
}

func (k *keeper) answer(args, reply any) error {
	if k.err != nil {
		return k.err
	}
	id := "new"
	if r, ok := args.(interface{ GetId() string }); ok {
		id = r.GetId()
	}
	switch out := reply.(type) {
	case *directorypb.BulkOperation:
		out.Id, out.Kind = id, k.name
	case *invitationpb.BulkInvitation:
		out.Id = id
	case *httpbody.HttpBody:
		out.ContentType, out.Data = "text/csv", []byte(k.name+" "+id)
	}
	return nil
}

func (k *keeper) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	k.asked(method)
	return &keeperStream{k: k}, nil
}

type keeperStream struct {
	grpc.ClientStream
	k       *keeper
	request any
	done    bool
}

func (s *keeperStream) SendMsg(m any) error {
	s.request = m
	if r, ok := m.(*invitationpb.StartBulkInvitationRequest); ok {
		s.k.sent = append(s.k.sent, r.Content...)
	}
	return nil
}
func (s *keeperStream) CloseSend() error { return nil }
func (s *keeperStream) RecvMsg(m any) error {
	if s.done {
		return io.EOF
	}
	s.done = true
	return s.k.answer(s.request, m)
}

func TestBulkInvitationsAreReachedByBothPaths(t *testing.T) {
	t.Parallel()
	missing := fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource 'x' does not exist.")
	denied := fault.Denied(errorspb.Reason_ACCESS_DENIED, "Insufficient privileges to complete the operation.")
	away := fault.Unavailable(errorspb.Reason_UNAVAILABLE, "away")
	const operations, invitations = "/entente/v1/bulkOperations", "/entente/v1/bulkInvitations"
	for _, c := range []struct {
		method, path          string
		directory, invitation error
		asked                 string // of the directory, then of the invitation service
		status                int
		body, location        string
	}{
		{"POST", operations + "/inviteUsers", nil, nil, "|StartInviteUsersOperation", 202, `"kind":"invitation"`, "/entente/v1/bulkOperations/new"},
		{"POST", invitations, nil, nil, "|StartBulkInvitation", 202, `"id":"new"`, "/entente/v1/bulkInvitations/new"},
		{"POST", operations + "/createUsers", nil, nil, "StartBulkOperation|", 202, `"kind":"directory"`, "/entente/v1/bulkOperations/new"},
		{"GET", operations + "/inviteUsers/template", nil, nil, "|GetBulkInvitationTemplate", 200, "invitation", ""},
		{"GET", invitations + "/template", nil, nil, "|GetBulkInvitationTemplate", 200, "invitation", ""},
		{"GET", operations + "/createUsers/template", nil, nil, "GetBulkOperationTemplate|", 200, "directory", ""},
		{"GET", invitations + "/x", nil, nil, "|GetBulkInvitation", 200, `"id":"x"`, ""},
		{"GET", operations + "/inviteUsers/x", nil, nil, "|GetInviteUsersOperation", 200, `"kind":"invitation"`, ""},
		{"GET", operations + "/inviteUsers/x/results", nil, nil, "|GetBulkInvitationResults", 200, "invitation x", ""},
		{"POST", operations + "/inviteUsers/x/cancel", nil, nil, "|CancelBulkInvitation", 204, "", ""},
		{"GET", operations + "/x", nil, nil, "GetBulkOperation|", 200, `"kind":"directory"`, ""},
		{"GET", operations + "/x", missing, nil, "GetBulkOperation|GetInviteUsersOperation", 200, `"kind":"invitation"`, ""},
		{"GET", operations + "/x", denied, nil, "GetBulkOperation|GetInviteUsersOperation", 200, `"kind":"invitation"`, ""},
		{"GET", operations + "/x", missing, denied, "GetBulkOperation|GetInviteUsersOperation", 404, "Request_ResourceNotFound", ""},
		{"GET", operations + "/x", denied, missing, "GetBulkOperation|GetInviteUsersOperation", 403, "Authorization_RequestDenied", ""},
		{"GET", operations + "/x", missing, away, "GetBulkOperation|GetInviteUsersOperation", 503, "error", ""},
		{"GET", operations + "/x", away, nil, "GetBulkOperation|", 503, "error", ""},
		{"POST", operations + "/x/cancel", missing, nil, "CancelBulkOperation|CancelBulkInvitation", 204, "", ""},
		{"POST", operations + "/x/cancel", denied, missing, "CancelBulkOperation|CancelBulkInvitation", 403, "Authorization_RequestDenied", ""},
		{"GET", operations + "/x/results", nil, nil, "GetBulkOperationResults|", 200, "directory x", ""},
		{"GET", operations + "/x/results", missing, nil, "GetBulkOperationResults|GetBulkInvitationResults", 200, "invitation x", ""},
		{"GET", operations + "/x/results", missing, denied, "GetBulkOperationResults|GetBulkInvitationResults", 404, "Request_ResourceNotFound", ""},
		{"GET", operations + "/x/results", away, nil, "GetBulkOperationResults|", 503, "error", ""},
		{"GET", operations, missing, nil, "ListBulkOperations|", 404, "error", ""},
	} {
		directory, invitation := &keeper{name: "directory", err: c.directory}, &keeper{name: "invitation", err: c.invitation}
		rt, err := New(t.Context(), Config{Conns: Conns{directory, invitation, directory, directory}, Clock: clock.System(), TokenKey: make([]byte, 32)})
		if err != nil {
			t.Fatal(err)
		}
		body := ""
		if c.method == "POST" && !strings.HasSuffix(c.path, "/cancel") {
			body = strings.Repeat("y", uploadChunk+1)
		}
		rec := do(rt, c.method, c.path, body, "Content-Type", "text/csv")
		name := c.method + " " + c.path
		if asked := strings.Join(directory.rpcs, ",") + "|" + strings.Join(invitation.rpcs, ","); asked != c.asked || rec.Code != c.status || !strings.Contains(rec.Body.String(), c.body) {
			t.Errorf("%s asked %s and answered %d %s, want %s and %d", name, asked, rec.Code, rec.Body, c.asked, c.status)
		}
		if !strings.HasSuffix(rec.Header().Get("Location"), c.location) {
			t.Errorf("%s leads to %q", name, rec.Header().Get("Location"))
		}
		if strings.HasPrefix(c.asked, "|Start") && string(invitation.sent) != body {
			t.Errorf("%s sent %d bytes", name, len(invitation.sent))
		}
	}
}

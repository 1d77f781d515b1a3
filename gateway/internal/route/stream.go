package route

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of a file that comes in (DIR-216).
const (
	maxUpload   = 20 << 20
	uploadChunk = 256 << 10
)

// upload is an operation whose body is a file.
type upload struct {
	template string
	conn     grpc.ClientConnInterface
	rpc      protoreflect.MethodDescriptor
}

// addUploads adds the operations whose body is a file (DIR-215, INV-36): it
// goes to the service in chunks as it comes.
func (rt *Router) addUploads(c Conns) error {
	bulk := directorypb.File_entente_directory_v1_bulk_operation_proto.Services().ByName("BulkOperationService").Methods()
	invitations := invitationpb.File_entente_invitation_v1_bulk_proto.Services().ByName("BulkInvitationService").Methods()
	for _, u := range []upload{
		{"/entente/v1/bulkOperations/{kind}", c.Directory, bulk.ByName("StartBulkOperation")},
		{"/entente/v1/bulkOperations/inviteUsers", c.Invitation, invitations.ByName("StartInviteUsersOperation")},
		{"/entente/v1/bulkInvitations", c.Invitation, invitations.ByName("StartBulkInvitation")},
	} {
		op := &Operation{Method: "POST", Template: u.template, in: u.rpc.Input(), out: u.rpc.Output(), upload: true}
		op.answer = answerOf(u.rpc)
		op.serve = func(x *exchange) {
			rt.respond(x, func(ctx context.Context) (proto.Message, error) { return x.upload(ctx, u) })
		}
		var err error
		if op.steps, err = parseTemplate(op.Template); err != nil {
			return err
		}
		op.target = op.steps
		rt.add(op)
	}
	return nil
}

// upload sends the body of the request on, behind a message that says what it
// is where the service asks for one.
func (x *exchange) upload(ctx context.Context, u upload) (proto.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := u.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/"+string(u.rpc.Parent().FullName())+"/"+string(u.rpc.Name()))
	if err != nil {
		return nil, err
	}
	send := func(values map[protoreflect.Name]protoreflect.Value) error {
		m, err := newMessage(u.rpc.Input())
		if err != nil {
			return err
		}
		for name, v := range values {
			m.ProtoReflect().Set(u.rpc.Input().Fields().ByName(name), v)
		}
		return stream.SendMsg(m)
	}
	if kind := x.value("kind"); kind != "" {
		err = send(map[protoreflect.Name]protoreflect.Value{"kind": protoreflect.ValueOfString(kind), "group_id": protoreflect.ValueOfString(x.options.Plain.Get("groupId"))})
	}
	body := http.MaxBytesReader(x.w, x.r.Body, maxUpload)
	chunk := make([]byte, uploadChunk)
	for err == nil {
		n, end := io.ReadFull(body, chunk)
		if n > 0 {
			err = send(map[protoreflect.Name]protoreflect.Value{"content": protoreflect.ValueOfBytes(chunk[:n])})
		}
		var over *http.MaxBytesError
		switch {
		case errors.As(end, &over):
			return nil, fault.Invalid(errorspb.Reason_TOO_LARGE, "The request body exceeds the limit of %d bytes.", int64(maxUpload))
		case errors.Is(end, io.EOF), errors.Is(end, io.ErrUnexpectedEOF):
			return started(stream, u.rpc.Output())
		case end != nil:
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "The request body could not be read.").WithCause(end)
		}
	}
	if errors.Is(err, io.EOF) {
		// The service has ended the stream; its answer says why.
		return started(stream, u.rpc.Output())
	}
	return nil, err
}

// started ends a file and receives the answer.
func started(stream grpc.ClientStream, md protoreflect.MessageDescriptor) (proto.Message, error) {
	m, err := newMessage(md)
	if err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return m, stream.RecvMsg(m)
}

// respond answers what a composed operation found, as the generated handlers
// do.
func (rt *Router) respond(x *exchange, do func(context.Context) (proto.Message, error)) {
	m, err := do(metadata.NewOutgoingContext(x.r.Context(), x.metadata()))
	if err == nil {
		x.w.Header().Set("Content-Type", x.contentType())
		if err = writeStatus(x.r.Context(), x.w, m); err == nil {
			_, _ = x.w.Write(x.encode(m))
			return
		}
	}
	rt.fail(x.w, x.call, err)
}

// download answers a stream of parts of one file. An error before the first
// part has the usual envelope, a later one breaks the connection off, so that
// nobody takes a part for the whole.
func (rt *Router) download(op *Operation, conn grpc.ClientConnInterface) func(*exchange) {
	return func(x *exchange) {
		ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(x.r.Context(), x.metadata()))
		defer cancel()
		stream, part, err := x.open(ctx, op, conn)
		if err != nil {
			rt.fail(x.w, x.call, err)
			return
		}
		writeFile(x.w.Header(), part)
		for err == nil {
			if _, err = x.w.Write(part.GetData()); err != nil {
				return // the client has left
			}
			part.Reset()
			err = stream.RecvMsg(part)
		}
		if !errors.Is(err, io.EOF) {
			panic(http.ErrAbortHandler)
		}
	}
}

// open sends the request and waits for the first part.
func (x *exchange) open(ctx context.Context, op *Operation, conn grpc.ClientConnInterface) (grpc.ClientStream, *httpbody.HttpBody, error) {
	req, err := newMessage(op.in)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range op.steps {
		if s.variable != "" {
			req.ProtoReflect().Set(op.in.Fields().ByName(protoreflect.Name(s.variable)), protoreflect.ValueOfString(x.value(s.variable)))
		}
	}
	if err := x.fill(req); err != nil {
		return nil, nil, err
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, op.RPC)
	if err != nil {
		return nil, nil, err
	}
	if err := stream.SendMsg(req); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, nil, err
	}
	part := &httpbody.HttpBody{}
	if err := stream.RecvMsg(part); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	return stream, part, nil
}

// writeFile names the type of a file; a browser saves it and never shows it.
func writeFile(h http.Header, part *httpbody.HttpBody) {
	contentType := part.GetContentType()
	if contentType == "" || strings.ContainsAny(contentType, "\r\n") {
		contentType = "application/octet-stream"
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", "attachment")
}

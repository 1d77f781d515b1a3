package rpc

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Server is a gRPC server that also answers unary calls from inside the
// process without frames: the same interceptors and handlers run, on copies
// of the messages, in the goroutine of the caller.
type Server struct {
	*grpc.Server
	unary   grpc.UnaryServerInterceptor
	framed  bool // calls must take the way through frames, where spans are made
	methods map[string]method

	ctx  context.Context // ends with Stop
	stop context.CancelFunc

	mu       sync.Mutex
	running  int
	stopping bool
	idle     chan struct{} // closed when stopping and nothing runs
}

// method is one unary method of a registered service.
type method struct {
	impl any
	desc *grpc.MethodDesc
}

// RegisterService implements grpc.ServiceRegistrar.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.Server.RegisterService(desc, impl)
	for i := range desc.Methods {
		s.methods["/"+desc.ServiceName+"/"+desc.Methods[i].MethodName] = method{impl, &desc.Methods[i]}
	}
}

// Serve serves a listener of TCP, or of Local, until the server stops.
func (s *Server) Serve(l net.Listener) error {
	if local, ok := l.(*localListener); ok && !s.framed {
		local.server.Store(s)
		defer local.server.Store(nil)
	}
	return s.Server.Serve(l)
}

// Stop ends the server at once: calls that run are cut off.
func (s *Server) Stop() {
	s.refuse()
	s.stop()
	s.Server.Stop()
}

// GracefulStop ends the server once the calls that run have ended.
func (s *Server) GracefulStop() {
	s.refuse()
	s.Server.GracefulStop()
	<-s.idle
	s.stop()
}

func (s *Server) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	if s.running == 0 {
		close(s.idle)
	}
}

// enter counts a call, unless the server stops.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.running++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.stopping && s.running == 0 {
		close(s.idle)
	}
}

// Conn is a connection to a server in the same process. Streams, and whatever
// else the short way does not offer, go through the ClientConn.
type Conn struct {
	*grpc.ClientConn
	client   client
	framed   bool
	listener *localListener
	peer     *peer.Peer
}

// Invoke implements grpc.ClientConnInterface.
func (c *Conn) Invoke(ctx context.Context, name string, req, reply any, opts ...grpc.CallOption) error {
	server := c.listener.server.Load()
	if c.framed || server == nil {
		return c.ClientConn.Invoke(ctx, name, req, reply, opts...)
	}
	m, ok := server.methods[name]
	in, isProto := req.(proto.Message)
	out, isProtoToo := reply.(proto.Message)
	if !ok || !isProto || !isProtoToo {
		return c.ClientConn.Invoke(ctx, name, req, reply, opts...)
	}
	header, trailer, known := answerMetadata(opts)
	if !known {
		return c.ClientConn.Invoke(ctx, name, req, reply, opts...)
	}
	return c.client.unary(ctx, name, req, reply, c.ClientConn, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		md, ok := incoming(ctx)
		if !ok || !server.enter() {
			// The frames say what is wrong with such metadata or such a moment.
			return c.ClientConn.Invoke(ctx, name, req, reply, opts...)
		}
		defer server.leave()
		return server.call(ctx, name, m, md, c.peer, in, out, header, trailer)
	})
}

// call runs a method as the transport would: with a context that has nothing
// of the client's but its deadline, its end and its metadata.
func (s *Server) call(ctx context.Context, name string, m method, md metadata.MD, from *peer.Peer, in, out proto.Message, header, trailer []*metadata.MD) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	wire, err := proto.Marshal(in)
	if err != nil {
		return status.Errorf(codes.Internal, "grpc: error while marshaling: %v", err)
	}
	if len(wire) > maxRequest {
		return status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", len(wire), maxRequest)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return status.Error(codes.Internal, "a call without a deadline") // client.unary gives each one
	}
	own, cancel := context.WithDeadline(s.ctx, deadline)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	answer := &directStream{method: name}
	own = grpc.NewContextWithServerTransportStream(metadata.NewIncomingContext(peer.NewContext(own, from), md), answer)
	decode := func(v any) error {
		msg, ok := v.(proto.Message)
		if !ok {
			return status.Error(codes.Internal, "grpc: error unmarshalling request: not a protobuf message")
		}
		if err := proto.Unmarshal(wire, msg); err != nil {
			return status.Errorf(codes.Internal, "grpc: error unmarshalling request: %v", err)
		}
		return nil
	}
	resp, err := m.desc.Handler(m.impl, own, decode, s.unary)
	for _, to := range header {
		*to = metadata.Join(answer.header, metadata.Pairs("content-type", "application/grpc"))
	}
	for _, to := range trailer {
		*to = answer.trailer.Copy()
	}
	switch {
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	case err != nil && s.ctx.Err() != nil:
		return status.Error(codes.Unavailable, "the server has stopped")
	case err != nil:
		st, ok := status.FromError(err)
		if !ok {
			st = status.FromContextError(err)
		}
		return st.Err()
	}
	return deliver(out, resp)
}

// deliver copies an answer: a handler may hold on to what it answered.
func deliver(out proto.Message, resp any) error {
	msg, ok := resp.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "grpc: error while marshaling: %T is not a protobuf message", resp)
	}
	if n := proto.Size(msg); n > maxAnswer {
		return status.Errorf(codes.ResourceExhausted, "trying to send message larger than max (%d vs. %d)", n, maxAnswer)
	}
	proto.Reset(out)
	if reflect.TypeOf(out) == reflect.TypeOf(msg) {
		proto.Merge(out, msg)
		return nil
	}
	wire, err := proto.Marshal(msg)
	if err == nil {
		err = proto.Unmarshal(wire, out)
	}
	if err != nil {
		return status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err)
	}
	return nil
}

// directStream collects what a handler says beside its answer.
type directStream struct {
	method          string
	mu              sync.Mutex
	sent            bool
	header, trailer metadata.MD
}

var errHeaderSent = errors.New("transport: the stream is done or WriteHeader was already called")

func (d *directStream) Method() string { return d.method }

func (d *directStream) SetHeader(md metadata.MD) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sent {
		return errHeaderSent
	}
	d.header = metadata.Join(d.header, md)
	return nil
}

func (d *directStream) SendHeader(md metadata.MD) error {
	err := d.SetHeader(md)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = true
	return err
}

func (d *directStream) SetTrailer(md metadata.MD) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trailer = metadata.Join(d.trailer, md)
	return nil
}

// answerMetadata is where a call wants the metadata of its answer; known is
// false for options that the short way does not offer.
func answerMetadata(opts []grpc.CallOption) (header, trailer []*metadata.MD, known bool) {
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			header = append(header, o.HeaderAddr)
		case grpc.TrailerCallOption:
			trailer = append(trailer, o.TrailerAddr)
		case grpc.FailFastCallOption, grpc.StaticMethodCallOption:
		default:
			return nil, nil, false
		}
	}
	return header, trailer, true
}

// incoming is what the server would see of the client's metadata; ok is false
// where the transport would refuse it.
func incoming(ctx context.Context) (md metadata.MD, ok bool) {
	md, _ = metadata.FromOutgoingContext(ctx)
	size := 0
	for key, values := range md {
		if strings.HasPrefix(key, "grpc-") || strings.HasPrefix(key, ":") || strings.HasSuffix(key, "-bin") {
			return nil, false
		}
		if !plainText(key) {
			return nil, false
		}
		for _, v := range values {
			if !plainText(v) {
				return nil, false
			}
			size += len(key) + len(v) + 32 // as HTTP/2 counts
		}
	}
	if size > maxHeader-1024 {
		return nil, false
	}
	if md == nil {
		md = metadata.MD{}
	}
	md["user-agent"] = []string{userAgent + " grpc-go/" + grpc.Version}
	md["content-type"] = []string{"application/grpc"}
	return md, true
}

func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

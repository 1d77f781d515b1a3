package route

import (
	"context"
	"errors"
	"io"

	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc"
)

// watched is a connection to a service that tells the exchange whether the
// service has accepted its token: what a token claims may be charged to the
// tenant it names only then.
type watched struct{ grpc.ClientConnInterface }

// Invoke calls the service.
func (w watched) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	err := w.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	exchangeFrom(ctx).hear(err)
	return err
}

// NewStream opens a stream whose answers are looked at alike.
func (w watched) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := w.ClientConnInterface.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, err
	}
	return watchedStream{s, exchangeFrom(ctx)}, nil
}

type watchedStream struct {
	grpc.ClientStream
	x *exchange
}

func (s watchedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	s.x.hear(err)
	return err
}

// hear takes note of what a service said. Calls run side by side.
func (x *exchange) hear(err error) {
	if x != nil && proves(err) && !x.accepted.Load() {
		x.accepted.Store(true)
	}
}

// proves reports whether the outcome of a call shows that the service has
// verified the token. Whatever may as well be said before, on the way or
// instead of an answer shows nothing: a client that goes away or a service
// that is down must not make a forged token count.
func proves(err error) bool {
	if err == nil || errors.Is(err, io.EOF) {
		return true
	}
	switch fault.From(rpc.FromStatus(err)).Kind {
	case fault.KindInvalid, fault.KindDenied, fault.KindNotFound, fault.KindExists, fault.KindPrecondition, fault.KindExhausted, fault.KindAborted, fault.KindOutOfRange:
		return true
	}
	return false
}

package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	call := s.begin(ctx, info.FullMethod)
	defer func() { err = call.end(err, recover()) }()
	ctx, cancel, err := s.bound(call.ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if !open(info.FullMethod) {
		if ctx, err = call.identify(ctx); err != nil {
			return nil, err
		}
		// Refused before looked at: what is wrong with a request is no
		// business of those who may not make it.
		if err := call.admit(ctx); err != nil {
			return nil, err
		}
		if err := s.required.check(req); err != nil {
			return nil, err
		}
	}
	resp, err = handler(ctx, req)
	call.tell(ctx, s.cfg.Failed, err)
	return resp, err
}

func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	call := s.begin(ss.Context(), info.FullMethod)
	defer func() { err = call.end(err, recover()) }()
	ctx := call.ctx
	if !open(info.FullMethod) {
		if ctx, err = call.identify(ctx); err != nil {
			return err
		}
		if err := call.admit(ctx); err != nil {
			return err
		}
	}
	return handler(srv, &stream{ServerStream: ss, ctx: ctx, required: &s.required})
}

// stream carries the context and checks each message of the client.
type stream struct {
	grpc.ServerStream
	ctx      context.Context
	required *requiredFields
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.required.check(m)
}

// call is what is known of one RPC while it runs.
type call struct {
	server  *server
	method  string
	started time.Time
	ctx     context.Context
	facts   facts
}

func (s *server) begin(ctx context.Context, method string) *call {
	c := &call{server: s, method: method, started: time.Now(), facts: readFacts(ctx)}
	// The caller is in the context even where verification fails, for the ids.
	c.ctx = caller.With(ctx, c.facts.caller)
	return c
}

// bound supplies a deadline where the client sent none and keeps a reserve
// where it did.
func (s *server) bound(ctx context.Context) (context.Context, context.CancelFunc, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Deadline)
		return ctx, cancel, nil
	}
	left := time.Until(deadline)
	if left < leastTime {
		return nil, nil, fault.Deadline(errorspb.Reason_DEADLINE, "The operation did not finish in time.")
	}
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(-min(reserve, left/10)))
	return ctx, cancel, nil
}

// identify verifies the token, if there is one, and puts the caller into the
// context.
func (c *call) identify(ctx context.Context) (context.Context, error) {
	if auth := c.facts.authorization; auth != "" {
		scheme, token, _ := strings.Cut(auth, " ")
		if !strings.EqualFold(scheme, "bearer") || token == "" || c.server.cfg.Verifier == nil {
			return nil, unauthenticated()
		}
		verified, err := c.server.cfg.Verifier.Verify(ctx, token)
		if err != nil {
			return nil, err
		}
		c.facts.caller = merge(c.facts.caller, verified)
		ctx = withToken(ctx, auth)
	}
	if err := c.facts.checkPathTenant(c.facts.caller); err != nil {
		return nil, err
	}
	return caller.With(ctx, c.facts.caller), nil
}

// admit enforces the access rules.
func (c *call) admit(ctx context.Context) error {
	err := Admit(c.server.rules.of(c.method), c.facts.caller)
	c.tell(ctx, c.server.cfg.Refused, err)
	return err
}

// tell tells the service of a call of a verified caller that failed.
func (c *call) tell(ctx context.Context, hook func(context.Context, string, error), err error) {
	if err != nil && hook != nil && !c.facts.caller.Tenant.IsZero() {
		hook(ctx, c.method, err)
	}
}

// merge puts what a token proves into the facts of the call.
func merge(call, verified caller.Caller) caller.Caller {
	verified.Service, verified.IP = call.Service, call.IP
	verified.RequestID, verified.ClientRequestID = call.RequestID, call.ClientRequestID
	verified.APIVersion, verified.UserAgent, verified.Advanced = call.APIVersion, call.UserAgent, call.Advanced
	return verified
}

// end turns the outcome into a status, counts it and writes the log line.
func (c *call) end(err error, panicked any) error {
	var stack []byte
	if panicked != nil {
		stack = debug.Stack()
		err = fault.Internal(errorspb.Reason_INTERNAL, "").WithCause(fmt.Errorf("panic: %v", panicked))
	}
	st := ToStatus(err)
	code := st.Code()
	took := time.Since(c.started)
	c.server.metrics.observe(c.method, code, took)
	if open(c.method) && code == codes.OK {
		return nil
	}
	level := levelOf(code)
	// Most lines are of calls that went well and are not wanted where a log
	// starts at warnings.
	if c.server.cfg.Log.Enabled(c.ctx, level) {
		c.log(level, code, took, err, stack)
	}
	if err == nil {
		return nil
	}
	return st.Err()
}

func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	case codes.Unavailable, codes.DeadlineExceeded:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// log writes the one line of a call. It names nobody but by ids.
func (c *call) log(level slog.Level, code codes.Code, took time.Duration, err error, stack []byte) {
	who := &c.facts.caller
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs, slog.String("method", c.method), slog.String("code", code.String()),
		slog.Duration("took", took), slog.String("request_id", who.RequestID), slog.String("caller", who.Kind.String()))
	if who.ClientRequestID != "" {
		attrs = append(attrs, slog.String("client_request_id", who.ClientRequestID))
	}
	if who.Service != "" {
		attrs = append(attrs, slog.String("peer", who.Service))
	}
	if !who.Tenant.IsZero() {
		attrs = append(attrs, slog.String("tenant", who.Tenant.String()), slog.String("object_id", who.ObjectID.String()),
			slog.String("app_id", who.AppID.String()))
	}
	if err != nil {
		attrs = append(attrs, slog.String("reason", fault.From(err).Reason.String()))
		if level >= slog.LevelWarn {
			attrs = append(attrs, slog.String("error", logCause(err)))
		}
		if stack != nil {
			attrs = append(attrs, slog.String("stack", string(stack)))
		}
	}
	c.server.cfg.Log.LogAttrs(c.ctx, level, "rpc", attrs...)
}

// SetHeader sends a header of the answer, for instance Location; outside of a
// gRPC call it does nothing.
func SetHeader(ctx context.Context, key, value string) {
	_ = grpc.SetHeader(ctx, metadata.Pairs(key, value))
}

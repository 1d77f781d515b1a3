package rpc

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// ClientConfig says whom to call and as whom.
type ClientConfig struct {
	// Target is a gRPC target, for instance `dns:///policy:7443` or host:port.
	Target string
	// Service is the service that must answer there.
	Service string
	// Creds are those of ClientTLS.
	Creds credentials.TransportCredentials
	// Deadline is for calls whose context has none; 0 means 10 s.
	Deadline time.Duration
	// Tracer makes spans; nil makes none.
	Tracer trace.TracerProvider
}

// Dial makes a connection, which connects when it is first used. Errors of
// calls are faults; the originating caller and the request ids of the context
// go along.
func Dial(cfg ClientConfig) (*grpc.ClientConn, error) {
	if cfg.Creds == nil {
		return nil, errors.New("a connection needs credentials")
	}
	if cfg.Service == "" {
		return nil, errors.New("a connection needs the name of the service it expects")
	}
	return dialWith(cfg)
}

func dialWith(cfg ClientConfig, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	c := newClient(cfg)
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(cfg.Creds),
		grpc.WithAuthority(cfg.Service), // ClientTLS compares it with the certificate
		grpc.WithUserAgent(userAgent),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer), grpc.MaxCallSendMsgSize(maxAnswer)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: handshakeMax,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 2 * keepaliveFloor, Timeout: 20 * time.Second}),
		grpc.WithUnaryInterceptor(c.unary),
		grpc.WithStreamInterceptor(c.stream),
	}
	if cfg.Tracer != nil {
		opts = append(opts, grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(cfg.Tracer), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	}
	return grpc.NewClient(cfg.Target, append(opts, more...)...)
}

// userAgent begins how connections of the suite name themselves.
const userAgent = "entente"

type client struct{ deadline time.Duration }

func newClient(cfg ClientConfig) client {
	if cfg.Deadline == 0 {
		cfg.Deadline = defaultDeadline
	}
	return client{cfg.Deadline}
}

func (c client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, c.deadline)
		defer cancel()
		ctx = bounded
	}
	return FromStatus(invoke(forward(ctx), method, req, reply, cc, opts...))
}

func (c client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(forward(ctx), desc, cc, method, opts...)
	if err != nil {
		return nil, FromStatus(err)
	}
	return faultStream{s}, nil
}

// faultStream answers faults instead of statuses.
type faultStream struct{ grpc.ClientStream }

func (s faultStream) SendMsg(m any) error { return FromStatus(s.ClientStream.SendMsg(m)) }
func (s faultStream) RecvMsg(m any) error { return FromStatus(s.ClientStream.RecvMsg(m)) }
func (s faultStream) CloseSend() error    { return FromStatus(s.ClientStream.CloseSend()) }

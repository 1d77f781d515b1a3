package rpc

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/test/bufconn"
)

// idPrefix begins the URI SAN of every certificate of the suite.
const idPrefix = "spiffe://entente/"

const (
	localBuffer  = 1 << 20
	handshakeMax = 5 * time.Second
)

// Dialer connects to the server behind a local listener. as names the service
// that calls; the server takes it as the peer's identity. cfg's target and
// credentials are not used.
type Dialer func(as string, cfg ClientConfig) (*Conn, error)

// Local makes a listener inside the process for the server of service, and
// the only way to reach it. The server sees the same interceptors and peer
// identities as over TCP; the same server may serve TCP listeners as well.
// Unary calls go without frames while a server serves the listener, unless
// one of the ends makes spans: those are the transport's.
func Local(service string) (net.Listener, Dialer) {
	l := &localListener{Listener: bufconn.Listen(localBuffer)}
	dial := func(as string, cfg ClientConfig) (*Conn, error) {
		if len(as) > maxName {
			return nil, errLongName
		}
		cfg.Target, cfg.Service, cfg.Creds = "passthrough:///"+service, service, localCreds{as: as}
		conn, err := dialWith(cfg, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return l.DialContext(ctx)
		}))
		if err != nil {
			return nil, err
		}
		return &Conn{ClientConn: conn, client: newClient(cfg), framed: cfg.Tracer != nil, listener: l,
			peer: &peer.Peer{Addr: l.Addr(), AuthInfo: localInfo{CommonAuthInfo: private, service: as}}}, nil
	}
	return l, dial
}

// maxName bounds the name of a service, which goes with its length in a byte.
const maxName = 255

var errLongName = errors.New("name of the service is too long")

// localListener marks its connections: a name sent over any other connection
// is never believed.
type localListener struct {
	*bufconn.Listener
	server atomic.Pointer[Server] // that serves it
}

type localConn struct{ net.Conn }

func (l *localListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return localConn{c}, nil
}

// localInfo is the identity of an in-process peer.
type localInfo struct {
	credentials.CommonAuthInfo
	service string
}

func (localInfo) AuthType() string { return "local" }

// localCreds is the client's side: it announces its service.
type localCreds struct{ as string }

func (c localCreds) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if len(c.as) > maxName {
		return nil, nil, errLongName
	}
	_, err := conn.Write(append([]byte{byte(len(c.as))}, c.as...))
	return conn, localInfo{CommonAuthInfo: private, service: ""}, err
}

func (c localCreds) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("credentials of a client")
}

func (c localCreds) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "local"}
}
func (c localCreds) Clone() credentials.TransportCredentials { return c }
func (c localCreds) OverrideServerName(string) error         { return nil }

var private = credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}

// serverCreds shakes hands by the kind of the connection: names on local
// ones, TLS on all others.
type serverCreds struct {
	tls credentials.TransportCredentials
}

func (c serverCreds) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if _, ok := conn.(localConn); !ok {
		if c.tls == nil {
			return nil, nil, errors.New("this server has no certificate and listens in process only")
		}
		return c.tls.ServerHandshake(conn)
	}
	_ = conn.SetReadDeadline(time.Now().Add(handshakeMax))
	var size [1]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, nil, err
	}
	name := make([]byte, size[0])
	if _, err := io.ReadFull(conn, name); err != nil {
		return nil, nil, err
	}
	_ = conn.SetReadDeadline(time.Time{})
	return conn, localInfo{CommonAuthInfo: private, service: string(name)}, nil
}

func (c serverCreds) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("credentials of a server")
}

func (c serverCreds) Info() credentials.ProtocolInfo {
	if c.tls != nil {
		return c.tls.Info()
	}
	return credentials.ProtocolInfo{SecurityProtocol: "local"}
}

func (c serverCreds) Clone() credentials.TransportCredentials {
	if c.tls == nil {
		return c
	}
	return serverCreds{c.tls.Clone()}
}
func (c serverCreds) OverrideServerName(string) error { return nil }

// peerService is the verified name of the calling service, "" for peers that
// are no part of the suite.
func peerService(ctx context.Context) (service string, addr net.Addr) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", nil
	}
	switch info := p.AuthInfo.(type) {
	case localInfo:
		return info.service, p.Addr
	case credentials.TLSInfo:
		if len(info.State.VerifiedChains) > 0 {
			return serviceIn(info.State.VerifiedChains[0][0]), p.Addr
		}
	}
	return "", p.Addr
}

// serviceIn is the service that a certificate names, "" if it names none or
// several.
func serviceIn(cert *x509.Certificate) string {
	if len(cert.URIs) != 1 {
		return ""
	}
	name, ok := strings.CutPrefix(cert.URIs[0].String(), idPrefix)
	if !ok || strings.ContainsAny(name, "/?#") {
		return ""
	}
	return name
}

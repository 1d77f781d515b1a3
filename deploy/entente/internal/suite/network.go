package suite

import (
	"fmt"
	"net"
	"strconv"

	"entente.dev/deploy/entente/internal/state"
)

// services lists the services by the short names of entente.json, in the order
// in which they start.
var services = []string{"directory", "policy", "invitation", "sync"}

// identity is the name of a service in certificates and access rules.
func identity(service string) string { return service + "-svc" }

const gatewayIdentity = "gateway"

// network holds every listener of the process. All are open before anything
// starts, so that a taken port is said at once and addresses are known.
type network struct {
	http, tls  net.Listener
	mail, smtp net.Listener
	admin      net.Listener
	grpc       map[string]net.Listener
}

func listen(folder *state.Folder, o Options) (n *network, err error) {
	ports, err := folder.Ports()
	if err != nil {
		return nil, err
	}
	n = &network{grpc: make(map[string]net.Listener)}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	for _, l := range []struct {
		to                   *net.Listener
		use, address, option string
	}{
		{&n.http, "http", o.Listen, "listen"},
		{&n.tls, "tls", o.TLSListen, "tls-listen"},
		{&n.mail, "mail", o.MailListen, "mail-listen"},
		{&n.smtp, "smtp", "127.0.0.1:0", "mail-listen"},
		{&n.admin, "admin", o.AdminListen, "admin-listen"},
	} {
		if *l.to, err = ports.Listen(l.use, l.address, l.option); err != nil {
			return n, err
		}
	}
	for i, service := range services {
		address, err := following(o.GRPCListen, i)
		if err != nil {
			return n, fmt.Errorf("--grpc-listen %s: %w", o.GRPCListen, err)
		}
		if n.grpc[service], err = ports.Listen("grpc-"+service, address, "grpc-listen"); err != nil {
			return n, err
		}
	}
	return n, ports.Save()
}

// following is the address i ports after the given one; port 0 stays.
func following(address string, i int) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("write host:port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n+uint64(i) > 65535 {
		return "", fmt.Errorf("the port is a number up to 65535")
	}
	if n == 0 {
		return address, nil
	}
	return net.JoinHostPort(host, strconv.FormatUint(n+uint64(i), 10)), nil
}

// close gives the ports back; a listener that was served is closed already.
func (n *network) close() {
	for _, l := range []net.Listener{n.http, n.tls, n.mail, n.smtp, n.admin} {
		if l != nil {
			l.Close()
		}
	}
	for _, l := range n.grpc {
		if l != nil {
			l.Close()
		}
	}
}

// grpcAddresses is host:port by service, for entente.json.
func (n *network) grpcAddresses() map[string]string {
	out := make(map[string]string, len(n.grpc))
	for service, l := range n.grpc {
		out[service] = reachable(l.Addr())
	}
	return out
}

// reachable is the address to connect to for a listener: loopback where it
// listens everywhere.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}

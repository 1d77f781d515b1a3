package suitetest

import (
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// names answers questions for TXT records on loopback, as the name servers of
// the tenants' domains would.
type names struct {
	conn net.PacketConn
	done chan struct{}
	mu   sync.Mutex
	txt  map[string]string
}

// serveNames starts a name server.
func serveNames() (*names, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &names{conn: conn, done: make(chan struct{}), txt: map[string]string{}}
	go n.serve()
	return n, nil
}

func (n *names) address() string { return n.conn.LocalAddr().String() }

func (n *names) stop() {
	_ = n.conn.Close()
	<-n.done
}

func (n *names) publish(name, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.txt[name+"."] = text
}

func (n *names) serve() {
	defer close(n.done)
	packet := make([]byte, 512)
	for {
		size, from, err := n.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(packet[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Header.Response, m.Header.Authoritative, m.Additionals = true, true, nil
		n.mu.Lock()
		text, ok := n.txt[strings.ToLower(q.Name.String())]
		n.mu.Unlock()
		if ok && q.Type == dnsmessage.TypeTXT {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.TXTResource{TXT: []string{text}},
			}}
		} else {
			m.Header.RCode = dnsmessage.RCodeNameError
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = n.conn.WriteTo(answer, from)
		}
	}
}

// Publish puts the record that proves a domain of the caller's tenant into the
// DNS. It fails on a suite that was joined, whose name server is another one.
func (g *Graph) Publish(domain string) {
	g.t.Helper()
	if g.Suite.names == nil {
		g.t.Fatalf("%s asks a name server of its own, which these tests cannot teach: run them without %s", g.Suite.GraphURL, DataDirVariable)
	}
	for _, record := range Values(g.Get("/v1.0/domains/" + domain + "/verificationDnsRecords")) {
		if text, ok := record["text"].(string); ok {
			g.Suite.names.publish(domain, text)
		}
	}
}

// Prove adds a domain to the caller's tenant and proves it by the DNS.
func (g *Graph) Prove(domain string) {
	g.t.Helper()
	g.Create("/v1.0/domains", Object{"id": domain})
	g.Publish(domain)
	if proved := g.want(http.MethodPost, "/v1.0/domains/"+domain+"/verify", nil, http.StatusOK).JSON; proved["isVerified"] != true {
		g.t.Errorf("domain after its proof = %v", proved)
	}
}

// OwnDomain is a name outside the suite that no other test uses.
func (tenant Tenant) OwnDomain() string {
	label, _, _ := strings.Cut(tenant.Domain, ".")
	return label + ".test"
}

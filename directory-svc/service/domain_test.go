package service_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func (h *home) organization() pb.OrganizationServiceClient {
	return pb.NewOrganizationServiceClient(h.gateway)
}

// nameServer answers TXT questions on loopback.
type nameServer struct {
	conn net.PacketConn
	mu   sync.Mutex
	txt  map[string]string
}

func serveNames(t testing.TB) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn, txt: make(map[string]string)}
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return s
}

func (s *nameServer) set(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txt[name+"."] = text
}

func (s *nameServer) serve() {
	buffer := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Header.Response, m.Header.Authoritative, m.Additionals = true, true, nil
		s.mu.Lock()
		text, ok := s.txt[strings.ToLower(q.Name.String())]
		s.mu.Unlock()
		if ok && q.Type == dnsmessage.TypeTXT {
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.TXTResource{TXT: []string{text}}}}
		} else {
			m.Header.RCode = dnsmessage.RCodeNameError
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

func (h *home) addDomain(name string) error {
	_, err := h.organization().CreateDomain(h.ctx, &pb.CreateDomainRequest{Domain: &pb.Domain{Id: name}})
	return err
}

func (h *home) verify(names *nameServer, name string) error {
	h.t.Helper()
	if names != nil {
		records, err := h.organization().ListVerificationDnsRecords(h.ctx, &pb.ListVerificationDnsRecordsRequest{Id: name})
		h.must(err)
		names.set(name, records.Value[0].GetText())
	}
	_, err := h.organization().VerifyDomainOwnership(h.ctx, &pb.VerifyDomainOwnershipRequest{Id: name})
	return err
}

func (h *home) deleteDomain(name string) error {
	_, err := h.organization().DeleteDomain(h.ctx, &pb.DeleteDomainRequest{Id: name})
	return err
}

func TestAC4_DomainIsVerifiedInOneTenant(t *testing.T) {
	t.Parallel()
	names := serveNames(t)
	s := startWith(t, names.conn.LocalAddr().String())
	a, b := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	a.must(a.addDomain("contoso.com"))
	b.must(b.addDomain("contoso.com")) // pending in several tenants
	wantReason(t, a.verify(nil, "contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	a.must(a.verify(names, "contoso.com"))
	wantReason(t, b.verify(names, "contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	wantReason(t, b.addDomain("sales.contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	a.must(a.addDomain("sales.contoso.com"))
	child, err := a.organization().GetDomain(a.ctx, &pb.GetDomainRequest{Id: "sales.contoso.com"})
	if err != nil || !child.GetIsVerified() || child.GetIsRoot() {
		t.Errorf("child domain %v, %v", child, err)
	}
	draft := a.draft("ann")
	draft.UserPrincipalName = ptr("ann@contoso.com")
	u, err := a.users().CreateUser(a.ctx, &pb.CreateUserRequest{User: draft})
	a.must(err)
	app, _ := a.application("Shop")
	uris := func(list ...string) {
		t.Helper()
		_, err := pb.NewApplicationServiceClient(a.gateway).UpdateApplication(a.ctx, &pb.UpdateApplicationRequest{Id: app.Id, Application: &pb.Application{IdentifierUris: list},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"identifier_uris"}}})
		a.must(err)
	}
	uris("https://contoso.com/shop")
	a.must(a.deleteDomain("sales.contoso.com"))
	wantReason(t, a.deleteDomain("contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	wantReason(t, b.verify(names, "contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	a.patch(u.Id, &pb.User{UserPrincipalName: ptr("ann@" + a.domain)}, "user_principal_name")
	wantReason(t, a.deleteDomain("contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	uris("api://" + app.GetAppId())
	a.must(a.deleteDomain("contoso.com"))
	b.must(b.verify(names, "contoso.com"))
}

func TestAC5_DomainInUseStays(t *testing.T) {
	t.Parallel()
	names := serveNames(t)
	h := startWith(t, names.conn.LocalAddr().String()).tenant("contoso", pb.Tenant_workforce)
	h.must(h.addDomain("contoso.com"))
	h.must(h.verify(names, "contoso.com"))
	draft := h.draft("ann")
	draft.UserPrincipalName = ptr("ann@contoso.com")
	u, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	h.must(err)
	h.user("ann") // the name it would move to
	wantReason(t, h.deleteDomain("contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	used, err := h.organization().ListDomainNameReferences(h.ctx, &pb.ListDomainNameReferencesRequest{Id: "contoso.com"})
	if err != nil || len(used.Value) != 1 || used.Value[0].GetUser().GetId() != u.Id {
		t.Errorf("references %v, %v", used.GetValue(), err)
	}
	_, err = h.organization().ForceDeleteDomain(h.ctx, &pb.ForceDeleteDomainRequest{Id: "contoso.com"})
	h.must(err)
	moved, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Select: "userPrincipalName,accountEnabled"}})
	if err != nil || moved.GetUserPrincipalName() != "ann1@"+h.domain || !moved.GetAccountEnabled() {
		t.Errorf("moved to %v, %v", moved, err)
	}
	h.wantAudit("Remove verified domain", "contoso.com")
	_, err = h.organization().GetDomain(h.ctx, &pb.GetDomainRequest{Id: "contoso.com"})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
}

func TestDomainsRefuse(t *testing.T) {
	t.Parallel()
	names := serveNames(t)
	h := startWith(t, names.conn.LocalAddr().String()).tenant("contoso", pb.Tenant_workforce)
	for _, name := range []string{"", "nodots", "bad_label.com", "x.onentente.example", strings.Repeat("a", 64) + ".com", "-a.com"} {
		if err := h.addDomain(name); err == nil {
			t.Errorf("%q was added", name)
		}
	}
	wantReason(t, h.deleteDomain(h.domain), errorspb.Reason_PROPERTY_INVALID)
	h.must(h.addDomain("contoso.com"))
	wantReason(t, h.addDomain("CONTOSO.com"), errorspb.Reason_OBJECT_CONFLICT)
	update := func(name string, d *pb.Domain, paths ...string) error {
		_, err := h.organization().UpdateDomain(h.ctx, &pb.UpdateDomainRequest{Id: name, Domain: d, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return err
	}
	wantReason(t, update("contoso.com", &pb.Domain{IsDefault: ptr(true)}, "is_default"), errorspb.Reason_PROPERTY_INVALID)
	h.must(h.verify(names, "contoso.com"))
	h.must(update("contoso.com", &pb.Domain{IsDefault: ptr(true), PasswordValidityPeriodInDays: ptr(int32(90))}, "is_default", "password_validity_period_in_days"))
	for _, name := range []string{"contoso.com", h.domain} { // the default, and one that is not
		wantReason(t, update(name, &pb.Domain{IsDefault: ptr(false)}, "is_default"), errorspb.Reason_PROPERTY_INVALID)
	}
	wantReason(t, update("contoso.com", &pb.Domain{PasswordValidityPeriodInDays: ptr(int32(13))}, "password_validity_period_in_days"), errorspb.Reason_PROPERTY_INVALID)
	wantReason(t, update("contoso.com", &pb.Domain{SupportedServices: []string{"Fax"}}, "supported_services"), errorspb.Reason_PROPERTY_INVALID)
	list, err := h.organization().ListDomains(h.ctx, &pb.ListDomainsRequest{})
	h.must(err)
	defaults := ""
	for _, d := range list.Value {
		if d.GetIsDefault() {
			defaults += fmt.Sprint(d.Id, " ", d.GetPasswordValidityPeriodInDays())
		}
	}
	if defaults != "contoso.com 90" {
		t.Errorf("default domain: %q", defaults)
	}
}

func (h *home) forceDelete(name string, disable *bool) error {
	_, err := h.organization().ForceDeleteDomain(h.ctx, &pb.ForceDeleteDomainRequest{Id: name, DisableUserAccounts: disable})
	return err
}

func TestForcedRemovalMovesEverything(t *testing.T) {
	t.Parallel()
	names := serveNames(t)
	h := startWith(t, names.conn.LocalAddr().String()).tenant("contoso", pb.Tenant_workforce)
	update := func(name string) {
		t.Helper()
		_, err := h.organization().UpdateDomain(h.ctx, &pb.UpdateDomainRequest{Id: name, Domain: &pb.Domain{IsDefault: ptr(true)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"is_default"}}})
		h.must(err)
	}
	h.must(h.addDomain("contoso.com"))
	h.must(h.verify(names, "contoso.com"))
	draft := h.draft("ann")
	draft.UserPrincipalName = ptr("ann@contoso.com")
	ann, err := h.users().CreateUser(h.ctx, &pb.CreateUserRequest{User: draft})
	h.must(err)
	update("contoso.com")
	team := h.unified("team", nil)
	update(h.domain)
	_, err = h.contact("Team", "team@"+h.domain) // the address that the group would move to
	h.must(err)
	lee, err := h.contact("Lee", "lee@contoso.com")
	h.must(err)
	_, err = h.contact("Other Lee", "lee@"+h.domain)
	h.must(err)
	app, _ := h.application("Night Shop")
	uris := func(list ...string) {
		t.Helper()
		_, err := pb.NewApplicationServiceClient(h.gateway).UpdateApplication(h.ctx, &pb.UpdateApplicationRequest{Id: app.Id, Application: &pb.Application{IdentifierUris: list},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"identifier_uris"}}})
		h.must(err)
	}
	uris("https://contoso.com/shop")
	err = h.forceDelete("contoso.com", ptr(true))
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	if err == nil || !strings.Contains(err.Error(), "Night Shop") || !strings.Contains(err.Error(), app.Id) {
		t.Errorf("which application: %v", err)
	}
	uris()
	h.must(h.forceDelete("contoso.com", ptr(true)))
	u, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: ann.Id, Query: &odatapb.Query{Select: "userPrincipalName,accountEnabled"}})
	if err != nil || u.GetUserPrincipalName() != "ann@"+h.domain || u.GetAccountEnabled() {
		t.Errorf("the user: %v, %v", u, err)
	}
	g, err := h.groups().GetGroup(h.ctx, &pb.GetGroupRequest{Id: team.Id})
	if err != nil || g.GetMail() != "team1@"+h.domain {
		t.Errorf("the group: %v, %v", g, err)
	}
	c, err := pb.NewContactServiceClient(h.gateway).GetContact(h.ctx, &pb.GetContactRequest{Id: lee.Id})
	if err != nil || c.GetMail() != "lee1@"+h.domain {
		t.Errorf("the contact: %v, %v", c, err)
	}

	h.must(h.addDomain("later.com"))
	h.must(h.forceDelete("later.com", nil))
	h.wantAudit("Remove unverified domain", "later.com")
}

func TestRefusedDomainsAreRecorded(t *testing.T) {
	t.Parallel()
	names := serveNames(t)
	s := startWith(t, names.conn.LocalAddr().String())
	a, b := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	b.must(b.addDomain("contoso.com"))
	a.must(a.addDomain("contoso.com"))
	a.must(a.verify(names, "contoso.com"))
	wantReason(t, a.addDomain("CONTOSO.com"), errorspb.Reason_OBJECT_CONFLICT)
	a.wantFailure("Add unverified domain", "CONTOSO.com")
	wantReason(t, b.addDomain("sales.contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	b.wantFailure("Add unverified domain", "sales.contoso.com")
	wantReason(t, b.verify(names, "contoso.com"), errorspb.Reason_PROPERTY_INVALID)
	b.wantFailure("Verify domain", "contoso.com")
}

// wantFailure wants a record of an act that was refused.
func (h *home) wantFailure(activity, target string) {
	h.t.Helper()
	events, err := auditpb.NewAuditServiceClient(h.gateway).ListAuditEvents(h.ctx, &auditpb.ListAuditEventsRequest{Query: &odatapb.Query{
		Filter: "activityDisplayName eq '" + activity + "' and result eq 'failure'"}})
	h.must(err)
	for _, e := range events.Value {
		if len(e.TargetResources) > 0 && e.TargetResources[0].GetId() == target {
			return
		}
	}
	h.t.Errorf("no record of the refused %q for %s: %v", activity, target, events.Value)
}

func TestReferencesOfADomainAreForItsAdministrators(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann, names := h.user("ann"), h.user("names")
	guest := h.invite("guest@fabrikam.example", pb.User_Guest)
	h.must(h.give("8329153b-31d0-4727-b945-745eb3bc5f31", names.Id, "/"))
	read := func(id string) error {
		_, err := h.organization().ListDomainNameReferences(h.person(id), &pb.ListDomainNameReferencesRequest{Id: h.domain})
		return err
	}
	for _, id := range []string{ann.Id, guest.Id} {
		wantReason(t, read(id), errorspb.Reason_ACCESS_DENIED)
	}
	h.must(read(names.Id))
}

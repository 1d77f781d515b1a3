package service_test

import (
	"fmt"
	"strings"
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func (h *home) contacts() pb.ContactServiceClient { return pb.NewContactServiceClient(h.gateway) }

func (h *home) contact(name, mail string) (*pb.OrgContact, error) {
	return h.contacts().CreateContact(h.ctx, &pb.CreateContactRequest{Contact: &pb.OrgContact{DisplayName: &name, Mail: &mail}})
}

func (h *home) invited(mail string, kind pb.User_UserType) (*pb.CreateExternalUserResponse, error) {
	return h.external().CreateExternalUser(h.t.Context(), &pb.CreateExternalUserRequest{TenantId: h.id, Email: mail,
		DisplayName: mail, UserType: kind, InvitationId: mail + kind.String()})
}

// TestGuestWhoWasLeftOutComesIn: a guest whose address a contact held has its
// mail once the address is free (DIR-118).
func TestGuestWhoWasLeftOutComesIn(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	c, err := h.contact("Lee", "lee@fabrikam.com")
	h.must(err)
	guest := h.invite("lee@fabrikam.com", pb.User_Guest)
	_, err = h.contact("Kim", "kim@fabrikam.com")
	h.must(err)
	proxies := func(mail string) []string {
		h.must(h.update(h.ctx, guest.Id, &pb.User{Mail: &mail}, "mail"))
		got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: guest.Id, Query: &odatapb.Query{Select: "mail,proxyAddresses"}})
		if err != nil || got.GetMail() != mail {
			t.Errorf("%v %v", got, err)
		}
		return got.ProxyAddresses
	}
	if got := proxies("kim@fabrikam.com"); len(got) != 0 {
		t.Errorf("the address of a contact: %v", got)
	}
	_, err = h.contacts().DeleteContact(h.ctx, &pb.DeleteContactRequest{Id: c.Id})
	h.must(err)
	if got := proxies("lee@fabrikam.com"); len(got) != 1 || got[0] != "SMTP:lee@fabrikam.com" {
		t.Errorf("the address is free: %v", got)
	}
}

func TestAC23_ContactHoldsTheAddressOfAnInvitation(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	_, err := h.contact("Lee", "lee@fabrikam.com")
	h.must(err)
	_, err = h.invited("lee@fabrikam.com", pb.User_Member)
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	made, err := h.invited("lee@fabrikam.com", pb.User_Guest)
	h.must(err)
	if len(made.User.ProxyAddresses) != 0 || made.User.GetMail() != "lee@fabrikam.com" || made.User.GetShowInAddressList() {
		t.Errorf("guest beside a contact: %v", made.User)
	}
}

func TestAC24_GuestHoldsTheAddressOfAContact(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	_, err := h.invited("lee@fabrikam.com", pb.User_Guest)
	h.must(err)
	_, err = h.contact("Lee", "LEE@fabrikam.com")
	wantReason(t, err, errorspb.Reason_OBJECT_CONFLICT)
	_, err = h.invited("kim@fabrikam.com", pb.User_Member) // never mail-enabled (row 1)
	h.must(err)
	_, err = h.contact("Kim", "kim@fabrikam.com")
	h.must(err)
}

func TestContactLives(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	kim, err := h.contact("Kim Lee", "kim@fabrikam.com")
	h.must(err)
	if kim.GetMailNickname() != "kim" || kim.ProxyAddresses[0] != "SMTP:kim@fabrikam.com" {
		t.Errorf("%v", kim)
	}
	for _, wrong := range []*pb.OrgContact{{Mail: ptr("a@b.com")}, {DisplayName: ptr("A")}, {DisplayName: ptr("A"), Mail: ptr("no address")}} {
		if _, err := h.contacts().CreateContact(h.ctx, &pb.CreateContactRequest{Contact: wrong}); err == nil {
			t.Errorf("%v was created", wrong)
		}
	}
	_, err = h.contacts().UpdateContact(h.ctx, &pb.UpdateContactRequest{Id: kim.Id, Contact: &pb.OrgContact{Mail: ptr("kim.lee@fabrikam.com"), JobTitle: ptr("Buyer")},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"mail", "job_title"}}})
	h.must(err)
	found, err := h.contacts().ListContacts(h.ctx, &pb.ListContactsRequest{Query: &odatapb.Query{Filter: "proxyAddresses/any(p:p eq 'SMTP:kim.lee@fabrikam.com')"}})
	if err != nil || len(found.Value) != 1 || found.Value[0].GetJobTitle() != "Buyer" {
		t.Errorf("%v, %v", found.GetValue(), err)
	}
	u := h.user("ann")
	_, err = h.users().SetManager(h.ctx, &pb.SetManagerRequest{Id: u.Id, Reference: reference(kim.Id)})
	h.must(err)
	manager, err := h.users().GetManager(h.ctx, &pb.GetManagerRequest{Id: u.Id})
	if err != nil || manager.GetOrgContact().GetId() != kim.Id {
		t.Errorf("manager %v, %v", manager, err)
	}
	reports, err := h.contacts().ListContactDirectReports(h.ctx, &pb.ListContactRelationRequest{Id: kim.Id})
	if err != nil || len(reports.Value) != 1 || reports.Value[0].GetUser().GetId() != u.Id {
		t.Errorf("directReports %v, %v", reports.GetValue(), err)
	}
	_, err = h.contacts().DeleteContact(h.ctx, &pb.DeleteContactRequest{Id: kim.Id})
	h.must(err)
	_, err = h.users().GetManager(h.ctx, &pb.GetManagerRequest{Id: u.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	_, err = h.contact("Kim again", "kim.lee@fabrikam.com")
	h.must(err)
}

func TestAddressListPagesInOrder(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	for i := range 7 {
		_, err := h.contact(fmt.Sprint("Name ", i), fmt.Sprintf("n%d@fabrikam.com", i))
		h.must(err)
		_, err = h.invited(fmt.Sprintf("member%d@fabrikam.com", i), pb.User_Member)
		h.must(err)
		_, err = h.invited(fmt.Sprintf("guest%d@fabrikam.com", i), pb.User_Guest) // hidden (DIR-60)
		h.must(err)
	}
	var names []string
	query := &odatapb.Query{Top: ptr(int32(4))}
	for {
		page, err := h.contacts().ListAddressList(h.ctx, &pb.ListAddressListRequest{Query: query})
		h.must(err)
		for _, e := range page.Value {
			names = append(names, strings.ToLower(e.GetDisplayName()))
		}
		if page.NextPageToken == "" {
			break
		}
		query.Skiptoken = page.NextPageToken
	}
	if len(names) != 14 {
		t.Fatalf("%d entries: %v", len(names), names)
	}
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			t.Errorf("%q before %q", names[i-1], names[i])
		}
	}
	found, err := h.contacts().ListAddressList(h.ctx, &pb.ListAddressListRequest{Query: &odatapb.Query{Search: `"name 3"`}})
	if err != nil || len(found.Value) != 1 || found.Value[0].Type != "orgContact" {
		t.Errorf("%v, %v", found.GetValue(), err)
	}
	guest, err := h.invited("visitor@fabrikam.com", pb.User_Guest)
	h.must(err)
	_, err = h.contacts().ListAddressList(h.person(guest.User.Id), &pb.ListAddressListRequest{})
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestReplaceProxyAddresses(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	u, other := h.user("ann"), h.user("ben")
	replace := func(id string, list ...string) error {
		_, err := h.contacts().ReplaceProxyAddresses(h.ctx, &pb.ReplaceProxyAddressesRequest{Id: id, Addresses: list})
		return err
	}
	h.must(replace(u.Id, "SMTP:ann@fabrikam.com", "smtp:a@fabrikam.com", "SIP:ann@fabrikam.net"))
	got, err := h.users().GetUser(h.ctx, &pb.GetUserRequest{Id: u.Id, Query: &odatapb.Query{Select: "mail,proxyAddresses"}})
	if err != nil || got.GetMail() != "ann@fabrikam.com" || len(got.ProxyAddresses) != 3 {
		t.Errorf("%v, %v", got, err)
	}
	wantReason(t, replace(other.Id, "SMTP:A@fabrikam.com"), errorspb.Reason_OBJECT_CONFLICT)
	for _, wrong := range [][]string{{"SMTP:a@x.com", "SMTP:b@x.com"}, {"a@x.com"}, {"FAX:1"}, {"smtp:a@x.com", "SMTP:A@x.com"}} {
		wantReason(t, replace(other.Id, wrong...), errorspb.Reason_PROPERTY_INVALID)
	}
	never, err := h.invited("never@fabrikam.com", pb.User_Member)
	h.must(err)
	wantReason(t, replace(never.User.Id, "SMTP:never@fabrikam.com"), errorspb.Reason_PROPERTY_INVALID)
}

package engine

import (
	"testing"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/directorytest"
)

func (w *world) demand(object uuid.UUID) *Demand {
	w.t.Helper()
	d, err := w.engine.ProvisionOne(w.t.Context(), tenant.ID(w.from), w.jobID, object, Origin{Kind: "user"})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func TestSYN255OnDemandShowsMappedPropertiesAlone(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.demand(id)
	own := uuid.MustParse(w.target(id).User.GetId())
	w.dir.Change(w.to, own, func(u *directorytest.User) { u.User.EmployeeType = proto.String("secret") }, "employeeType")
	d := w.demand(id)
	if len(d.Matched) != 1 || d.Matched[0]["displayName"] != "u" || d.Matched[0]["userPrincipalName"] == "" {
		t.Fatalf("matched %v", d.Matched)
	}
	if got, shown := d.Matched[0]["employeeType"]; shown {
		t.Errorf("a property of the target that is not mapped was shown: %s", got)
	}
}

func TestSYN255OnDemandShowsNoPendingUserOfAnotherDomain(t *testing.T) {
	w := newWorld(t, nil)
	for _, address := range []string{"stranger@elsewhere.example", "u@s.example"} {
		w.dir.AddUser(w.to, address, func(u *directorytest.User) { u.Invited, u.External, u.User.Mail = address, true, proto.String(address) })
	}
	claims := w.assigned("claims", func(u *directorytest.User) { u.User.Mail = proto.String("stranger@elsewhere.example") })
	if d := w.demand(claims); len(d.Matched) != 0 {
		t.Errorf("shown of a pending user whose domain the source has not verified: %v", d.Matched)
	}
	if d := w.demand(w.assigned("u")); len(d.Matched) != 1 || d.Matched[0]["mail"] != "u@s.example" {
		t.Errorf("shown of a pending user of the source's domain: %v", d.Matched)
	}
}

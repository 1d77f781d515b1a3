package engine

import (
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/mapping"
)

// mapMail makes the mail address of the target come from the company name of the
// source, so that it is another one than the source's.
func (w *world) mapMail() {
	w.t.Helper()
	w.schema(func(s *mapping.Schema) { target(s, "mail").Source = &mapping.Source{Expression: "[companyName]"} })
}

func company(address string) func(*directorytest.User) {
	return func(u *directorytest.User) { u.User.CompanyName = proto.String(address) }
}

func TestSYN9TheDomainListSeesTheWrittenAddress(t *testing.T) {
	w := newWorld(t, nil)
	w.mapMail()
	w.policy.Block("blocked.example")
	bad := w.assigned("bad", company("bad@blocked.example"))
	good := w.assigned("good", company("good@other.example"), func(u *directorytest.User) { u.User.Mail = proto.String("good@blocked.example") })
	w.cycle()
	if w.target(bad) != nil || w.told(bad, actionCreate, statusFailure, CodeInvitation) != 1 {
		t.Errorf("a refused address was written:\n%s", w.dir.Dump(t, w.to))
	}
	if u := w.target(good); u == nil || u.User.GetMail() != "good@other.example" {
		t.Errorf("an admitted address was not written:\n%s", w.dir.Dump(t, w.to))
	}
}

func TestSYN9TheDomainListSeesNewAddressesOfLinkedUsers(t *testing.T) {
	w := newWorld(t, nil)
	w.mapMail()
	id := w.assigned("u", company("u@s.example"))
	w.cycle()
	w.policy.Block("blocked.example")
	w.policy.Refuse(id.String(), "allowInvitesFrom") // has no say about who is there
	move := func(address string) {
		w.dir.Change(w.from, id, company(address), "companyName")
		w.cycle()
	}
	move("u@blocked.example")
	if got := w.target(id).User.GetMail(); got != "u@s.example" || w.told(id, actionUpdate, statusFailure, CodeInvitation) != 1 {
		t.Errorf("address %q, want the one that is admitted", got)
	}
	move("v@s.example")
	if got := w.target(id).User.GetMail(); got != "v@s.example" {
		t.Errorf("address %q, want the new one", got)
	}
}

func TestARefusedAddressKeepsNobodyEnabled(t *testing.T) {
	w := newWorld(t, nil)
	w.mapMail()
	id := w.assigned("u", company("u@s.example"))
	w.cycle()
	w.policy.Block("blocked.example")
	w.dir.Change(w.from, id, func(u *directorytest.User) {
		u.User.AccountEnabled, u.User.CompanyName = proto.Bool(false), proto.String("u@blocked.example")
	}, "accountEnabled", "companyName")
	w.cycle()
	if u := w.target(id).User; u.GetAccountEnabled() || u.GetMail() != "u@s.example" {
		t.Errorf("enabled %t, address %q", u.GetAccountEnabled(), u.GetMail())
	}
	if w.told(id, actionDisable, statusSuccess, "") != 1 || w.detailed(id, actionDisable) != withheldDetails("DomainList") {
		t.Errorf("details %q", w.detailed(id, actionDisable))
	}
}

// detailed is the details of the last record of an object with an action.
func (w *world) detailed(object uuid.UUID, action int16) (details string) {
	w.t.Helper()
	for _, r := range w.log() {
		if r.Source.ID == object.String() && r.Action == action {
			details = r.Details
		}
	}
	return details
}

func TestARestoredUserKeepsItsAddress(t *testing.T) {
	w := newWorld(t, nil)
	w.mapMail()
	id := w.assigned("u", company("u@later.example"))
	w.cycle()
	w.dir.Assign(w.from, w.sp, id, false)
	w.cycle()
	w.policy.Block("later.example")
	w.dir.Assign(w.from, w.sp, id, true)
	w.cycle()
	if !w.target(id).Deleted || w.told(id, actionUpdate, statusFailure, CodeInvitation) != 1 {
		t.Errorf("restored with an address that is refused:\n%s", w.dir.Dump(t, w.to))
	}
}

package engine

import (
	"fmt"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/scope"
	"entente.dev/sync-svc/internal/store"
)

func TestA13AssignedUserIsCreated(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	other := w.dir.AddUser(w.from, "other")
	w.cycle()
	u := w.target(id)
	if u == nil {
		t.Fatalf("not created:\n%s", w.dir.Dump(t, w.to))
	}
	if got := u.User.GetUserPrincipalName(); got != "u_s.example#EXT#@t.example" {
		t.Errorf("sign-in name %s", got)
	}
	if u.User.GetUserType() != directorypb.User_Member || !u.User.GetShowInAddressList() {
		t.Errorf("userType %s, showInAddressList %t", u.User.GetUserType(), u.User.GetShowInAddressList())
	}
	if w.target(other) != nil {
		t.Error("an unassigned user was created")
	}
	if n := w.told(id, actionCreate, statusSuccess, ""); n != 1 {
		t.Errorf("%d create records", n)
	}
	j := w.job()
	if j.Code != job.CodeActive || j.Synchronized != 1 || j.LastSuccess == nil || j.LastSuccess.Exported != 1 || j.Watermark == "" || j.Cycle != nil {
		t.Errorf("job after its first cycle: %+v", j)
	}
}

func TestSecondCycleWritesAndLogsNothing(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	for _, alias := range []string{"a", "b", "c"} {
		w.dir.AddUser(w.from, alias)
	}
	w.cycle()
	applied, logged := w.dir.Called("ApplyExternalUsers"), len(w.log())
	w.cycle()
	w.restart("Watermark")
	w.cycle()
	if got := w.dir.Called("ApplyExternalUsers"); got != applied {
		t.Errorf("%d more writes", got-applied)
	}
	if got := len(w.log()); got != logged {
		t.Errorf("%d more records", got-logged)
	}
	if j := w.job(); j.Last.Redundant != 3 || j.Last.Imported != 3 {
		t.Errorf("figures %+v", j.Last.Counts)
	}
}

func TestA14UserTypeConstant(t *testing.T) {
	w := newWorld(t, nil)
	w.schema(func(s *mapping.Schema) { target(s, "userType").Source = &mapping.Source{Expression: `"Guest"`} })
	id := w.assigned("u")
	w.cycle()
	if got := w.target(id).User.GetUserType(); got != directorypb.User_Guest {
		t.Errorf("userType %s", got)
	}
}

func target(s *mapping.Schema, name string) *mapping.AttributeMapping {
	for i := range s.Users().Attributes {
		if a := &s.Users().Attributes[i]; a.Target == name {
			return a
		}
	}
	return nil
}

func TestA15ExistingGuestKeepsItsType(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	guest := directorypb.User_Guest
	w.dir.AddUser(w.to, "x", func(u *directorytest.User) {
		u.Home, u.External = w.from.String()+"/"+id.String(), true
		u.User.UserType, u.User.DisplayName, u.User.Mail = &guest, proto.String("Old"), proto.String("u@s.example")
	})
	w.cycle()
	if u := w.target(id); u.User.GetUserType() != guest || u.User.GetDisplayName() != "u" {
		t.Errorf("userType %s, displayName %s", u.User.GetUserType(), u.User.GetDisplayName())
	}
	if n := w.told(id, actionUpdate, statusSuccess, ""); n != 1 {
		t.Errorf("%d update records", n)
	}
	w.schema(func(s *mapping.Schema) { target(s, "userType").FlowType = mapping.Always })
	w.cycle()
	if got := w.target(id).User.GetUserType(); got != directorypb.User_Member {
		t.Errorf("userType %s after the flow type was Always", got)
	}
	if n := w.dir.Count(w.to); n != 1 {
		t.Errorf("%d users in the target", n)
	}
}

func TestA16A17ExternalUsersAndInternalGuestsAreSkipped(t *testing.T) {
	w := newWorld(t, nil)
	guest := directorypb.User_Guest
	external := w.assigned("external", func(u *directorytest.User) { u.External = true })
	internal := w.assigned("internal", func(u *directorytest.User) { u.User.UserType = &guest })
	w.cycle()
	for _, id := range []uuid.UUID{external, internal} {
		if w.target(id) != nil {
			t.Error("created")
		}
		if n := w.told(id, actionOther, statusSkipped, scope.NotEffectivelyEntitled); n != 1 {
			t.Errorf("%d skip records", n)
		}
	}
	w.cycle()
	if n := len(w.log()); n != 2 {
		t.Errorf("%d records after a second cycle, want 2", n)
	}
	w.write(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.jobID)
		if err != nil {
			return err
		}
		j.Settings = map[string]string{"entente.includeInternalGuests": "True"}
		return tx.SaveJob(job.Restart(j, job.ResetWatermark, w.clock.Now()))
	})
	w.cycle()
	if w.target(internal) == nil || w.target(external) != nil {
		t.Error("the setting does not open synchronization for internal guests alone")
	}
}

func TestA19A20GroupsCountByDirectMembership(t *testing.T) {
	w := newWorld(t, nil)
	outer, inner, second := w.dir.AddGroup(w.from), w.dir.AddGroup(w.from), w.dir.AddGroup(w.from)
	direct, nested := w.dir.AddUser(w.from, "direct"), w.dir.AddUser(w.from, "nested")
	w.dir.Member(w.from, outer, direct, true)
	w.dir.Member(w.from, outer, inner, true)
	w.dir.Member(w.from, inner, nested, true)
	w.dir.Member(w.from, second, direct, true)
	w.dir.Assign(w.from, w.sp, outer, true)
	w.dir.Assign(w.from, w.sp, second, true)
	w.cycle()
	if w.target(direct) == nil || w.target(nested) != nil {
		t.Fatal("A19: members are not the direct ones")
	}
	late := w.dir.AddUser(w.from, "late")
	w.dir.Member(w.from, outer, late, true)
	w.dir.Member(w.from, outer, direct, false)
	w.cycle()
	if w.target(late) == nil {
		t.Error("A19: a new member did not arrive")
	}
	if w.target(direct).Deleted {
		t.Error("A20: deleted although still a member of the second group")
	}
	w.dir.Member(w.from, second, direct, false)
	w.cycle()
	if !w.target(direct).Deleted {
		t.Error("A20: not deleted after leaving both groups")
	}
	if n := w.told(direct, actionDelete, statusSuccess, ""); n != 1 {
		t.Errorf("A20: %d delete records", n)
	}
	w.dir.Assign(w.from, w.sp, outer, false)
	w.cycle()
	if !w.target(late).Deleted {
		t.Error("SYN-53: not deleted after the group was unassigned")
	}
}

func TestA21FromAllToAssigned(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	var ids []uuid.UUID
	for _, alias := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		ids = append(ids, w.dir.AddUser(w.from, alias))
	}
	w.dir.Assign(w.from, w.sp, ids[0], true)
	w.cycle()
	w.settings(map[string]string{"SyncAll": "false"})
	if j := w.job(); j.Watermark != "" {
		t.Fatal("the change of SyncAll does not demand an initial cycle")
	}
	w.cycle()
	live := 0
	for _, id := range ids {
		if !w.target(id).Deleted {
			live++
		}
	}
	if live != 1 || w.target(ids[0]).Deleted {
		t.Errorf("%d live users, want the assigned one", live)
	}
}

func TestA22FilterMovesUsersInAndOut(t *testing.T) {
	w := newWorld(t, nil)
	w.schema(func(s *mapping.Schema) {
		s.Users().Scope = &scope.Filter{Groups: []scope.Group{{Name: "g", Clauses: []scope.Clause{{Attribute: "department", Operator: "EQUALS", Values: []string{"Marketing"}}}}}}
	})
	id := w.assigned("u", func(u *directorytest.User) { u.User.Department = proto.String("Sales") })
	w.cycle()
	if w.target(id) != nil {
		t.Fatal("created although filtered out")
	}
	move := func(department string) {
		w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.Department = proto.String(department) }, "department")
		w.cycle()
	}
	move("Marketing")
	if w.target(id) == nil {
		t.Fatal("not created after the move into scope")
	}
	first := w.target(id).User.GetId()
	move("Sales")
	if !w.target(id).Deleted {
		t.Fatal("not deleted after the move out of scope")
	}
	move("Marketing")
	if u := w.target(id); u.Deleted || u.User.GetId() != first {
		t.Error("SYN-186: not the same object restored")
	}
}

func TestA29ForeignEditsSurviveUntilTheSourceChanges(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.cycle()
	own := uuid.MustParse(w.target(id).User.GetId())
	w.dir.Change(w.to, own, func(u *directorytest.User) { u.User.DisplayName = proto.String("Edited") }, "displayName")
	w.cycle()
	if got := w.target(id).User.GetDisplayName(); got != "Edited" {
		t.Fatalf("displayName %s without a change at the source", got)
	}
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.JobTitle = proto.String("Clerk") }, "jobTitle")
	w.cycle()
	if u := w.target(id).User; u.GetDisplayName() != "u" || u.GetJobTitle() != "Clerk" {
		t.Errorf("displayName %s, jobTitle %s", u.GetDisplayName(), u.GetJobTitle())
	}
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.AgeGroup = proto.String("Adult") }, "ageGroup")
	reads := w.dir.Called("ListTargetUsers")
	w.cycle()
	if got := w.dir.Called("ListTargetUsers"); got != reads {
		t.Error("a change of an unmapped attribute was evaluated")
	}
}

func TestA31A32DisabledUsers(t *testing.T) {
	w := newWorld(t, nil)
	id, kept := w.assigned("u"), w.assigned("kept")
	w.cycle()
	enable := func(id uuid.UUID, on bool) {
		w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.AccountEnabled = proto.Bool(on) }, "accountEnabled")
	}
	enable(id, false)
	enable(kept, false)
	w.cycle()
	if w.target(id).User.GetAccountEnabled() {
		t.Fatal("A31: not disabled")
	}
	if n := w.told(id, actionDisable, statusSuccess, ""); n != 1 {
		t.Errorf("A31: %d disable records", n)
	}
	enable(id, true)
	w.cycle()
	if !w.target(id).User.GetAccountEnabled() {
		t.Error("A31: not enabled again")
	}
	enable(id, false)
	w.cycle()
	w.dir.Assign(w.from, w.sp, id, false)
	w.cycle()
	if !w.target(id).Deleted {
		t.Error("A32: not deleted after it was disabled and unassigned")
	}
	w.write(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.jobID)
		if err != nil {
			return err
		}
		j.Settings = map[string]string{"entente.deprovisionDisabled": "False"}
		return tx.SaveJob(j)
	})
	w.dir.Assign(w.from, w.sp, kept, false)
	w.cycle()
	if u := w.target(kept); u.Deleted || u.User.GetAccountEnabled() {
		t.Errorf("A32: deleted %t, enabled %t, want it kept and disabled", u.Deleted, u.User.GetAccountEnabled())
	}
}

func TestA33RestoredAtTheSource(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.cycle()
	first := w.target(id).User.GetId()
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.Deleted = true })
	w.cycle()
	if !w.target(id).Deleted {
		t.Fatal("not deleted")
	}
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.Deleted = false })
	w.cycle()
	if u := w.target(id); u.Deleted || u.User.GetId() != first {
		t.Errorf("deleted %t, id %s, want %s live", u.Deleted, u.User.GetId(), first)
	}
}

func TestA34DeletedByTheTarget(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.cycle()
	own := uuid.MustParse(w.target(id).User.GetId())
	w.dir.Change(w.to, own, func(u *directorytest.User) { u.Deleted = true })
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.JobTitle = proto.String("Clerk") }, "jobTitle")
	w.cycle()
	if n := w.told(id, actionOther, statusSkipped, plan.TargetSoftDeleted); n != 1 || !w.target(id).Deleted || w.dir.Count(w.to) != 1 {
		t.Errorf("%d records, deleted %t, %d users", n, w.target(id).Deleted, w.dir.Count(w.to))
	}
	w.dir.Change(w.to, own, func(u *directorytest.User) { u.Deleted = false })
	w.cycle()
	if got := w.target(id).User.GetJobTitle(); got != "Clerk" {
		t.Errorf("jobTitle %q after the restore", got)
	}
}

func TestA36PurgedInTheTarget(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.cycle()
	w.dir.Purge(w.to, uuid.MustParse(w.target(id).User.GetId()))
	w.cycle()
	if n := w.told(id, actionUpdate, statusFailure, plan.InvalidAnchor); n != 1 {
		t.Errorf("%d InvalidAnchor records", n)
	}
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.JobTitle = proto.String("Clerk") }, "jobTitle")
	w.cycle()
	if w.target(id) == nil {
		t.Error("not created anew")
	}
}

// A page asks the target for more addresses than one request may hold.
func TestPendingGuestsAmongManyAddresses(t *testing.T) {
	w := newWorld(t, nil)
	var last uuid.UUID
	for i := range 9 {
		last = w.assigned(fmt.Sprintf("u%d", i), func(u *directorytest.User) {
			for k := range 150 {
				u.User.ProxyAddresses = append(u.User.ProxyAddresses, fmt.Sprintf("smtp:p%d-%d@s.example", i, k))
			}
		})
		guest := fmt.Sprintf("p%d-149@s.example", i)
		w.dir.AddUser(w.to, guest, func(u *directorytest.User) {
			u.Invited, u.External, u.User.UserPrincipalName = guest, true, proto.String(fmt.Sprintf("g%d#EXT#@t.example", i))
		})
	}
	w.cycle()
	if n := w.dir.Count(w.to); n != 9 {
		t.Errorf("%d users in the target, want the 9 guests", n)
	}
	if u := w.target(last); u == nil || u.User.GetExternalUserState() != directorypb.User_Accepted {
		t.Errorf("the pending guest was not adopted: %+v", u)
	}
}

func TestA37A38PendingGuests(t *testing.T) {
	w := newWorld(t, nil)
	mine := w.assigned("user.upn", func(u *directorytest.User) { u.User.Mail = proto.String("user.mail@s.example") })
	stranger := w.assigned("x", func(u *directorytest.User) { u.User.Mail = proto.String("x@elsewhere.example") })
	invite := func(address string) uuid.UUID {
		return w.dir.AddUser(w.to, "g", func(u *directorytest.User) {
			u.Invited, u.External, u.User.Mail, u.User.UserPrincipalName = address, true, proto.String(address), proto.String("wrong#EXT#@t.example")
		})
	}
	invite("user.mail@s.example")
	untouched := invite("x@elsewhere.example")
	w.cycle()
	if u := w.target(mine); u == nil || u.User.GetUserPrincipalName() != "user.upn_s.example#EXT#@t.example" || u.User.GetExternalUserState() != directorypb.User_Accepted {
		t.Errorf("A37: the pending guest was not adopted: %+v", u)
	}
	if w.target(stranger) != nil {
		t.Error("A38: a stranger's invitation was taken over")
	}
	if n := w.told(stranger, actionOther, statusSkipped, plan.AddressNotVerified); n != 1 {
		t.Errorf("A38: %d records", n)
	}
	_ = untouched
}

func TestA41RefusedByPolicyIsRetried(t *testing.T) {
	w := newWorld(t, nil)
	linked := w.assigned("linked")
	w.cycle()
	id := w.assigned("u")
	w.policy.Refuse(id.String(), "allowInvitesFrom")
	w.dir.Change(w.from, linked, func(u *directorytest.User) { u.User.JobTitle = proto.String("Clerk") }, "jobTitle")
	w.cycle()
	if n := w.told(id, actionCreate, statusFailure, CodeForbidden); n != 1 || w.target(id) != nil {
		t.Errorf("%d failures", n)
	}
	if got := w.target(linked).User.GetJobTitle(); got != "Clerk" {
		t.Error("updates of linked users do not go on")
	}
	w.policy.Refuse(id.String(), "")
	w.cycle()
	if w.target(id) == nil {
		t.Error("not retried after the policy was opened")
	}
}

func TestA42Managers(t *testing.T) {
	w := newWorld(t, nil)
	report := w.assigned("report")
	manager := w.dir.AddUser(w.from, "manager")
	w.dir.Change(w.from, report, func(u *directorytest.User) { u.Manager = manager.String() }, "manager")
	w.cycle()
	if n := w.told(report, actionOther, statusWarning, CodeUnresolved); n != 1 {
		t.Errorf("%d warnings about the missing manager", n)
	}
	w.dir.Assign(w.from, w.sp, manager, true)
	w.cycle()
	if got, want := w.target(report).Manager, w.target(manager).User.GetId(); got != want {
		t.Fatalf("manager %q, want %q", got, want)
	}
	w.dir.Change(w.from, report, func(u *directorytest.User) { u.Manager = "" }, "manager")
	w.cycle()
	if got := w.target(report).Manager; got != "" {
		t.Errorf("manager %q after it was removed", got)
	}
}

func TestA42ManagersOfOneCycle(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	// Reports come before their managers in the order of ids, over several pages.
	var ids []uuid.UUID
	for range 25 {
		ids = append(ids, w.dir.AddUser(w.from, "u"+uuid.NewString()[:8]))
	}
	for i := range 24 {
		w.dir.Change(w.from, ids[i], func(u *directorytest.User) { u.Manager = ids[i+1].String() }, "manager")
	}
	w.cycle()
	for i := range 24 {
		if got, want := w.target(ids[i]).Manager, w.target(ids[i+1]).User.GetId(); got != want {
			t.Fatalf("manager of user %d is %q, want %q", i, got, want)
		}
	}
	creates := 0
	for _, r := range w.log() {
		if r.Action == actionCreate {
			creates++
		}
	}
	if creates != 25 {
		t.Errorf("%d create records, want 25", creates)
	}
}

func TestAccountingAddsUp(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	guest := directorypb.User_Guest
	for _, alias := range []string{"a", "b", "c"} {
		w.dir.AddUser(w.from, alias)
	}
	w.dir.AddUser(w.from, "guest", func(u *directorytest.User) { u.User.UserType = &guest })
	refused := w.dir.AddUser(w.from, "refused")
	w.policy.Refuse(refused.String(), "domains")
	w.cycle()
	c := w.job().Last.Counts
	if c.Imported != 5 || c.Imported != c.Exported+c.Redundant+c.Skipped+c.Escrowed || c.Exported != 3 || c.Skipped != 1 || c.Escrowed != 1 || c.Entitled != 4 {
		t.Errorf("SYN-261: figures %+v", c)
	}
}

func TestA71DeletedConfigurationRemovesNobody(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.cycle()
	w.dir.RemoveApp(w.from, w.sp)
	w.restart("Watermark")
	w.cycle()
	if w.target(id).Deleted {
		t.Error("deleted although only the configuration is gone")
	}
	if j := w.job(); j.State != job.Disabled || j.Quarantine != nil {
		t.Errorf("job %d %+v", j.State, j.Quarantine)
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/directorytest"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/quarantine"
	"entente.dev/sync-svc/internal/store"
)

var errKilled = errors.New("killed")

// A kill is an RPC that fails before its effect, an RPC whose effect happened
// but whose answer is lost, or the end of everything right after an answer.
func TestA46KilledAtRandomPointsTheResultIsTheSame(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	w.engine.BatchSize = 3
	var ids []uuid.UUID
	for i := range 120 {
		ids = append(ids, w.dir.AddUser(w.from, fmt.Sprintf("user%03d", i)))
	}
	random := rand.New(rand.NewPCG(1, 2))
	kills := 0
	for w.job().LastSuccess == nil {
		ctx, cancel := context.WithCancel(t.Context())
		after := random.Int64N(24)
		kind := random.IntN(3)
		if kills >= 200 {
			after = 1 << 20
		}
		var calls atomic.Int64
		hook := func(lose bool) func(string) error {
			return func(string) error {
				if calls.Add(1) <= after {
					return nil
				}
				cancel()
				if lose {
					return errKilled
				}
				return nil
			}
		}
		w.dir.Before, w.dir.After = nil, nil
		switch kind {
		case 0:
			w.dir.Before = hook(true)
		case 1:
			w.dir.After = hook(true)
		default:
			w.dir.After = hook(false)
		}
		if err := w.try(ctx); err != nil {
			kills++
		}
		cancel()
	}
	w.dir.Before, w.dir.After = nil, nil
	t.Logf("%d kills", kills)
	if n := w.dir.Count(w.to); n != len(ids) {
		t.Errorf("SYN-249: %d users in the target, want %d", n, len(ids))
	}
	creates := map[string]int{}
	for _, r := range w.log() {
		if r.Action == actionCreate && r.Status == statusSuccess {
			creates[r.Source.ID]++
		}
	}
	for _, id := range ids {
		if creates[id.String()] != 1 {
			t.Errorf("SYN-250: %d create records of one user", creates[id.String()])
		}
	}
	if n := len(w.log()); n != len(ids) {
		t.Errorf("%d records, want %d", n, len(ids))
	}
	if j := w.job(); j.Synchronized != int64(len(ids)) || j.LastSuccess.Exported != int64(len(ids)) || j.LastSuccess.Imported != int64(len(ids)) {
		t.Errorf("synchronized %d, figures %+v", j.Synchronized, j.LastSuccess.Counts)
	}
}

// An update whose answer is lost is recorded as the update it was.
func TestLostAnswerOfAnUpdateIsRecordedOnce(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.cycle()
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.JobTitle = proto.String("Clerk") }, "jobTitle")
	w.dir.After = func(method string) error {
		if method == "ApplyExternalUsers" {
			return errKilled
		}
		return nil
	}
	if err := w.try(t.Context()); !errors.Is(err, errKilled) {
		t.Fatalf("error %v", err)
	}
	w.dir.After = nil
	w.cycle()
	if n := w.told(id, actionUpdate, statusSuccess, ""); n != 1 {
		t.Errorf("%d update records, want 1", n)
	}
}

func TestA45VolatileValuesSurviveACrash(t *testing.T) {
	w := newWorld(t, nil)
	w.schema(func(s *mapping.Schema) {
		a := target(s, "employeeId")
		a.Source, a.FlowType = &mapping.Source{Expression: "RandomString(10,2,0,2,2)"}, mapping.ObjectAddOnly
	})
	id := w.assigned("u")
	var sent []string
	w.engine.Target = spy{w.dir, func(r *directorypb.ApplyExternalUsersRequest) error {
		sent = append(sent, r.GetItems()[0].GetAttributes().GetEmployeeId())
		if len(sent) == 1 {
			return errKilled
		}
		return nil
	}}
	if err := w.try(t.Context()); !errors.Is(err, errKilled) {
		t.Fatalf("error %v", err)
	}
	w.cycle()
	if len(sent) != 2 || sent[0] != sent[1] || w.target(id).User.GetEmployeeId() != sent[0] {
		t.Errorf("values %q, written %q", sent, w.target(id).User.GetEmployeeId())
	}
}

// spy looks at what is written before it is.
type spy struct {
	*directorytest.Directory
	see func(*directorypb.ApplyExternalUsersRequest) error
}

func (s spy) ApplyExternalUsers(ctx context.Context, r *directorypb.ApplyExternalUsersRequest, o ...grpc.CallOption) (*directorypb.ApplyExternalUsersResponse, error) {
	if err := s.see(r); err != nil {
		return nil, err
	}
	return s.Directory.ApplyExternalUsers(ctx, r, o...)
}

func TestA47TheOldOwnerIsFenced(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	for i := range 30 {
		w.dir.AddUser(w.from, fmt.Sprintf("u%d", i))
	}
	old := w.claim()
	h, err := w.engine.Hold(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	w.cycle() // another runner takes over and finishes
	if _, err := h.Run(t.Context()); !fault.Is(err, errorspb.Reason_FENCED) {
		t.Errorf("the old owner got %v, want FENCED", err)
	}
	if n := w.dir.Count(w.to); n != 30 {
		t.Errorf("%d users", n)
	}
	if err := w.store.Renew(t.Context(), old, w.clock.Now().Add(time.Hour)); !fault.Is(err, errorspb.Reason_FENCED) {
		t.Errorf("renewing an old lease: %v", err)
	}
}

func TestA48PauseStopsAndStartGoesOn(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	for i := range 60 {
		w.dir.AddUser(w.from, fmt.Sprintf("u%d", i))
	}
	w.engine.Target = spy{w.dir, func(r *directorypb.ApplyExternalUsersRequest) error {
		if w.dir.Called("ApplyExternalUsers") == 2 {
			w.write(func(tx *store.Tx) error {
				j, err := tx.LockJobID(w.jobID)
				if err != nil {
					return err
				}
				j, _ = job.Pause(j)
				return tx.SaveJob(j)
			})
		}
		return nil
	}}
	if err := w.try(t.Context()); !errors.Is(err, ErrChanged) {
		t.Fatalf("error %v", err)
	}
	// Three batches, and the one that may have been under way.
	if n := w.dir.Count(w.to); n != 30 && n != 40 {
		t.Errorf("%d users after the pause", n)
	}
	w.engine.Target = w.dir
	w.write(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.jobID)
		if err != nil {
			return err
		}
		j, _ = job.Start(j, w.clock.Now())
		return tx.SaveJob(j)
	})
	w.cycle()
	j := w.job()
	if n := w.dir.Count(w.to); n != 60 || j.LastSuccess.Exported != 60 {
		t.Errorf("%d users, %d exported in the resumed cycle", n, j.LastSuccess.Exported)
	}
	if n := w.dir.Called("ApplyExternalUsers"); n != 6 {
		t.Errorf("%d batches, want 6: it did not go on at its checkpoint", n)
	}
}

func TestA49FullRestartMakesNoDuplicates(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	for i := range 15 {
		w.dir.AddUser(w.from, fmt.Sprintf("u%d", i))
	}
	w.cycle()
	w.restart("Full")
	if j := w.job(); j.Synchronized != 0 || j.Watermark != "" {
		t.Errorf("job after Full: %+v", j)
	}
	w.cycle()
	if n := w.dir.Count(w.to); n != 15 {
		t.Errorf("%d users after the rematch", n)
	}
}

func TestA51WithdrawnConsentStopsAndQuarantines(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	for i := range 40 {
		w.dir.AddUser(w.from, fmt.Sprintf("u%d", i))
	}
	w.engine.Target = spy{w.dir, func(*directorypb.ApplyExternalUsersRequest) error {
		if w.dir.Called("ApplyExternalUsers") == 1 {
			w.policy.Fail("target.userSyncInbound")
		}
		return nil
	}}
	w.cycle()
	if n := w.dir.Count(w.to); n != 10 {
		t.Errorf("SYN-255: %d users written, want the ten before the withdrawal", n)
	}
	j := w.job()
	if j.Quarantine == nil || j.Quarantine.Reason != quarantine.Exception || j.Quarantine.Code != CodeInboundSync || j.Last.State != "Failed" {
		t.Fatalf("quarantine %+v", j.Quarantine)
	}
	w.engine.Target = w.dir
	w.policy.Fail()
	w.write(func(tx *store.Tx) error {
		j, err := tx.LockJobID(w.jobID)
		if err != nil {
			return err
		}
		j, _ = job.Start(j, w.clock.Now())
		return tx.SaveJob(j)
	})
	w.cycle()
	if n := w.dir.Count(w.to); n != 40 || w.job().Quarantine != nil {
		t.Errorf("%d users after it was allowed again", n)
	}
}

func TestExpiredWatermarkBeginsAnew(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	w.dir.AddUser(w.from, "u")
	w.cycle()
	w.write(func(tx *store.Tx) error { tx.SaveWatermark(w.jobID, "expired expired"); return nil })
	w.cycle()
	if j := w.job(); j.Watermark != "" {
		t.Fatalf("watermark %q", j.Watermark)
	}
	w.dir.AddUser(w.from, "v")
	w.cycle()
	if n := w.dir.Count(w.to); n != 2 || !w.job().LastSuccess.Initial {
		t.Errorf("%d users", n)
	}
}

func TestForeignChangeBetweenReadAndWriteIsNotLost(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.cycle()
	own := uuid.MustParse(w.target(id).User.GetId())
	w.dir.Change(w.from, id, func(u *directorytest.User) { u.User.JobTitle = proto.String("Clerk") }, "jobTitle")
	done := false
	w.engine.Target = spy{w.dir, func(*directorypb.ApplyExternalUsersRequest) error {
		if !done {
			done = true
			w.dir.Change(w.to, own, func(u *directorytest.User) { u.User.AgeGroup = proto.String("Adult") }, "ageGroup")
		}
		return nil
	}}
	w.cycle()
	if u := w.target(id).User; u.GetJobTitle() != "Clerk" || u.GetAgeGroup() != "Adult" {
		t.Errorf("SYN-253: jobTitle %q, ageGroup %q", u.GetJobTitle(), u.GetAgeGroup())
	}
	if n := w.told(id, actionUpdate, statusSuccess, ""); n != 1 {
		t.Errorf("%d update records", n)
	}
	if open := w.escrows(); open != 0 {
		t.Errorf("%d escrows left", open)
	}
}

func (w *world) escrows() (n int64) {
	w.write(func(tx *store.Tx) error {
		var err error
		n, err = tx.CountEscrows(w.key)
		return err
	})
	return n
}

func TestPoisonousObjectDoesNotBlockOthers(t *testing.T) {
	w := newWorld(t, map[string]string{"SyncAll": "true"})
	var ids []uuid.UUID
	for i := range 25 {
		ids = append(ids, w.dir.AddUser(w.from, fmt.Sprintf("u%d", i)))
	}
	w.engine.Target = spy{w.dir, func(r *directorypb.ApplyExternalUsersRequest) error {
		for _, item := range r.GetItems() {
			if item.GetHomeObjectId() == ids[7].String() {
				return fault.Internal(errorspb.Reason_INTERNAL, "poison")
			}
		}
		return nil
	}}
	w.cycle()
	if n := w.dir.Count(w.to); n != 24 {
		t.Errorf("SYN-259: %d users, want all but one", n)
	}
	if n := w.told(ids[7], actionCreate, statusFailure, "InternalError"); n != 1 || w.escrows() != 1 {
		t.Errorf("%d failure records, %d escrows", n, w.escrows())
	}
}

// killed runs a cycle that ends before its first batch reaches the target, or,
// when lost, before its answer is known.
func (w *world) killed(lost bool) {
	w.t.Helper()
	hook := func(method string) error {
		if method == "ApplyExternalUsers" {
			return errKilled
		}
		return nil
	}
	if lost {
		w.dir.After = hook
	} else {
		w.dir.Before = hook
	}
	if err := w.try(w.t.Context()); !errors.Is(err, errKilled) {
		w.t.Fatalf("error %v", err)
	}
	w.dir.Before, w.dir.After = nil, nil
}

func (w *world) stored() (n int) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		list, err := tx.Batches(w.key)
		n = len(list)
		return err
	})
	return n
}

func TestSYN255AStoredBatchObeysThePresentPolicy(t *testing.T) {
	w := newWorld(t, nil)
	w.mapMail()
	linked := w.assigned("linked", company("linked@s.example"))
	back := w.assigned("back", company("back@s.example"))
	disabled := w.assigned("disabled", company("disabled@s.example"))
	w.cycle()
	w.dir.Assign(w.from, w.sp, back, false)
	w.cycle()

	created := w.assigned("created", company("created@s.example"))
	blocked := w.assigned("blocked", company("blocked@later.example"))
	allowed := w.assigned("allowed", company("allowed@s.example"))
	adopted := w.assigned("adopted", company("adopted@s.example"))
	w.dir.AddUser(w.to, "pending", func(u *directorytest.User) {
		u.Invited, u.External, u.User.Mail = "adopted@s.example", true, proto.String("adopted@s.example")
	})
	w.dir.Assign(w.from, w.sp, back, true)
	w.dir.Change(w.from, linked, company("linked@later.example"), "companyName")
	w.dir.Change(w.from, disabled, func(u *directorytest.User) {
		u.User.AccountEnabled, u.User.CompanyName = proto.Bool(false), proto.String("disabled@later.example")
	}, "accountEnabled", "companyName")
	w.killed(false)
	if w.stored() != 1 {
		t.Fatal("no batch was stored")
	}
	for _, id := range []uuid.UUID{created, adopted, back} {
		w.policy.Refuse(id.String(), "AllowInvitesFrom")
	}
	w.policy.Block("later.example")
	w.cycle()

	if w.target(created) != nil || w.target(blocked) != nil || w.target(adopted) != nil || !w.target(back).Deleted {
		t.Errorf("users came in that the target forbade meanwhile:\n%s", w.dir.Dump(t, w.to))
	}
	if w.target(allowed) == nil {
		t.Error("a user of the batch that is still allowed did not come in")
	}
	if got := w.target(linked).User.GetMail(); got != "linked@s.example" {
		t.Errorf("address %q was written although it is refused", got)
	}
	if u := w.target(disabled).User; u.GetAccountEnabled() || u.GetMail() != "disabled@s.example" {
		t.Errorf("disabled user: enabled %t, address %q", u.GetAccountEnabled(), u.GetMail())
	}
	for id, want := range map[uuid.UUID]struct {
		action int16
		code   string
	}{created: {actionCreate, CodeForbidden}, adopted: {actionCreate, CodeForbidden}, blocked: {actionCreate, CodeInvitation},
		back: {actionUpdate, CodeForbidden}, linked: {actionUpdate, CodeInvitation}} {
		if n := w.told(id, want.action, statusFailure, want.code); n != 1 {
			t.Errorf("%d records of the refusal of %s", n, id)
		}
	}
	if w.told(allowed, actionCreate, statusSuccess, "") != 1 || w.told(disabled, actionDisable, statusSuccess, "") != 1 ||
		w.detailed(disabled, actionDisable) != withheldDetails("DomainList") {
		t.Error("what was written is not recorded")
	}
	// The address of the disabled user is one of the open failures, too.
	if w.stored() != 0 || w.escrows() != 6 {
		t.Errorf("%d batches, %d escrows left", w.stored(), w.escrows())
	}
}

func TestSYN250WhatWasWrittenBeforeARefusalIsRecorded(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.killed(true)
	w.policy.Refuse(id.String(), "AllowInvitesFrom")
	w.cycle()
	if w.target(id) == nil || w.told(id, actionCreate, statusSuccess, "") != 1 || len(w.log()) != 1 || w.escrows() != 0 {
		t.Errorf("%d records, %d escrows of a user that came in before the refusal", len(w.log()), w.escrows())
	}
}

func TestABatchOfNothingButRefusalsIsSettled(t *testing.T) {
	w := newWorld(t, nil)
	id := w.assigned("u")
	w.killed(false)
	w.policy.Refuse(id.String(), "DomainList")
	w.cycle()
	if w.target(id) != nil || w.told(id, actionCreate, statusFailure, CodeInvitation) != 1 || w.stored() != 0 {
		t.Errorf("%d batches left", w.stored())
	}
	w.policy.Refuse(id.String(), "")
	w.clock.Advance(2 * time.Hour)
	w.cycle()
	if w.target(id) == nil {
		t.Error("not tried again after the policy was opened")
	}
}

package store_test

import (
	"testing"
	"time"

	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	"github.com/google/go-cmp/cmp"
)

// TestConflictsFollowAUser asks for a user by each of its addresses through
// its life: what it got is found, what it gave up is not.
func TestConflictsFollowAUser(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home := newTenant(t, s, "contoso")
	u := full(home.InitialDomain)
	matched := func(mail string) []string {
		t.Helper()
		found, err := s.InviteConflicts(t.Context(), home.ID, mail)
		if err != nil || len(found) > 1 {
			t.Fatal(found, err)
		}
		if len(found) == 0 {
			return nil
		}
		return found[0].MatchedBy
	}
	save := func(old, u *user.User) {
		t.Helper()
		err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
			tx.SaveUser(old, u, store.Differ(old, u))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error { tx.InsertUser(u, nil); return nil }); err != nil {
		t.Fatal(err)
	}
	renamed := *u
	renamed.OtherMails = []string{"C@x.example", *u.Mail}
	save(u, &renamed)
	for mail, want := range map[string][]string{"a@x.example": nil, "c@X.example": {"otherMails"}, *u.Mail: {"mail", "otherMails"}, "ADA2@x.example": {"proxyAddresses"}, u.UserPrincipalName: {"userPrincipalName"}} {
		if diff := cmp.Diff(want, matched(mail)); diff != "" {
			t.Errorf("%s: %s", mail, diff)
		}
	}
	gone := user.Delete(renamed, time.Now().UTC().Truncate(time.Microsecond))
	save(&renamed, &gone)
	for mail, want := range map[string][]string{"c@x.example": {"otherMails"}, *u.Mail: {"mail", "otherMails"}, u.UserPrincipalName: {"userPrincipalName"}} {
		if diff := cmp.Diff(want, matched(mail)); diff != "" {
			t.Errorf("soft-deleted, %s: %s", mail, diff)
		}
	}
	if found, err := s.UserByEmail(t.Context(), home.ID, u.UserPrincipalName); found != nil || err != nil {
		t.Error("a soft-deleted user is found by address", err)
	}
	back := gone
	back.Deleted = nil
	save(&gone, &back)
	if diff := cmp.Diff([]string{"userPrincipalName"}, matched(u.UserPrincipalName)); diff != "" {
		t.Error("restored:", diff)
	}
	if found, err := s.UserByEmail(t.Context(), home.ID, u.UserPrincipalName); err != nil || found == nil || found.ID != u.ID {
		t.Error("a restored user is not found by name", err)
	}
	save(&back, &gone)
	err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error { tx.PurgeUser(u.ID); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, mail := range []string{"c@x.example", *u.Mail, u.UserPrincipalName} {
		if got := matched(mail); got != nil {
			t.Errorf("purged, %s: %v", mail, got)
		}
	}
}

package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/role"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

func member(domain, name string) *user.User {
	return &user.User{ID: uuid.Must(uuid.NewV7()), AccountEnabled: true, DisplayName: name, UserPrincipalName: name + "@" + domain, Type: user.Member, Created: start}
}

// TestAC35RaceForTheLastAdministrators takes the last two administrators away
// at the same moment, in every way there is: one of the two acts must fail.
func TestAC35RaceForTheLastAdministrators(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	disable := func(tx *store.Tx, u *user.User) {
		changed := *u
		changed.AccountEnabled = false
		tx.SaveUser(u, &changed, store.Differ(u, &changed))
	}
	remove := func(tx *store.Tx, u *user.User) {
		changed := user.Delete(*u, start)
		tx.SaveUser(u, &changed, store.Differ(u, &changed))
	}
	unassign := func(tx *store.Tx, u *user.User) {
		tx.Queue("delete from role_assignments where tenant_id = $1 and principal_id = $2", [16]byte(tx.Tenant), [16]byte(u.ID))
	}
	for i, acts := range [][2]func(*store.Tx, *user.User){{disable, disable}, {remove, remove}, {disable, remove}, {unassign, unassign}, {remove, unassign}} {
		home := newTenant(t, s, fmt.Sprint("contoso", i))
		admins := []*user.User{member(home.InitialDomain, "a"), member(home.InitialDomain, "b")}
		err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
			for _, u := range admins {
				tx.InsertUser(u, secret)
				if err := tx.InsertRoleAssignment(store.RoleAssignment{ID: uuid.New(), PrincipalID: u.ID, PrincipalType: object.User, RoleID: role.GlobalAdministratorID, Scope: role.TenantScope, Created: start}, uuid.New()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// Both transactions have written before either commits.
		var written, done sync.WaitGroup
		written.Add(2)
		results := make([]error, 2)
		for k := range 2 {
			done.Go(func() {
				var once sync.Once
				results[k] = s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
					acts[k](tx, admins[k])
					err := tx.Flush()
					once.Do(func() {
						written.Done()
						written.Wait()
					})
					return err
				})
			})
		}
		done.Wait()
		refused := 0
		for _, err := range results {
			if fault.Is(err, errorspb.Reason_LAST_ADMINISTRATOR) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != 1 {
			t.Errorf("case %d: %d acts were refused", i, refused)
		}
	}
}

// TestAC53NoChangeIsMissed reads the feed while many write, some of them
// slowly and some in vain: every committed change comes exactly once, and the
// changes of one object in their order.
func TestAC53NoChangeIsMissed(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home := newTenant(t, s, "contoso")
	from, err := s.FeedEnd(t.Context(), home.ID)
	if err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 20, 15
	committed := make(map[uuid.UUID]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				id := uuid.New()
				err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
					tx.Change(store.Change{Type: object.User, ID: id, Kind: store.Created})
					if err := tx.Flush(); err != nil {
						return err
					}
					if i%3 == 0 { // linger with the position taken
						if _, err := tx.Pgx().Exec(tx.Context(), "select pg_sleep(0.004)"); err != nil {
							return err
						}
					}
					if i%5 == 4 {
						return context.Canceled
					}
					tx.Change(store.Change{Type: object.User, ID: id, Kind: store.Updated, Properties: []string{"jobTitle"}})
					return nil
				})
				if err == nil {
					mu.Lock()
					committed[id]++
					mu.Unlock()
				} else if i%5 != 4 {
					t.Error(w, err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()
	seen := make(map[uuid.UUID][]store.ChangeKind)
	limit := time.After(3 * time.Minute) // long transactions of other tests on the server hold the reader back
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	rows := 0
	for want := -1; want < 0 || rows < 2*want; { // an object's two rows may come in two pages
		entries, at, _, err := s.Changes(t.Context(), home.ID, from, nil, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			seen[e.ID] = append(seen[e.ID], e.Kind)
		}
		rows += len(entries)
		from = at
		select {
		case <-written:
			want = len(committed)
		case <-limit:
			t.Fatalf("%d of %d objects were seen", len(seen), want)
		case <-tick.C:
		}
	}
	for id := range committed {
		if k := seen[id]; len(k) != 2 || k[0] != store.Created || k[1] != store.Updated {
			t.Errorf("object %s: %v", id, k)
		}
	}
	if len(seen) != len(committed) {
		t.Errorf("%d objects in the feed, %d committed", len(seen), len(committed))
	}
}

package store_test

import (
	"testing"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func TestUsersInsertedTogetherAreEachAsIfAlone(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	home := newTenant(t, s, "contoso")
	var list []*user.User
	for i, n := range []string{"a", "b", "c", "d", "e", "f"} {
		u := &user.User{ID: uuid.Must(uuid.NewV7()), DisplayName: `"` + n + `", {x}`, UserPrincipalName: n + "@" + home.InitialDomain, Type: user.Member, Created: start, Version: 1,
			Identities: []identity.Identity{{Type: identity.Federated, Issuer: "google.com", AssignedID: n}}}
		if i%2 == 1 { // columns that others leave empty
			u = full(home.InitialDomain)
			u.UserPrincipalName, u.InvitationID = n+"@"+home.InitialDomain, text(n)
			for _, p := range user.Texts {
				*p.Of(u) = text("v " + n + p.Name)
			}
			u.Proxies = []address.Proxy{address.Primary(n + "@x.example")}
		}
		list = append(list, u)
	}
	if err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
		tx.InsertUsers(nil)
		tx.InsertUsers(list[:1])
		tx.InsertUsers(list[1:])
		var changes []store.Change
		for _, u := range list {
			changes = append(changes, store.Change{Type: object.User, ID: u.ID, Kind: store.Created, Properties: []string{"a", "b"}, Related: u.ManagerID})
		}
		tx.Change(changes...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// The feed itself waits for whatever else runs on the server.
	var changed []string
	if err := s.Read(t.Context(), home.ID, func(tx *store.Tx) error {
		rows, err := tx.Pgx().Query(tx.Context(), `select concat_ws(' ', object_id, kind, properties, related_id) from change_log
			where tenant_id = $1 and object_type = 1 order by seq`, [16]byte(home.ID))
		if err == nil {
			changed, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, u := range list {
		line := u.ID.String() + " 1 {a,b}"
		if u.ManagerID != nil {
			line += " " + u.ManagerID.String()
		}
		want = append(want, line)
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Error(diff)
	}
	for _, want := range list {
		got, err := s.GetUser(t.Context(), home.ID, store.UserID(want.ID), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	err := s.Write(t.Context(), home.ID, func(tx *store.Tx) error {
		again := make([]*user.User, 5)
		for i := range again {
			u := *list[i]
			u.ID = uuid.New()
			again[i] = &u
		}
		tx.InsertUsers(again)
		return nil
	})
	if err == nil {
		t.Error("names were taken twice")
	}
}

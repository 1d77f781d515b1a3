package odata

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

func user1Support() *optionspb.Property {
	return &optionspb.Property{Eq: optionspb.Property_supportDefault}
}

func searchable() *optionspb.Property {
	return &optionspb.Property{Search: optionspb.Property_supportAdvanced}
}

func newTokens(t testing.TB) (*Tokens, *clocktest.Fake) {
	t.Helper()
	clk := clocktest.New(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	tokens, err := NewTokens([]byte("0123456789abcdef0123456789abcdef"), clk)
	if err != nil {
		t.Fatal(err)
	}
	return tokens, clk
}

func TestPagesShowEveryRowOnce(t *testing.T) {
	t.Parallel()
	db, id := people(t)
	tokens, _ := newTokens(t)
	who := caller.Caller{Kind: caller.User, Tenant: id, ObjectID: uuid.New()}
	for _, orderby := range []string{"", "displayName", "displayName desc", "mail", "mail desc", "createdDateTime", "createdDateTime desc", "id desc"} {
		columns := userColumns()
		mail := columns["mail"]
		mail.Support = &optionspb.Property{OrderBy: optionspb.Property_supportAdvanced}
		columns["mail"] = mail
		objectID := columns["id"]
		objectID.Support = mail.Support
		columns["id"] = objectID
		keys, err := ParseOrderBy(orderby)
		if err != nil {
			t.Fatal(err)
		}
		for size := 1; size <= 4; size++ {
			q := &odatapb.Query{Orderby: orderby, Top: proto.Int32(int32(size)), Count: proto.Bool(true), Advanced: true}
			seen := make(map[string]int)
			var paged, whole []string
			for {
				page, err := tokens.Page(who, "users", q)
				if err != nil {
					t.Fatal(err)
				}
				order, err := CompileOrderBy(user, columns, keys, false, page.Advanced)
				if err != nil {
					t.Fatal(err)
				}
				list := func(size int, after *Position) (names []string, last Position) {
					err := db.Read(t.Context(), id, func(tx *pg.Tx) error {
						where := SQL{Text: "true"}
						if after != nil {
							where = order.After(*after)
						}
						rows, err := tx.Pgx().Query(tx.Context(), fmt.Sprintf("select users.display_name, users.id::text, %s from users where %s order by %s limit %d",
							order.Key(), where.Numbered(1), order.By(), size), where.Args...)
						if err != nil {
							return err
						}
						defer rows.Close()
						for rows.Next() {
							var name string
							if err := rows.Scan(&name, &last.ID, &last.Value); err != nil {
								return err
							}
							names = append(names, name)
						}
						return rows.Err()
					})
					if err != nil {
						t.Fatalf("%s: %v", orderby, err)
					}
					return names, last
				}
				whole, _ = list(10, nil)
				names, last := list(page.Size, page.After)
				for _, n := range names {
					seen[n]++
				}
				paged = append(paged, names...)
				if page.Count != (page.After == nil) || !page.Advanced {
					t.Errorf("page %+v", page)
				}
				if len(names) < page.Size {
					break
				}
				// Clients follow the link without their headers.
				q = &odatapb.Query{Orderby: orderby, Top: proto.Int32(int32(size)), Skiptoken: tokens.Next(who, "users", q, page, last)}
			}
			if len(seen) != 4 || fmt.Sprint(paged) != fmt.Sprint(whole) {
				t.Errorf("%q by %d: %v, in one page %v", orderby, size, paged, whole)
			}
		}
	}
}

func TestOrderByRules(t *testing.T) {
	t.Parallel()
	for text, tc := range map[string]struct {
		filtered, advanced bool
		reason             errorspb.Reason
	}{
		"displayName":          {false, false, 0},
		"displayName ":         {true, false, errorspb.Reason_UNSUPPORTED_QUERY},
		" displayName":         {true, true, 0},
		"displayName,id":       {false, true, errorspb.Reason_UNSUPPORTED_QUERY},
		"otherMails":           {false, true, errorspb.Reason_UNSUPPORTED_QUERY},
		"nothing":              {false, true, errorspb.Reason_BAD_REQUEST},
		"createdDateTime":      {false, false, errorspb.Reason_UNSUPPORTED_QUERY},
		"createdDateTime desc": {false, true, 0},
	} {
		keys, err := ParseOrderBy(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = CompileOrderBy(user, userColumns(), keys, tc.filtered, tc.advanced)
		if tc.reason == 0 && err != nil || tc.reason != 0 && !fault.Is(err, tc.reason) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPageSize(t *testing.T) {
	t.Parallel()
	tokens, _ := newTokens(t)
	for top, ok := range map[int32]bool{1: true, 999: true, 0: false, 1000: false, -1: false} {
		page, err := tokens.Page(caller.Caller{}, "users", &odatapb.Query{Top: proto.Int32(top)})
		if ok && (err != nil || page.Size != int(top)) || !ok && !fault.Is(err, errorspb.Reason_INVALID_REQUEST) {
			t.Errorf("%d: %+v, %v", top, page, err)
		}
	}
	if page, err := tokens.Page(caller.Caller{}, "users", nil); err != nil || page.Size != 100 {
		t.Errorf("no options: %+v, %v", page, err)
	}
	if _, err := tokens.Page(caller.Caller{}, "users", &odatapb.Query{Skip: proto.Int32(1)}); !fault.Is(err, errorspb.Reason_INVALID_REQUEST) {
		t.Errorf("$skip: %v", err)
	}
}

func TestTokensAreBound(t *testing.T) {
	t.Parallel()
	tokens, clk := newTokens(t)
	scope := Scope{Tenant: tenant.New(), Caller: "user:1", Route: "users", Query: []byte("q")}
	token := tokens.Seal(scope, []byte("position"), time.Hour)
	if got, err := tokens.Open(scope, token); err != nil || string(got) != "position" {
		t.Fatalf("Open: %q, %v", got, err)
	}
	refused := func(name string, s Scope, token string) {
		t.Helper()
		if got, err := tokens.Open(s, token); !fault.Is(err, errorspb.Reason_INVALID_PAGE_TOKEN) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, change := range map[string]func(*Scope){
		"tenant": func(s *Scope) { s.Tenant = tenant.New() },
		"caller": func(s *Scope) { s.Caller = "user:2" },
		"route":  func(s *Scope) { s.Route = "groups" },
		"query":  func(s *Scope) { s.Query = []byte("r") },
		"shift":  func(s *Scope) { s.Caller, s.Route = "user:1u", "sers" },
	} {
		other := scope
		change(&other)
		refused(name, other, token)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	for i := range raw { // every single bit counts
		for bit := range 8 {
			raw[i] ^= 1 << bit
			refused("changed bit", scope, base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1 << bit
		}
	}
	for i := range token {
		refused("prefix", scope, token[:i])
	}
	refused("padding", scope, token+"=")
	refused("space", scope, token+" ")
	refused("extension", scope, token+"AAAA")
	clk.Advance(time.Hour)
	if _, err := tokens.Open(scope, token); err != nil {
		t.Errorf("at its last second: %v", err)
	}
	clk.Advance(time.Second)
	refused("expired", scope, token)
	other, err := NewTokens([]byte("another key of thirty-two bytes.."), clk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open(scope, tokens.Seal(scope, nil, time.Hour)); !fault.Is(err, errorspb.Reason_INVALID_PAGE_TOKEN) {
		t.Errorf("another key: %v", err)
	}
	if _, err := NewTokens([]byte("short"), clk); err == nil {
		t.Error("a short key is accepted")
	}
}

func FuzzPageToken(f *testing.F) {
	tokens, _ := newTokens(f)
	scope := Scope{Tenant: tenant.New(), Caller: "user:1", Route: "users"}
	good := tokens.Seal(scope, []byte("position"), time.Hour)
	f.Add(good)
	f.Add("AQ")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := tokens.Open(scope, s)
		if err == nil && (s != good || string(got) != "position") {
			t.Fatalf("%q opens as %q", s, got)
		}
		if err != nil && !fault.Is(err, errorspb.Reason_INVALID_PAGE_TOKEN) {
			t.Fatal(err)
		}
	})
}

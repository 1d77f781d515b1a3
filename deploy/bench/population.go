package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"entente.dev/deploy/bench/internal/fill"
	"entente.dev/deploy/bench/internal/suite"
)

// ofDepartment is how many users share a department, and a beginning of their
// display names, however many users there are.
const ofDepartment = 100

// population is a tenant full of users who differ by their number, from 1 to
// size.
type population struct {
	suite.Tenant
	prototype string // id of the user of which they are copies
	size      int64
}

// populate makes a tenant and fills it. One user is made through the API, and
// the others are copies of the rows that the suite wrote for that one.
func (f *fixture) populate(ctx context.Context, name string, size int) (population, error) {
	if size < 3*ofDepartment || size > 9_999_999 {
		return population{}, fmt.Errorf("a tenant of %d users cannot be made: from %d to 9 999 999 can", size, 3*ofDepartment)
	}
	fmt.Fprintf(os.Stderr, "filling a tenant with %s users\n", spaced(int64(size)))
	began := time.Now()
	t, err := f.suite.NewTenant(ctx, name+f.run)
	if err != nil {
		return population{}, fmt.Errorf("make tenant %s: %w", name, err)
	}
	// These words stand in the prototype where copies have their numbers.
	number, department := "nq"+f.run, "dq"+f.run
	var made struct {
		ID string `json:"id"`
	}
	if err := f.suite.Call(ctx, t, http.MethodPost, "/v1.0/users", map[string]any{
		"accountEnabled": true, "displayName": "Person " + number, "givenName": "Person", "surname": number, "jobTitle": "Tester",
		"mailNickname": "person-" + number, "userPrincipalName": "person-" + number + "@" + t.Domain, "mail": "person-" + number + "@" + t.Domain,
		"department": "Department " + department, "passwordProfile": map[string]any{"password": password},
	}, &made); err != nil {
		return population{}, err
	}
	rows, err := f.db.Rows(ctx, fill.Spec{Schema: "directory", Tenant: t.TenantID, Anchors: []string{made.ID}, Replace: []fill.Replacement{
		{Old: made.ID, SQL: fill.ID(made.ID)}, {Old: number, SQL: "lpad(n::text, 7, '0')"},
		{Old: department, SQL: fmt.Sprintf("lpad((n / %d)::text, 5, '0')", ofDepartment)},
	}, Set: hardened, Params: unrecorded}, 1, int64(size))
	if err != nil {
		return population{}, err
	}
	if err := f.db.Settle(ctx, "directory"); err != nil {
		return population{}, err
	}
	fmt.Fprintf(os.Stderr, "%s: %s users of %d rows each in %s\n", t.Domain, spaced(int64(size)), rows, time.Since(began).Round(100*time.Millisecond))
	return population{Tenant: t, prototype: made.ID, size: int64(size)}, nil
}

// hardened is the password of copies: a new one is hardened in the background,
// which copies must not cause a million times.
var hardened = map[string]string{"password_scheme": "2", "password_verifier": "'\\x00'::bytea", "password_must_change": "false", "password_must_change_mfa": "false"}

// unrecorded has the database take copies without records in the audit log.
var unrecorded = map[string]string{"app.fed": "on", "app.audited": "on"}

// settle waits until the suite has hardened the passwords of its demo: the
// processor is free after that.
func (f *fixture) settle(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "waiting for the work that the demo left in the background")
	if err := f.db.Await(ctx, "select not exists (select from directory.users where password_scheme = 1)"); err != nil {
		return fmt.Errorf("await hardened passwords: %w", err)
	}
	return f.db.Settle(ctx, "directory")
}

// any is the number of some user: neighbours in the sequence of calls are far
// apart in the tenant.
func (p population) any(n int64) int64 { return n*7919%p.size + 1 }

func (p population) id(number int64) string { return fill.Copy(p.prototype, number) }

func (p population) name(number int64) string {
	return fmt.Sprintf("person-%07d@%s", number, p.Domain)
}

// department is the number of some department that is complete.
func (p population) department(n int64) int64 {
	return p.any(n)%(p.size/ofDepartment-1) + 1
}

// filter is the path of a page of users under a condition.
func filter(format string, args ...any) string {
	return "/v1.0/users?$top=100&$filter=" + strings.ReplaceAll(url.QueryEscape(fmt.Sprintf(format, args...)), "+", "%20")
}

// spaced writes a number as the report does, in groups of three digits.
func spaced(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s %03d", spaced(n/1000), n%1000)
}

// deep follows the links of a list and answers the path of the page that
// begins behind so many items.
func (f *fixture) deep(ctx context.Context, t suite.Tenant, path string, behind int64) (string, error) {
	for passed := int64(0); passed < behind; {
		var page struct {
			Value []struct{}
			Next  string `json:"@odata.nextLink"`
		}
		if err := f.suite.Call(ctx, t, http.MethodGet, path, nil, &page); err != nil {
			return "", err
		}
		if page.Next == "" {
			return "", fmt.Errorf("%s ends after %d of %d items", path, passed+int64(len(page.Value)), behind)
		}
		next, err := suite.Path(page.Next)
		if err != nil {
			return "", err
		}
		path, passed = next, passed+int64(len(page.Value))
	}
	return path, nil
}

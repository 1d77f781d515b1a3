package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// admin is an administrator at the command line of a running suite, and how its
// commands reach the tenant.
type admin struct {
	t        *testing.T
	tenantID string
	flags    []string
}

// startSuite starts one with `up`, makes a tenant as its operator does and gets
// the credentials of its administrator, all by commands.
func startSuite(t *testing.T) admin {
	t.Helper()
	// Not t.TempDir: the account of the database must be able to pass through
	// when the test runs as root.
	base, err := os.MkdirTemp("", "entente-cli-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(base, 0o711); err != nil {
		t.Fatal(err)
	}
	dir, secret := filepath.Join(base, "data"), filepath.Join(t.TempDir(), "secret")
	up(t, dir)
	status, out, errs := run(t, "tenant", "create", "--name", "Contoso", "--prefix", "contoso", "--json", "--data-dir", dir)
	var tenant struct{ TenantID string }
	if err := json.Unmarshal([]byte(out), &tenant); err != nil || status != 0 {
		t.Fatalf("tenant create: status %d, %q, %q", status, out, errs)
	}
	status, out, errs = run(t, "tenant", "application", tenant.TenantID, "--client-secret-file", secret, "--json", "--data-dir", dir)
	var app struct{ AppID, ClientSecret string }
	if err := json.Unmarshal([]byte(out), &app); err != nil || status != 0 || app.ClientSecret != "" {
		t.Fatalf("tenant application: status %d, %q, %q", status, out, errs)
	}
	return admin{t, tenant.TenantID, []string{"--data-dir", dir, "--tenant-id", tenant.TenantID, "--client-id", app.AppID, "--client-secret-file", secret}}
}

// up runs `entente up` until the test ends, and returns when it is ready.
func up(t *testing.T, dir string) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		status := Run(ctx, []string{"up", "--data-dir", dir, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--sign-in-rate", "0"}, Streams{Out: write, Err: log})
		write.Close()
		ended <- status
	}()
	t.Cleanup(func() {
		stop()
		if status := <-ended; status != 0 {
			text, _ := os.ReadFile(log.Name())
			t.Errorf("up ended with %d\n%s", status, text)
		}
	})
	for lines := bufio.NewScanner(read); lines.Scan(); {
		if lines.Text() == "ready" {
			go io.Copy(io.Discard, read)
			return
		}
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("up is not ready\n%s", text)
}

// ok carries out a command that must work, and answers what it printed.
func (s admin) ok(args ...string) string {
	s.t.Helper()
	status, out, errs := run(s.t, append(args, s.flags...)...)
	if status != 0 {
		s.t.Fatalf("%q: status %d, %q, %q", args, status, out, errs)
	}
	return out
}

// shows carries out a command that must work and print this.
func (s admin) shows(want string, args ...string) {
	s.t.Helper()
	if out := s.ok(args...); !strings.Contains(out, want) {
		s.t.Errorf("%q shows %q, without %q", args, out, want)
	}
}

// refused carries out a command that must fail with this message.
func (s admin) refused(want string, args ...string) {
	s.t.Helper()
	status, out, errs := run(s.t, append(args, s.flags...)...)
	if status != 1 || !strings.Contains(errs, want) {
		s.t.Errorf("%q: status %d, %q, %q; want a refusal with %q", args, status, out, errs, want)
	}
}

func TestAnAdministratorWorksAtTheCommandLine(t *testing.T) {
	t.Parallel()
	s := startSuite(t)
	t.Run("users", s.at(usersStory))
	t.Run("groups", s.at(groupsStory))
	t.Run("roles", s.at(rolesStory))
	t.Run("domains", s.at(domainsStory))
	t.Run("bulk", s.at(bulkStory))
	t.Run("anything else", s.at(graphStory))
	t.Run("units", s.at(unitStory))
}

// at binds a part of the story to its own test.
func (s admin) at(story func(admin)) func(*testing.T) {
	return func(t *testing.T) { story(admin{t, s.tenantID, s.flags}) }
}

func usersStory(s admin) {
	const ada, eve = "ada@contoso.example", "eve@contoso.example"
	s.shows("(shown once", "users", "create", "--upn", ada, "--name", "Ada Lovelace", "--set", "department=Sales", "--set", `businessPhones=["1"]`)
	s.shows(`"displayName": "Eve"`, "users", "create", "--upn", eve, "--name", "Eve", "--json")
	s.refused("already exists", "users", "create", "--upn", ada, "--name", "Ada Again")
	s.refused("Invalid property 'colour'", "users", "update", ada, "--set", "colour=red")
	s.shows("changed", "users", "update", ada, "--set", "department=Legal", "--set", "accountEnabled=false")
	s.shows(`"department": "Legal"`, "users", "get", ada, "--select", "id,department,accountEnabled")
	s.shows(ada+"  Ada Lovelace  Member  false", "users", "list", "--filter", "startswith(displayName,'Ada')")
	s.shows(ada, "users", "list", "--search", "lovelace")
	s.shows(ada, "users", "list", "--filter", "endswith(userPrincipalName,'contoso.example')", "--advanced", "--select", "userPrincipalName", "--orderby", "displayName", "--all")
	if _, out, errs := run(s.t, append([]string{"users", "list", "--limit", "1"}, s.flags...)...); strings.Count(out, "\n") != 2 || !strings.Contains(errs, "--all") {
		s.t.Errorf("one of several users is shown as %q, %q", out, errs)
	}
	var found []struct{ ID string }
	if err := json.Unmarshal([]byte(s.ok("users", "list", "--filter", "userPrincipalName eq '"+eve+"'", "--json")), &found); err != nil || len(found) != 1 {
		s.t.Fatalf("Eve is found as %v, %v", found, err)
	}
	s.shows("deleted", "users", "delete", eve)
	s.refused("does not exist", "users", "get", eve)
	s.shows(found[0].ID, "users", "list", "--deleted")
	s.shows("restored", "users", "restore", found[0].ID)
	s.shows(eve, "users", "get", eve)
}

func groupsStory(s admin) {
	const member = "admin@contoso.example"
	id := strings.TrimSpace(s.ok("groups", "create", "--name", "Readers", "--nickname", "readers", "--description", "Who reads"))
	outer := strings.TrimSpace(s.ok("groups", "create", "--name", "Outer", "--nickname", "outer"))
	s.shows(`"groupTypes": [
    "Unified"
  ]`, "groups", "create", "--name", "Team", "--nickname", "team", "--microsoft365", "--json")
	s.shows("now among the members", "groups", "add-member", id, member)
	s.shows("now among the members", "groups", "add-member", outer, id)
	s.refused("already exist", "groups", "add-member", id, member)
	s.shows("group  Readers", "groups", "members", outer)
	s.shows(member, "groups", "members", outer, "--transitive")
	s.shows("now among the owners", "groups", "add-owner", id, member)
	s.shows(`"userPrincipalName": "`+member, "groups", "owners", id, "--json")
	s.shows("no longer among the members", "groups", "remove-member", id, member)
	s.refused("does not exist", "groups", "remove-member", id, member)
	s.shows("changed", "groups", "update", id, "--body", `{"description":"Who read"}`)
	s.shows(`"description": "Who read"`, "groups", "get", id)
	s.shows("DynamicMembership  user.city -eq", "groups", "list", "--filter", "displayName eq '"+ruled(s)+"'")
	s.shows("deleted", "groups", "delete", outer)
}

// ruled makes a group with a rule, and answers its name.
func ruled(s admin) string {
	s.ok("groups", "create", "--name", "Readers of Delft", "--nickname", "delft", "--rule", `user.city -eq "Delft"`)
	return "Readers of Delft"
}

func rolesStory(s admin) {
	const who = "rosa@contoso.example"
	s.ok("users", "create", "--upn", who, "--name", "Rosa")
	s.shows("User Administrator", "roles", "list")
	id := strings.TrimSpace(s.ok("roles", "assign", who, "user administrator"))
	s.shows(id+"  User Administrator", "roles", "assignments", "--of", who)
	s.refused(`no role "emperor"`, "roles", "assign", who, "emperor")
	s.shows("taken away", "roles", "unassign", id)
	if out := s.ok("roles", "assignments", "--of", who); strings.Contains(out, id) {
		s.t.Errorf("the assignment is still there: %q", out)
	}
}

func domainsStory(s admin) {
	const name = "contoso-shop.test"
	s.shows("contoso.example  true", "domains", "list")
	s.shows("entente-verify=", "domains", "add", name)
	s.shows("Txt", "domains", "records", name)
	s.refused("DNS record", "domains", "verify", name)
	s.shows("removed", "domains", "remove", name)
	s.refused("cannot be removed", "domains", "remove", "contoso.example")
}

func bulkStory(s admin) {
	template := s.ok("bulk", "template", "createUsers")
	heading, _, _ := strings.Cut(template, "Example:")
	people := filepath.Join(s.t.TempDir(), "people.csv")
	if err := os.WriteFile(people, []byte(heading+"Bo,bo@contoso.example,aA1!many-Letters-77,No\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.shows("is completed: 1 rows", "bulk", "start", "createUsers", people, "--wait")
	s.refused("1 of 1 rows failed", "bulk", "start", "createUsers", people, "--wait")
	s.shows(`"displayName": "Bo"`, "users", "get", "bo@contoso.example")
	s.shows("completedWithErrors", "bulk", "list")
	s.refused("Request_BadRequest", "bulk", "start", "restoreUsers", people)
	s.shows("bo@contoso.example", "bulk", "export")
	guests := filepath.Join(s.t.TempDir(), "guests.csv")
	if err := os.WriteFile(guests, []byte(s.ok("bulk", "template", "inviteUsers")+"pia@partner.example,https://app.contoso.example/\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	invited, _, _ := strings.Cut(s.ok("bulk", "start", "inviteUsers", guests, "--wait"), " ")
	s.shows("pia@partner.example,https://app.contoso.example/,,,,Success", "bulk", "results", invited)
	s.shows(`"kind": "inviteUsers"`, "bulk", "status", invited)
}

func graphStory(s admin) {
	unit := s.ok("graph", "post", "/directory/administrativeUnits", "--body", `{"displayName":"North"}`)
	if !strings.Contains(unit, `"displayName": "North"`) {
		s.t.Errorf("the unit is %q", unit)
	}
	s.shows("\n", "graph", "GET", "/users/$count", "--header", "ConsistencyLevel=eventual")
	s.shows("admin@contoso.example", "graph", "GET", "/beta/users?$filter=userPrincipalName eq 'admin@contoso.example'")
	s.shows(`"Contoso"`, "graph", "GET", "/organization")
	out := s.ok("graph", "GET", "/users?$top=1&$select=id", "--all")
	if strings.Count(out, `"id"`) < 3 || strings.Contains(out, "nextLink") {
		s.t.Errorf("all users by pages of one: %q", out)
	}
	s.refused("Request_ResourceNotFound", "graph", "GET", "/users/nobody@contoso.example")
	s.refused("status 405", "graph", "DELETE", "/organization")
}

// The examples of the README that no other part of the story has.
func unitStory(s admin) {
	const who = "uma@contoso.example"
	s.ok("users", "create", "--upn", who, "--name", "Uma")
	var unit struct{ ID string }
	if err := json.Unmarshal([]byte(s.ok("graph", "POST", "/directory/administrativeUnits", "--body", `{"displayName":"South"}`)), &unit); err != nil {
		s.t.Fatal(err)
	}
	s.ok("roles", "assign", who, "User Administrator", "--unit", unit.ID)
	s.shows("User Administrator", "roles", "assignments", "--of", who)
	s.shows("/administrativeUnits/"+unit.ID, "roles", "assignments", "--of", who)
	s.ok("graph", "PATCH", "/organization/"+s.tenantID, "--body", `{"privacyProfile":{"contactEmail":"privacy@contoso.example"}}`)
	s.shows("privacy@contoso.example", "graph", "GET", "/organization/"+s.tenantID)
	s.ok("graph", "GET", "/users?$filter=endswith(mail,'example')&$count=true", "--header", "ConsistencyLevel=eventual", "--all")
}

package e2e

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"entente.dev/deploy/e2e/suitetest"
)

// An administrator sends a file of addresses, under either of its two paths,
// and the people on it are mailed (INV-36 to INV-39, DIR-215).
func TestAdminInvitesByCSV(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant, elsewhere := s.NewTenant(t, "workforce", "Contoso"), s.NewTenant(t, "workforce", "Fabrikam")
	g, stranger := s.Graph(t, tenant), s.Graph(t, elsewhere)
	holder := member(g, tenant, "holder")
	give(g, userAdministrator, holder, "/")
	admin := s.As(t, tenant, holder, "User.Invite.All")
	head := template(t, admin, "inviteUsers")
	ann, ben := address("ann"), address("ben")
	file := head + ann + "," + welcome + ",true,\"Welcome, Ann\"\n" + ben + "," + welcome + ",TRUE,\n" +
		strings.ToUpper(ann[:1]) + ann[1:] + "," + welcome + ",true,\n" + "own@" + tenant.Domain + "," + welcome + ",true,\n"

	// Nobody is invited by somebody without the role, nor by a file that is wrong.
	const alias, native = "/entente/v1/bulkOperations/inviteUsers", "/entente/v1/bulkInvitations"
	plain := s.As(t, tenant, member(g, tenant, "plain"), "User.Invite.All")
	for _, path := range []string{alias, native} {
		plain.With("Content-Type", "text/csv").Refused(http.MethodPost, path, file, 403, "Authorization_RequestDenied")
		for what, wrong := range map[string]string{"a heading": strings.Replace(file, "[inviteeEmail]", "[email]", 1), "a row": file + "nobody," + welcome + "\n",
			"the number of rows": head + strings.Repeat(ben+","+welcome+"\n", 50_001)} {
			if a := admin.With("Content-Type", "text/csv").Do(http.MethodPost, path, wrong); a.Status != 400 || !strings.Contains(suitetest.Message(a), "row ") {
				t.Errorf("%s is wrong: %d %s", what, a.Status, a.Raw)
			}
		}
	}
	if users := suitetest.Values(g.Get("/v1.0/users?$filter=userType eq 'Guest'")); len(users) != 0 {
		t.Fatalf("the refusals invited %v", users)
	}

	boxes := []*suitetest.Mailbox{s.Mailbox(ann), s.Mailbox(ben)}
	started := admin.With("Content-Type", "text/csv").Do(http.MethodPost, alias, file)
	id := suitetest.ID(started.JSON)
	location, err := url.Parse(started.Header.Get("Location"))
	if started.Status != http.StatusAccepted || started.JSON["kind"] != "inviteUsers" || err != nil || location.Path != "/entente/v1/bulkOperations/"+id {
		t.Fatalf("started = %d %s, at %s", started.Status, started.Raw, location)
	}
	state := finished(t, admin, location.Path)
	if got := fmt.Sprintf("%v %v %v %v", state["status"], state["totalCount"], state["successCount"], state["failureCount"]); got != "completedWithErrors 4 3 1" {
		t.Errorf("state = %v", state)
	}
	for _, box := range boxes {
		if link := box.Next(t).Link(t); link == "" || len(box.Messages(t)) != 1 {
			t.Errorf("%d mails", len(box.Messages(t)))
		}
	}
	if users := suitetest.Values(g.Get("/v1.0/users?$filter=userType eq 'Guest'")); len(users) != 2 {
		t.Errorf("guests = %v", users)
	}

	// The job is the same by every path, and nobody's elsewhere.
	if same := admin.Get(native + "/" + id); fmt.Sprintf("%v %v %v %v", same["status"], same["total"], same["succeeded"], same["failed"]) != "completed 4 3 1" {
		t.Errorf("the same = %v", same)
	}
	if same := admin.Get(alias + "/" + id); same["status"] != "completedWithErrors" {
		t.Errorf("the same = %v", same)
	}
	for _, path := range []string{native + "/" + id, alias + "/" + id, location.Path} {
		results := admin.Do(http.MethodGet, path+"/results", nil)
		rows, err := csv.NewReader(strings.NewReader(string(results.Raw))).ReadAll()
		if err != nil || len(rows) != 5 || strings.Contains(string(results.Raw), "ticket") {
			t.Fatalf("results = %v, %s", err, results.Raw)
		}
		for i, want := range []string{"Success", "Success", "Success", "Failure"} {
			if got := rows[i+1][5]; got != want {
				t.Errorf("row %d is a %s: %q", i+3, got, rows[i+1])
			}
		}
		for _, p := range []string{path, path + "/results"} {
			stranger.Refused(http.MethodGet, p, nil, 404, "Request_ResourceNotFound")
			plain.Refused(http.MethodGet, p, nil, 403, "Authorization_RequestDenied")
		}
		stranger.Refused(http.MethodPost, path+"/cancel", object{}, 404, "Request_ResourceNotFound")
	}
	request := started.Header.Get("request-id")
	for activity, want := range map[string]int{"Bulk invite users - started (bulk)": 1, "Bulk invite users - finished (bulk)": 1, "Invite external user": 3} {
		found := suitetest.Values(g.Get("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq '" + activity + "' and correlationId eq '" + request + "'"))
		if len(found) != want {
			t.Errorf("%d records of %q", len(found), activity)
			continue
		}
		by, _ := found[0]["initiatedBy"].(object)
		if user, _ := by["user"].(object); user["id"] != holder {
			t.Errorf("%q was initiated by %v", activity, by)
		}
	}

	// An application does it by the native path.
	second := g.With("Content-Type", "text/csv").Do(http.MethodPost, native, head+address("cid")+","+welcome+",false,\n")
	if second.Status != http.StatusAccepted || !strings.HasSuffix(second.Header.Get("Location"), native+"/"+suitetest.ID(second.JSON)) {
		t.Fatalf("started = %d %s", second.Status, second.Raw)
	}
	if state := finished(t, g, native+"/"+suitetest.ID(second.JSON)); fmt.Sprint(state["succeeded"]) != "1" {
		t.Errorf("state = %v", state)
	}
	for _, size := range []int{5<<20 + 1, 20<<20 + 1} {
		if a := g.With("Content-Type", "text/csv").Do(http.MethodPost, native, strings.Repeat("x", size)); a.Status != 413 {
			t.Errorf("%d bytes = %d %s", size, a.Status, a.Raw)
		}
	}
}

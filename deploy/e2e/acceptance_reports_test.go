package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"entente.dev/deploy/e2e/suitetest"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
)

// start sends a file of a bulk operation and returns the path of the operation.
func start(t *testing.T, g *suitetest.Graph, kind, file string) string {
	t.Helper()
	a := g.With("Content-Type", "text/csv").Do(http.MethodPost, "/entente/v1/bulkOperations/"+kind, file)
	if a.Status != http.StatusAccepted || a.Header.Get("Location") == "" {
		t.Fatalf("start %s = %d %s", kind, a.Status, a.Raw)
	}
	return "/entente/v1/bulkOperations/" + suitetest.ID(a.JSON)
}

// finished waits for the end of a bulk operation.
func finished(t *testing.T, g *suitetest.Graph, operation string) object {
	t.Helper()
	var state object
	suitetest.Eventually(t, 60*time.Second, "the bulk operation ends", func() bool {
		state = g.Get(operation)
		return strings.HasPrefix(fmt.Sprint(state["status"]), "completed")
	})
	return state
}

// template reads the first two rows of a kind.
func template(t *testing.T, g *suitetest.Graph, kind string) string {
	t.Helper()
	a := g.Do(http.MethodGet, "/entente/v1/bulkOperations/"+kind+"/template", nil)
	if a.Status != 200 {
		t.Fatalf("template of %s = %d %s", kind, a.Status, a.Raw)
	}
	return string(a.Raw)
}

func TestAC54_BulkCreateGoesOnAfterBadRows(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	tenant := s.NewTenant(t, "workforce", "Bulk")
	g := s.Graph(t, tenant)
	head := template(t, g, "createUsers")
	var file strings.Builder
	file.WriteString(head)
	bad := map[int]string{10: "nowhere.example", 500: "nowhere.example", 900: "nowhere.example"}
	const password = "Blue-Kettle-93-Window"
	for i := range 1000 {
		domain := tenant.Domain
		if other, ok := bad[i]; ok {
			domain = other
		}
		fmt.Fprintf(&file, "Row %d,row%d@%s,%s,No\n", i, i, domain, password)
	}
	operation := start(t, g, "createUsers", file.String())
	state := finished(t, g, operation)
	if state["status"] != "completedWithErrors" || fmt.Sprintf("%v %v %v", state["totalCount"], state["successCount"], state["failureCount"]) != "1000 997 3" {
		t.Errorf("state = %v", state)
	}
	results := g.Do(http.MethodGet, operation+"/results", nil)
	if strings.Contains(string(results.Raw), password) {
		t.Error("the results show passwords")
	}
	rows, err := csv.NewReader(strings.NewReader(string(results.Raw))).ReadAll()
	if err != nil || len(rows) != 1001 {
		t.Fatalf("results: %d rows, %v", len(rows), err)
	}
	failed := 0
	for _, row := range rows[1:] {
		if strings.Contains(strings.Join(row, ","), "nowhere.example") {
			failed++
			if message := row[len(row)-2]; message == "" {
				t.Errorf("a failed row without a reason: %q", row)
			}
		}
	}
	if failed != 3 {
		t.Errorf("%d failed rows in the results", failed)
	}
	changed := strings.Replace(head, "User name", "Account", 1) + "Row,other@" + tenant.Domain + "," + password + ",No\n"
	if a := g.With("Content-Type", "text/csv").Do(http.MethodPost, "/entente/v1/bulkOperations/createUsers", changed); a.Status != 400 {
		t.Errorf("a changed heading = %d %s", a.Status, a.Raw)
	}
	if a := g.Advanced().Do(http.MethodGet, "/v1.0/users/$count", nil); string(a.Raw) != "998" {
		t.Errorf("%s users in the end", a.Raw)
	}
}

// recordSignIns writes successful sign-ins into the log, as the login page does.
func recordSignIns(t *testing.T, s *suitetest.Suite, tenant suitetest.Tenant, user string, n int) {
	t.Helper()
	log := directorypb.NewSignInServiceClient(s.DialAs(t, "directory", "gateway"))
	for range n {
		if _, err := log.RecordSignIn(suitetest.Context(t, ""), &directorypb.RecordSignInRequest{
			TenantId: tenant.ID, EventId: uuid.NewString(), UserId: user, IpAddress: "192.0.2.7", Interactive: true, At: timestamppb.Now(),
		}); err != nil {
			t.Fatalf("record a sign-in: %v", err)
		}
	}
}

func TestAC55_MonthlyActiveUsersCountOnce(t *testing.T) {
	t.Parallel()
	s := suitetest.Shared(t)
	office, shop := s.NewTenant(t, "workforce", "Office"), s.NewTenant(t, "external", "Shop")
	g := s.Graph(t, office)
	guest, gone := guestOf(invite(g, address("guest"))), guestOf(invite(g, address("gone")))
	external := guestOf(g.Create("/v1.0/invitations", object{"invitedUserEmailAddress": address("member"), "inviteRedirectUrl": welcome, "invitedUserType": "Member"}))
	internal := member(g, office, "internal")
	g.Patch("/v1.0/users/"+internal, object{"userType": "Guest"})
	recordSignIns(t, s, office, guest, 2)
	recordSignIns(t, s, office, gone, 1)
	recordSignIns(t, s, office, external, 1)
	recordSignIns(t, s, office, internal, 1)
	g.Delete("/v1.0/users/" + gone)
	admin := suitetest.ID(s.Graph(t, shop).Get("/v1.0/users/" + shop.Admin.UserPrincipalName))
	recordSignIns(t, s, shop, admin, 1)

	month := time.Now().UTC().Format("2006-01")
	count := func(tenant suitetest.Tenant, want map[string]string) {
		t.Helper()
		report := s.Graph(t, tenant).Get("/entente/v1/reports/mau?month=" + month)
		for name, n := range want {
			if report[name] != json.Number(n) {
				t.Errorf("%s of %s = %v, want %s", name, tenant.Name, report[name], n)
			}
		}
	}
	count(office, map[string]string{"total": "3", "externalGuests": "2", "internalGuests": "1", "freeTier": "50000"})
	count(shop, map[string]string{"total": "1", "externalTenantUsers": "1"})

	rows := suitetest.Values(g.Get("/v1.0/auditLogs/signIns?$filter=userId eq '" + guest + "'"))
	if len(rows) != 2 || rows[0]["ipAddress"] != "192.0.2.7" {
		t.Errorf("sign-ins of the guest = %v", rows)
	}
}

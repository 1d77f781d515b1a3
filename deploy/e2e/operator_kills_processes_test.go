package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"entente.dev/deploy/e2e/suitetest"
)

// doomed is a suite of a test's own, which is killed and started again.
type doomed struct {
	t       *testing.T
	dir     string
	program *suitetest.Program
	suite   *suitetest.Suite
}

func newDoomed(t *testing.T) *doomed {
	t.Helper()
	dir, remove, err := suitetest.DataDir()
	if err != nil {
		t.Fatal(err)
	}
	d := &doomed{t: t, dir: dir}
	t.Cleanup(func() {
		if d.program != nil {
			if t.Failed() {
				t.Logf("log of the suite:\n%s", tail(d.program.Log(), 60))
			}
			if err := d.program.Interrupt(); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
		remove()
	})
	d.start()
	return d
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// start brings the suite up on its folder; its addresses stay the same.
func (d *doomed) start() {
	d.t.Helper()
	program, err := suitetest.Start(context.Background(), d.dir)
	if err != nil {
		d.t.Fatalf("start: %v", err)
	}
	d.program = program
	s, err := suitetest.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	if d.suite == nil {
		d.suite = s
		return
	}
	if s.GraphURL != d.suite.GraphURL {
		d.t.Fatalf("the suite moved from %s to %s: links in mails are dead", d.suite.GraphURL, s.GraphURL)
	}
	d.suite.Forget()
}

// crash lets the work run until a random moment and then kills the program.
// It returns when the work has noticed.
func (d *doomed) crash(within time.Duration, work ...func()) {
	d.t.Helper()
	var wg sync.WaitGroup
	for _, w := range work {
		wg.Go(w)
	}
	<-time.After(rand.N(within))
	if err := d.program.Kill(); err != nil {
		d.t.Fatalf("kill: %v", err)
	}
	wg.Wait()
}

func TestOperatorKillsTheSuiteDuringInvitations(t *testing.T) {
	t.Parallel()
	d := newDoomed(t)
	tenant := d.suite.NewTenant(t, "workforce", "Invitations")
	token := d.suite.Graph(t, tenant).Token
	var all []string
	answered := map[string]bool{}
	for round := range 5 {
		var mu sync.Mutex
		invite := func(who string) func() {
			return func() {
				g := d.suite.Bearer(t, token)
				for i := 0; ; i++ {
					to := fmt.Sprintf("r%d%s%d@partner.example", round, who, i)
					mu.Lock()
					all = append(all, to)
					mu.Unlock()
					a, err := g.Try(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome, "sendInvitationMessage": true})
					if err != nil {
						return
					}
					mu.Lock()
					answered[to] = a.Status == 201
					mu.Unlock()
				}
			}
		}
		d.crash(400*time.Millisecond, invite("a"), invite("b"), invite("c"))
		d.start()
	}
	g := d.suite.Graph(t, tenant)
	guests := func() map[string]int {
		count := map[string]int{}
		users, _ := g.All("/v1.0/users?$filter=userType eq 'Guest'&$select=id,mail,externalUserState&$top=999")
		for _, u := range users {
			count[fmt.Sprint(u["mail"])]++
			if u["externalUserState"] != "PendingAcceptance" {
				t.Errorf("a guest in state %v", u["externalUserState"])
			}
		}
		return count
	}
	before := guests()
	for to, ok := range answered {
		if ok && before[to] != 1 {
			t.Errorf("%s was answered with 201 and has %d users", to, before[to])
		}
	}
	// Whoever asks again gets one user, whatever the crash had left.
	for _, to := range all {
		if before[to] == 1 && answered[to] {
			continue
		}
		if a := g.Do(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome}); a.Status != 201 {
			t.Errorf("inviting %s again = %d %s", to, a.Status, a.Raw)
		}
	}
	after := guests()
	if len(after) != len(all) {
		t.Errorf("%d guests for %d addresses", len(after), len(all))
	}
	for to, n := range after {
		if n != 1 {
			t.Errorf("%s has %d users", to, n)
		}
	}
	t.Logf("%d addresses, %d answered before a crash, %d had a user after it", len(all), len(answered), len(before))
	// The mail of a committed invitation is sent after the crash.
	for to, ok := range answered {
		if ok {
			d.suite.Mailbox(to).Next(t).Link(t)
			break
		}
	}
}

func TestOperatorKillsTheSuiteDuringRedemption(t *testing.T) {
	t.Parallel()
	d := newDoomed(t)
	tenant := d.suite.NewTenant(t, "workforce", "Redemptions")
	var guests []string
	for round := range 3 {
		g := d.suite.Graph(t, tenant)
		var people []*suitetest.Person
		var work []func()
		for i := range 3 {
			mail := fmt.Sprintf("r%dp%d@partner.example", round, i)
			box := d.suite.Mailbox(mail)
			guests = append(guests, guestOf(invite(g, mail)))
			p := d.suite.Person(t)
			enterCode(p, sendCode(t, p, box, box.Next(t).Link(t)))
			people = append(people, p)
			work = append(work, func() { _ = p.TryPress("accept", nil) })
		}
		d.crash(60*time.Millisecond, work...)
		d.start()
		// Each presses Accept again, on the page that is still open.
		for _, p := range people {
			if p.Has("accept") && p.Left == "" {
				p.Press("accept", nil)
			}
		}
	}
	g := d.suite.Graph(t, tenant)
	for _, id := range guests {
		var user object
		suitetest.Eventually(t, 30*time.Second, "the redemption of "+id+" ends", func() bool {
			user = g.Get("/v1.0/users/" + id + "?$select=id,externalUserState,identities")
			return user["externalUserState"] == "Accepted"
		})
		federated := 0
		identities, _ := user["identities"].([]any)
		for _, i := range identities {
			if identity, _ := i.(object); identity["signInType"] == "federated" {
				federated++
			}
		}
		if federated != 1 {
			t.Errorf("identities = %v", identities)
		}
	}
	redeemed, _ := g.All("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Redeem external user invite' and result eq 'success'&$top=999")
	commits := 0
	for _, row := range redeemed {
		// The commit of the flow; the directory logs its part as well.
		if strings.Contains(fmt.Sprint(row["additionalDetails"]), "redemptionId") {
			commits++
		}
	}
	if commits != len(guests) {
		t.Errorf("%d redemptions in the audit log of %d guests", commits, len(guests))
	}
	suitetest.Eventually(t, 30*time.Second, "the invitations are completed", func() bool {
		list, _ := g.All("/entente/v1/invitations?$top=999")
		for _, i := range list {
			if i["state"] != "Completed" {
				return false
			}
		}
		return len(list) == len(guests)
	})
}

func TestOperatorKillsTheSuiteDuringSynchronization(t *testing.T) {
	t.Parallel()
	const members = 160
	d := newDoomed(t)
	from, to := d.suite.NewTenant(t, "workforce", "Kill Source"), d.suite.NewTenant(t, "workforce", "Kill Target")
	source, target := d.suite.Graph(t, from), d.suite.Graph(t, to)
	for i := 0; i < members; i += 20 {
		var parts []object
		for j := i; j < i+20; j++ {
			body := from.NewUser(fmt.Sprintf("kill%03d", j))
			body["mail"] = fmt.Sprintf("kill%03d@%s", j, from.Domain)
			parts = append(parts, object{"id": fmt.Sprint(j), "method": "POST", "url": "/users", "headers": object{"Content-Type": "application/json"}, "body": body})
		}
		answer := source.Act("/v1.0/$batch", object{"requests": parts})
		for _, r := range answer["responses"].([]any) {
			if part := r.(object); fmt.Sprint(part["status"]) != "201" {
				t.Fatalf("create = %v", part)
			}
		}
	}
	allowSync(source, target, from, to)
	c := configure(t, source, to, true)
	source.Send(http.MethodPost, c.Job+"/start", nil)
	for range 4 {
		d.crash(250 * time.Millisecond)
		d.start()
	}
	filter := "/v1.0/users?$filter=startswith(displayName,'kill')&$select=id,displayName,userPrincipalName,externalUserState&$top=999"
	suitetest.Eventually(t, 60*time.Second, "every member arrives", func() bool {
		users, _ := target.All(filter)
		return len(users) >= members
	})
	suitetest.Eventually(t, 60*time.Second, "the cycle ends", func() bool {
		status, _ := source.Get(c.Job)["status"].(object)
		last, _ := status["lastSuccessfulExecution"].(object)
		return last["state"] == "Succeeded"
	})
	users, _ := target.All(filter)
	names := map[string]int{}
	for _, u := range users {
		names[fmt.Sprint(u["displayName"])]++
		if u["externalUserState"] != "Accepted" {
			t.Errorf("synchronized user in state %v", u["externalUserState"])
		}
	}
	if len(users) != members || len(names) != members {
		t.Errorf("%d users with %d names in the target, %d in the source", len(users), len(names), members)
	}
	// The next cycle finds nothing left to do.
	if a := source.Do(http.MethodPost, strings.Replace(c.Job, "/v1.0/", "/entente/v1/", 1)+"/runNow", nil); a.Status != 202 && a.Status != 429 {
		t.Errorf("runNow = %d %s", a.Status, a.Raw)
	}
	if again, _ := target.All(filter); len(again) != members {
		t.Errorf("%d users after another cycle", len(again))
	}
}

func TestOperatorStopsAndStartsAgain(t *testing.T) {
	t.Parallel()
	d := newDoomed(t)
	tenant := d.suite.NewTenant(t, "workforce", "Restart")
	g := d.suite.Graph(t, tenant)
	id := suitetest.ID(g.Create("/v1.0/users", tenant.NewUser("restart")))
	mail := address("restart")
	box := d.suite.Mailbox(mail)
	invite(g, mail)
	link := box.Next(t).Link(t)

	// The folder belongs to one runner at a time.
	if second, err := suitetest.Start(context.Background(), d.dir); err == nil {
		_ = second.Kill()
		t.Error("a second program runs on the same folder")
	}
	if err := d.program.Interrupt(); err != nil {
		t.Fatalf("Ctrl-C: %v", err)
	}
	began := time.Now()
	d.start()
	t.Logf("a warm start took %s", time.Since(began).Round(time.Millisecond))
	if user := g.Get("/v1.0/users/" + id); user["displayName"] != "restart" {
		t.Errorf("after the restart: %v", user)
	}
	if again := d.suite.Mailbox(mail).Messages(t); len(again) != 1 {
		t.Errorf("%d mails after the restart", len(again))
	}
	redeem(t, d.suite.Person(t), box, link)
}

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
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

// victim is a suite of which something is killed and brought back.
type victim struct {
	t     *testing.T
	suite *suitetest.Suite
	// kill ends something in a round; revive brings it back.
	kill   func(round int)
	revive func(round int)
}

// whole is a victim that dies as a whole.
func whole(t *testing.T) *victim {
	d := newDoomed(t)
	return &victim{
		t: t, suite: d.suite,
		kill: func(int) {
			if err := d.program.Kill(); err != nil {
				t.Fatalf("kill: %v", err)
			}
		},
		revive: func(int) { d.start() },
	}
}

// piecemeal is a victim of five processes, one of which dies in each round.
func piecemeal(t *testing.T) *victim {
	parts := suitetest.StartParts(t)
	probe := parts.Suite.Graph(t, parts.Suite.NewTenant(t, "workforce", "Probe"))
	name := func(round int) string { return suitetest.PartNames[round%len(suitetest.PartNames)] }
	return &victim{
		t: t, suite: parts.Suite,
		kill: func(round int) { parts.Kill(name(round)) },
		revive: func(round int) {
			parts.Serve(name(round))
			parts.Suite.Forget()
			// The others find it again within seconds; until then they say 503,
			// after which clients try again.
			suitetest.Eventually(t, 15*time.Second, "the parts find "+name(round)+" again", func() bool {
				for _, r := range []struct {
					method, path string
					body         any
				}{
					{http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": address("probe"), "inviteRedirectUrl": welcome}},
					{http.MethodGet, "/v1.0/policies/crossTenantAccessPolicy/partners", nil},
					{http.MethodGet, "/v1.0/servicePrincipals/" + unused() + "/synchronization/jobs", nil},
				} {
					if a, err := probe.Try(r.method, r.path, r.body); err != nil || a.Status >= 500 {
						return false
					}
				}
				return true
			})
		},
	}
}

// crash lets the work run until a random moment after it is under way, kills,
// and brings back. It returns when the work is done or has noticed. Work that
// says nothing through underWay is under way at once.
func (v *victim) crash(round int, within time.Duration, underWay <-chan struct{}, work ...func()) {
	v.t.Helper()
	var wg sync.WaitGroup
	for _, w := range work {
		wg.Go(w)
	}
	if underWay != nil {
		select {
		case <-underWay:
		case <-time.After(10 * time.Second):
		}
	}
	<-time.After(rand.N(within))
	v.kill(round)
	v.revive(round)
	wg.Wait()
}

func TestOperatorKillsTheSuiteDuringInvitations(t *testing.T) {
	t.Parallel()
	v := whole(t)
	mailsArrive(v, invitationsSurvive(v, 6))
}

func TestOperatorKillsTheSuiteDuringRedemption(t *testing.T) {
	t.Parallel()
	redemptionsSurvive(whole(t), 4)
}

func TestOperatorKillsTheSuiteDuringSynchronization(t *testing.T) {
	t.Parallel()
	synchronizationSurvives(whole(t), 4)
}

func TestOperatorKillsOnePartAfterTheOther(t *testing.T) {
	t.Parallel()
	v := piecemeal(t)
	invited := invitationsSurvive(v, len(suitetest.PartNames))
	redemptionsSurvive(v, len(suitetest.PartNames))
	synchronizationSurvives(v, len(suitetest.PartNames))
	mailsArrive(v, invited)
}

// invitationsSurvive kills while people are invited: whoever was answered has
// a user, whoever asks again gets exactly one. It returns who was answered.
func invitationsSurvive(v *victim, rounds int) (invited []string) {
	t := v.t
	t.Helper()
	tenant := v.suite.NewTenant(t, "workforce", "Invitations")
	token := v.suite.Graph(t, tenant).Token
	var mu sync.Mutex
	var all []string
	answered := map[string]bool{}
	for round := range rounds {
		stop, underWay := make(chan struct{}), make(chan struct{})
		first := sync.OnceFunc(func() { close(underWay) })
		if round%2 == 0 {
			first() // the first invitation after a start is interrupted, too
		}
		inviter := func(who string) func() {
			return func() {
				g := v.suite.Bearer(t, token)
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					to := fmt.Sprintf("r%d%s%d@partner.example", round, who, i)
					mu.Lock()
					all = append(all, to)
					mu.Unlock()
					a, err := g.Try(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome, "sendInvitationMessage": true})
					if err != nil || a.Status != http.StatusCreated {
						return
					}
					mu.Lock()
					answered[to] = true
					mu.Unlock()
					first()
				}
			}
		}
		kill := v.kill
		v.kill = func(round int) { kill(round); close(stop) }
		v.crash(round, 300*time.Millisecond, underWay, inviter("a"), inviter("b"), inviter("c"))
		v.kill = kill
	}
	g := v.suite.Graph(t, tenant)
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
	for to := range answered {
		if before[to] != 1 {
			t.Errorf("%s was answered with 201 and has %d users", to, before[to])
		}
	}
	for _, to := range all {
		if answered[to] {
			continue
		}
		if a := g.Do(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": to, "inviteRedirectUrl": welcome}); a.Status != 201 {
			t.Errorf("inviting %s again = %d %s", to, a.Status, a.Raw)
		}
	}
	after := guests()
	if len(after) != len(all) {
		t.Errorf("%d guests for %d addresses: %v", len(after), len(all), after)
	}
	for _, to := range all {
		if after[to] == 0 {
			deleted, _ := g.All("/v1.0/directory/deletedItems/microsoft.graph.user?$select=id,mail,deletedDateTime,createdDateTime")
			invitations, _ := g.All("/entente/v1/invitations")
			t.Errorf("%s has no user; deleted are %v; invitations %v", to, deleted, invitations)
		}
	}
	for to, n := range after {
		if n != 1 {
			t.Errorf("%s has %d users", to, n)
		}
	}
	t.Logf("%d addresses, %d answered before a crash, %d had a user after it", len(all), len(answered), len(before))
	return slices.Collect(maps.Keys(answered))
}

// mailsArrive waits for the mail of every committed invitation, which is sent
// after the crash if need be: a first attempt that found the directory gone is
// repeated after a minute.
func mailsArrive(v *victim, invited []string) {
	v.t.Helper()
	for _, to := range invited {
		v.suite.Mailbox(to).Within(v.t, 90*time.Second).Link(v.t)
	}
}

// redemptionsSurvive kills while people accept: pressing again ends well, and
// each is bound once.
func redemptionsSurvive(v *victim, rounds int) {
	t := v.t
	t.Helper()
	tenant := v.suite.NewTenant(t, "workforce", "Redemptions")
	var guests []string
	for round := range rounds {
		g := v.suite.Graph(t, tenant)
		people := map[*suitetest.Person]string{}
		var work []func()
		for i := range 4 {
			mail := fmt.Sprintf("r%dp%d@partner.example", round, i)
			box := v.suite.Mailbox(mail)
			guests = append(guests, guestOf(invite(g, mail)))
			p := v.suite.Person(t)
			enterCode(p, sendCode(t, p, box, box.Next(t).Link(t)))
			people[p] = p.Page.URL.String()
			work = append(work, func() { _ = p.TryPress("accept", nil) })
		}
		v.crash(round, 80*time.Millisecond, nil, work...)
		// Each goes back to the page and presses Accept again, if it is still there.
		for p, page := range people {
			if landed(p) {
				continue
			}
			suitetest.Eventually(t, 30*time.Second, "the page comes back", func() bool { return p.Open(page).Status < 500 })
			if p.Has("accept") {
				p.Press("accept", nil)
			}
		}
	}
	g := v.suite.Graph(t, tenant)
	for _, id := range guests {
		var user object
		suitetest.Eventually(t, 30*time.Second, "the redemption of "+id+" ends", func() bool {
			user = g.Get("/v1.0/users/" + id + "?$select=id,externalUserState,identities")
			return user["externalUserState"] == "Accepted"
		})
		if n := strings.Count(fmt.Sprint(user["identities"]), "federated"); n != 1 {
			t.Errorf("identities = %v", user["identities"])
		}
	}
	commits := map[string]int{}
	suitetest.Eventually(t, 30*time.Second, "each redemption is in the audit log", func() bool {
		clear(commits)
		rows, _ := g.All("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Redeem external user invite' and result eq 'success'&$top=999")
		for _, row := range rows {
			// The commit of the flow; the directory logs its part as well.
			if strings.Contains(fmt.Sprint(row["additionalDetails"]), "redemptionId") {
				commits[suitetest.ID(row["targetResources"].([]any)[0].(object))]++
			}
		}
		return len(commits) == len(guests)
	})
	for id, n := range commits {
		if n != 1 {
			t.Errorf("%s was redeemed %d times", id, n)
		}
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

// synchronizationSurvives kills while a cycle runs: everybody arrives, once.
func synchronizationSurvives(v *victim, rounds int) {
	const members = 160
	t := v.t
	t.Helper()
	from, to := v.suite.NewTenant(t, "workforce", "Kill Source"), v.suite.NewTenant(t, "workforce", "Kill Target")
	source, target := v.suite.Graph(t, from), v.suite.Graph(t, to)
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
	for round := range rounds {
		v.crash(round, 150*time.Millisecond, nil)
	}
	filter := "/v1.0/users?$filter=startswith(displayName,'kill')&$select=id,displayName,userPrincipalName,externalUserState&$top=999"
	suitetest.Eventually(t, 90*time.Second, "every member arrives", func() bool {
		a, err := target.Try(http.MethodGet, filter, nil)
		return err == nil && len(suitetest.Values(a.JSON)) >= members
	})
	suitetest.Eventually(t, 90*time.Second, "the cycle ends", func() bool {
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

func TestDatabaseCrashesUnderTheSuite(t *testing.T) {
	t.Parallel()
	d := newDoomed(t)
	tenant := d.suite.NewTenant(t, "workforce", "Database")
	g := d.suite.Graph(t, tenant)
	id := suitetest.ID(g.Create("/v1.0/users", tenant.NewUser("database")))
	server, sessions := suitetest.Database(t, d.dir)
	// A session that dies takes all others along; the server recovers.
	suitetest.KillProcess(t, sessions[0])
	suitetest.Eventually(t, 30*time.Second, "the suite works again", func() bool {
		a, err := g.Try(http.MethodPost, "/v1.0/invitations", object{"invitedUserEmailAddress": address("again"), "inviteRedirectUrl": welcome})
		return err == nil && a.Status == http.StatusCreated
	})
	if user := g.Get("/v1.0/users/" + id); user["displayName"] != "database" {
		t.Errorf("after the crash of a session: %v", user)
	}
	// Without a server there is nothing to serve: the program says so and ends.
	suitetest.KillProcess(t, server)
	if err := d.program.Ended(30 * time.Second); err == nil {
		t.Error("the program ends with success after its database was killed")
	}
	d.start()
	if user := g.Get("/v1.0/users/" + id); user["displayName"] != "database" {
		t.Errorf("after the crash of the server: %v", user)
	}
}

package crosstenant

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

var (
	fabrikam = tenant.MustParse("f0000000-0000-4000-8000-000000000001")
	contoso  = tenant.MustParse("c0000000-0000-4000-8000-000000000002")
	names    = map[string]uuid.UUID{
		"u1": uuid.MustParse("10000000-0000-4000-8000-000000000001"),
		"u2": uuid.MustParse("10000000-0000-4000-8000-000000000002"),
		"g1": uuid.MustParse("20000000-0000-4000-8000-000000000001"),
		"a1": uuid.MustParse("30000000-0000-4000-8000-000000000001"),
		"a2": uuid.MustParse("30000000-0000-4000-8000-000000000002"),
	}
	ruleNames = map[string]Rule{
		"OutboundCollaboration": RuleOutboundCollaboration, "InboundCollaboration": RuleInboundCollaboration,
		"OutboundDirectConnect": RuleOutboundDirectConnect, "InboundDirectConnect": RuleInboundDirectConnect,
	}
	sideNames   = map[string]Side{"home": SideHome, "resource": SideResource}
	sourceNames = map[string]Source{"partner": FromPartner, "default": FromDefault, "system": FromSystem}
)

// parseSetting reads the notation of the vectors.
func parseSetting(t *testing.T, s string) *Setting {
	t.Helper()
	if s == "-" {
		return nil
	}
	users, apps, ok := strings.Cut(s, "/")
	if !ok {
		t.Fatalf("setting %q has no halves", s)
	}
	return &Setting{UsersAndGroups: parseHalf(t, users, AllUsers), Applications: parseHalf(t, apps, AllApplications)}
}

func parseHalf(t *testing.T, s, all string) *TargetConfiguration {
	t.Helper()
	if s == "_" {
		return nil
	}
	access, name, _ := strings.Cut(s, ":")
	c := &TargetConfiguration{Access: Allowed}
	if access == "B" {
		c.Access = Blocked
	}
	target := Target{Target: names[name].String(), Type: map[byte]TargetType{'u': TargetUser, 'g': TargetGroup, 'a': TargetApplication}[name[0]]}
	if name == "*" {
		target = Target{Target: all, Type: TargetUser}
		if all == AllApplications {
			target.Type = TargetApplication
		}
	}
	c.Targets = []Target{target}
	return c
}

func TestDecisionVectors(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		col := strings.Split(line, "|")
		for i := range col {
			col[i] = strings.TrimSpace(col[i])
		}
		seen++
		t.Run("V"+col[0], func(t *testing.T) {
			direct := col[1] == "D"
			home := Policy{Tenant: fabrikam, Version: 7}
			home.Default.Settings.CollaborationOutbound = parseSetting(t, col[2])
			hp, rp := &Partner{TenantID: contoso}, &Partner{TenantID: fabrikam}
			if direct {
				hp.Settings.DirectConnectOutbound = parseSetting(t, col[3])
				rp.Settings.DirectConnectInbound = parseSetting(t, col[4])
			} else {
				hp.Settings.CollaborationOutbound = parseSetting(t, col[3])
				rp.Settings.CollaborationInbound = parseSetting(t, col[4])
			}
			pair := Pair{
				Home:     home.Compile().Toward(contoso, hp),
				Resource: Policy{Tenant: contoso, Version: 9}.Compile().Toward(fabrikam, rp),
			}
			u := User{ID: names[col[5]], GroupsKnown: true}
			if col[5] == "u1" {
				u.Groups = []uuid.UUID{names["g1"]}
			}
			a := Application{Resource: names[col[6]], DirectConnect: col[6] == "a1"}

			var got Decision
			switch col[1] {
			case "S":
				got = pair.SignIn(u, a)
			case "I":
				got = pair.Invite(Gates{Inviter: true, Domain: true}, u)
			case "D":
				got = pair.DirectConnect(u, a)
			}
			outcome, code, _ := strings.Cut(col[7], " ")
			want := Decision{
				Outcome: Deny, Code: code, Rule: ruleNames[col[8]], Side: sideNames[col[9]], Source: sourceNames[col[10]],
				HomeVersion: 7, ResourceVersion: 9,
			}
			if outcome == "allow" {
				want.Outcome = Allow
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	if seen != 25 {
		t.Errorf("%d vectors, want 25", seen)
	}
}

package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// person is a subject whose properties are given by name.
type person struct {
	bools   map[Property]bool
	strings map[Property]string
	lists   map[Property][]string
	hired   time.Time
	plans   []Plan
	manager uuid.UUID
	groups  []uuid.UUID
}

func (p person) Bool(n Property) (bool, bool)    { v, ok := p.bools[n]; return v, ok }
func (p person) Text(n Property) (string, bool)  { v, ok := p.strings[n]; return v, ok }
func (p person) Texts(n Property) []string       { return p.lists[n] }
func (p person) Time(Property) (time.Time, bool) { return p.hired, !p.hired.IsZero() }
func (p person) Plans() []Plan                   { return p.plans }
func (p person) Manager() uuid.UUID              { return p.manager }
func (p person) In(g uuid.UUID) bool             { return slices.Contains(p.groups, g) }

const extension = "extension_0123456789abcdef0123456789abcdef_costCenter"

var (
	now   = time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)
	chief = uuid.MustParse("7d444840-9dc0-11d1-b245-5ffdce74fad2")
	team  = uuid.MustParse("7d444840-9dc0-11d1-b245-5ffdce74fad3")

	// The two users of DIR-154 and a third with what they lack.
	sales = person{
		strings: map[Property]string{"department": "Sales", "country": "US", "userType": "Guest", "displayName": "David", "objectId": "1"},
		bools:   map[Property]bool{"accountEnabled": false},
		lists:   map[Property][]string{"otherMails": {"a@x.com"}},
	}
	member = person{
		strings: map[Property]string{"userType": "Member", "displayName": "Da", "objectId": "2"},
		bools:   map[Property]bool{"accountEnabled": true},
	}
	hired = person{
		strings: map[Property]string{Property(extension): "77", "objectId": "3", "jobTitle": `the "boss"`, "surname": "O'Neil"},
		lists:   map[Property][]string{"otherMails": {"a@x.com", "b@y.com"}},
		hired:   time.Date(2026, 3, 12, 8, 0, 0, 0, time.UTC),
		plans:   []Plan{{Service: "exchange", ServicePlanID: "efb87545", CapabilityStatus: "Enabled"}},
		manager: chief,
		groups:  []uuid.UUID{team},
	}
)

func TestAC42_Examples(t *testing.T) {
	for _, c := range []struct {
		rule         string
		sales, other bool
	}{
		{`user.department -eq "sales"`, true, false},
		{`user.department -ne "Sales"`, false, true},
		{`user.department -notIn ["Sales","HR"]`, false, true},
		{`user.department -in ['HR', "SALES"]`, true, false},
		{`user.country -eq "US" -and user.department -eq "HR" -or user.userType -eq "Guest"`, true, false},
		{`-not (user.department -startsWith "Sa")`, false, true},
		{`user.otherMails -any (_ -endsWith "@x.com")`, true, false},
		{`user.otherMails -any _ -endsWith "@x.com"`, true, false},
		{`user.otherMails -all (_ -endsWith "@y.com")`, false, true},
		{`user.displayName -match ".*vid"`, true, false},
		{`user.displayName -notMatch "VID$"`, false, true},
		{`user.department -eq null`, false, true},
		{`user.department -ne $null`, true, false},
		{`user.department -eq "null"`, false, false},
		{`user.objectId -ne null`, true, true},
		{`(user.objectId -ne null) -and (user.userType -eq "Member")`, false, true},
		{`user.accountEnabled -eq true`, false, true},
		{`user.accountEnabled -ne "TRUE"`, true, false},
		{`user.dirSyncEnabled -eq false`, false, false},
		{`user.dirSyncEnabled -ne false`, true, true},
		{`USER.DEPARTMENT -EQ "sales"`, true, false},
		{`user.department –eq "sales"`, true, false},
		{`user.department eq "sales" and not (user.country eq "DE")`, true, false},
		{`user.department -contains "ale"`, true, false},
		{`user.department -notContains "ale"`, false, true},
		{`user.otherMails -contains "x.com"`, true, false},
		{`user.otherMails -notContains "x.com"`, false, true},
		{`user.department -ge "sales"`, true, false},
		{`user.department -le "sales"`, true, false},
		{`user.assignedPlans -all (assignedPlan.servicePlanId -eq null)`, true, true},
		{`user.assignedPlans -any (assignedPlan.servicePlanId -ne null)`, false, false},
		{`user.employeeHireDate -eq null`, true, true},
		{`user.employeeHireDate -ge system.now`, false, false},
		{extension2("-eq", "77"), false, false},
		// -and binds closer than -or, whatever their order.
		{`user.userType -eq "Guest" -or user.country -eq "DE" -and user.department -eq "HR"`, true, false},
	} {
		r, err := Parse(c.rule)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if got := r.Match(sales, now); got != c.sales {
			t.Errorf("%s for u1: %v", c.rule, got)
		}
		if got := r.Match(member, now); got != c.other {
			t.Errorf("%s for u2: %v", c.rule, got)
		}
	}
}

func extension2(op, value string) string { return fmt.Sprintf("user.%s %s %q", extension, op, value) }

func TestMatch(t *testing.T) {
	for rule, want := range map[string]bool{
		extension2("-eq", "77"):                                             true,
		"user.jobTitle -eq \"THE `\"boss`\"\"":                              true,
		`user.surname -eq 'o''neil'`:                                        true,
		`user.otherMails -all (_ -endsWith ".com")`:                         true,
		`user.otherMails -all (_ -endsWith "y.com" -or _ -startsWith "A")`:  true,
		`user.otherMails -all (_ -endsWith "y.com" -and _ -startsWith "A")`: false,
		`user.otherMails -ne "a@x.com"`:                                     false,
		`user.otherMails -eq "b@y.com"`:                                     true,
		`user.assignedPlans -any (assignedPlan.servicePlanId -eq "EFB87545" -and assignedPlan.capabilityStatus -eq "enabled")`:     true,
		`user.assignedPlans -any (assignedPlan.service -eq "teams")`:                                                               false,
		`user.employeeHireDate -eq system.now -plus P2D`:                                                                           true,
		`user.employeeHireDate -le system.now -plus p1d`:                                                                           false,
		`user.employeeHireDate -ge system.now -minus P1M`:                                                                          true,
		`user.employeeHireDate -eq 2026-03-12T00:00:00Z`:                                                                           true,
		`user.employeeHireDate -ne "2026-03-12"`:                                                                                   false,
		`Direct Reports for "7d444840-9dc0-11d1-b245-5ffdce74fad2"`:                                                                true,
		`Direct Reports for "7d444840-9dc0-11d1-b245-5ffdce74fad3"`:                                                                false,
		`user.memberOf -any (group.objectId -in ['7d444840-9dc0-11d1-b245-5ffdce74fad2', '7d444840-9dc0-11d1-b245-5ffdce74fad3'])`: true,
		`user.memberof -any (group.objectid -in ["7d444840-9dc0-11d1-b245-5ffdce74fad2"])`:                                         false,
	} {
		r, err := Parse(rule)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
		} else if got := r.Match(hired, now); got != want {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for rule, at := range map[string]int{
		``:                                                    1,
		`user.nope -eq "x"`:                                   1,
		`device.deviceOSType -eq "iOS"`:                       1,
		`user.department -startsWith null`:                    29,
		`user.department -in [null]`:                          22,
		`user.department -match "(a)\1"`:                      24,
		`user.department -eq 5`:                               21,
		`user.department -eq true`:                            21,
		`user.department -eq x`:                               21,
		`user.department "x"`:                                 17,
		`user.department -like "x"`:                           17,
		`user.department -eq "x`:                              21,
		`user.department -eq "x" "y"`:                         25,
		`user.department -eq "x" -and`:                        29,
		`(user.department -eq "x"`:                            25,
		`user.accountEnabled -eq "yes"`:                       25,
		`user.accountEnabled -startsWith "t"`:                 21,
		`user.department -any (_ -eq "x")`:                    17,
		`user.otherMails -any (user.mail -eq "x")`:            23,
		`user.assignedPlans -eq "x"`:                          20,
		`user.assignedPlans -any (assignedPlan.nope -eq "x")`: 26,
		`user.employeeHireDate -startsWith "2"`:               23,
		`user.employeeHireDate -eq system.now -plus 5`:        44,
		`user.employeeHireDate -le null`:                      27,
		`Direct Reports for "x"`:                              20,
		`user.memberOf -any (group.objectId -in [])`:          41,
		`user.department -eq "x" & user.city -eq "y"`:         25,
		`-not null`:                      6,
		strings.Repeat("(", 200) + "x":   101,
		strings.Repeat("a", MaxLength+1): MaxLength + 1,
		`user.city -match "` + strings.Repeat("a", MaxPattern+1) + `"`: 18,
	} {
		_, err := Parse(rule)
		var wrong *SyntaxError
		if !errors.As(err, &wrong) || wrong.At != at {
			t.Errorf("%.60s: %v, want a mistake at %d", rule, err, at)
		}
	}
}

func TestRuleSaysWhatItReads(t *testing.T) {
	r, err := Parse(`user.City -eq "x" -or user.city -eq "y" -and user.employeeHireDate -ge system.now -and ` + extension2("-eq", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []Property{"city", "employeeHireDate", Property(extension)}; !slices.Equal(r.Properties, want) {
		t.Errorf("Properties = %v, want %v", r.Properties, want)
	}
	if !r.ByTime || !slices.Equal(r.Extensions(), []string{extension}) {
		t.Errorf("ByTime = %v, Extensions = %v", r.ByTime, r.Extensions())
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`user.department -eq "sales"`, `user.otherMails -any (_ -endsWith "@x.com")`, `Direct Reports for "x"`,
		`user.employeeHireDate -le system.now -plus P1D`, `user.memberOf -any (group.objectId -in ['x'])`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		r, err := Parse(source)
		var wrong *SyntaxError
		switch {
		case err == nil:
			r.Match(sales, now)
			r.Match(member, now)
			r.Match(hired, now)
		case !errors.As(err, &wrong):
			t.Errorf("%q: %T", source, err)
		case wrong.At < 1 || wrong.At > len([]rune(source))+1:
			t.Errorf("%q: mistake at %d", source, wrong.At)
		}
	})
}

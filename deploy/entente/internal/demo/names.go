package demo

import (
	"fmt"
	"strings"
)

// memberCount is how many members Contoso has beside its administrator.
const memberCount = 200

var (
	givenNames = []string{"Anna", "Bram", "Chidi", "Daria", "Emil", "Fatima", "Goran", "Hanna", "Ivo", "Jasmin",
		"Kofi", "Lena", "Mateo", "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Sven", "Tomoko"}
	surnames    = []string{"Visser", "Okafor", "Lindqvist", "Moreau", "Silva", "Tanaka", "Novak", "Haddad", "Berg", "Costa"}
	departments = []string{"Engineering", "Sales", "Finance", "Marketing", "Support"}
	titles      = map[string]string{"Engineering": "Engineer", "Sales": "Account Manager", "Finance": "Controller",
		"Marketing": "Campaign Planner", "Support": "Support Agent"}
)

// person is a member of Contoso before it is made.
type person struct {
	number     int
	given      string
	surname    string
	department string
	title      string
	// manager is the number of the person this one reports to, -1 for the
	// heads of the departments.
	manager int
}

// people answers the members in a fixed order: the same at every run, so that
// a second run finds what the first one made. Every name occurs once.
func people() []person {
	out := make([]person, memberCount)
	for i := range out {
		d := departments[i%len(departments)]
		out[i] = person{
			number: i, given: givenNames[i%len(givenNames)], surname: surnames[i/len(givenNames)],
			department: d, title: titles[d], manager: managerOf(i),
		}
		if out[i].manager < 0 {
			out[i].title = "Head of " + d
		}
	}
	return out
}

// managerOf makes a tree per department: its first person leads it, the next
// four report to that one, and everybody else to one of the four.
func managerOf(i int) int {
	n := len(departments)
	department, rank := i%n, i/n
	switch {
	case rank == 0:
		return -1
	case rank <= 4:
		return department
	}
	return department + n*(1+rank%4)
}

func (p person) nickname() string { return strings.ToLower(p.given + "." + p.surname) }

func (p person) upn(domain string) string { return p.nickname() + "@" + domain }

// user is the person as Graph creates it.
func (p person) user(domain, password string) map[string]any {
	return map[string]any{
		"accountEnabled":    true,
		"displayName":       p.given + " " + p.surname,
		"givenName":         p.given,
		"surname":           p.surname,
		"mailNickname":      p.nickname(),
		"mail":              p.upn(domain),
		"userPrincipalName": p.upn(domain),
		"department":        p.department,
		"jobTitle":          p.title,
		"companyName":       "Contoso",
		"employeeId":        fmt.Sprintf("C%04d", p.number+1),
		"officeLocation":    fmt.Sprintf("Floor %d", 1+p.number%6),
		"usageLocation":     "NL",
		"preferredLanguage": "en",
		"passwordProfile":   map[string]any{"password": password, "forceChangePasswordNextSignIn": true},
	}
}

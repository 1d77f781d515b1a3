package demo

import (
	"testing"
)

func TestEveryMemberHasANameOfItsOwnAndADepartment(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	perDepartment := make(map[string]int)
	for _, p := range people() {
		upn := p.upn("contoso.example")
		if seen[upn] {
			t.Errorf("%s occurs twice", upn)
		}
		seen[upn] = true
		perDepartment[p.department]++
	}
	if len(seen) != 200 || len(perDepartment) != 5 {
		t.Errorf("%d members in %d departments", len(seen), len(perDepartment))
	}
}

func TestManagersFormATreeWithinEachDepartment(t *testing.T) {
	t.Parallel()
	all, heads := people(), 0
	for i, p := range all {
		if p.manager < 0 {
			heads++
			continue
		}
		if boss := all[p.manager]; boss.department != p.department {
			t.Errorf("%d of %s reports to %s", i, p.department, boss.department)
		}
		steps := 0
		for at := i; at >= 0; at = all[at].manager {
			if steps++; steps > 3 {
				t.Fatalf("%d is more than two steps below a head", i)
			}
		}
	}
	if heads != len(departments) {
		t.Errorf("%d heads", heads)
	}
}

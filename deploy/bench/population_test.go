package main

import (
	"strings"
	"testing"
)

func TestPopulationNamesUsersThatExist(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{300, 1000, 1_000_000} {
		p := population{prototype: "0190a5b0-0000-7000-8000-00000000abcd", size: size}
		for n := range int64(10_000) {
			if u := p.any(n); u < 1 || u > size {
				t.Fatalf("of %d users number %d was asked for", size, u)
			}
			// A department is complete when all its hundred numbers are in use.
			if d := p.department(n); d < 1 || d*ofDepartment+ofDepartment-1 > size {
				t.Fatalf("of %d users department %d was asked for", size, d)
			}
		}
	}
}

func TestFilterIsAPath(t *testing.T) {
	t.Parallel()
	got := filter("department eq '%s'", "a & b+c")
	if got != "/v1.0/users?$top=100&$filter=department%20eq%20%27a%20%26%20b%2Bc%27" {
		t.Error(got)
	}
	if strings.Contains(got, "+") {
		t.Errorf("a plus sign may be read as itself: %s", got)
	}
}

func TestSpaced(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1_000_000: "1 000 000", 12_034: "12 034"} {
		if got := spaced(n); got != want {
			t.Errorf("spaced(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPickTakesOperationsByName(t *testing.T) {
	t.Parallel()
	f := &fixture{options: options{only: "gRPC"}}
	got := f.pick([]operation{{name: "get user, REST"}, {name: "get user, gRPC"}})
	if len(got) != 1 || got[0].name != "get user, gRPC" {
		t.Errorf("picked %v", got)
	}
}

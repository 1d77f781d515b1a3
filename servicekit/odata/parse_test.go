package odata

import (
	"strings"
	"testing"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/go-cmp/cmp"
)

func eq(path, value string) Compare { return Compare{strings.Split(path, "/"), Eq, Value{Text, value}} }

func TestParseFilter(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Expr{
		"  ":                                 nil,
		"displayName eq 'O''Neil'":           eq("displayName", "O'Neil"),
		"displayName EQ 'a' AND mail eq 'b'": And{eq("displayName", "a"), eq("mail", "b")},
		"a eq '1' or b eq '2' and c eq '3'":  Or{eq("a", "1"), And{eq("b", "2"), eq("c", "3")}},
		"a eq '1' and b eq '2' or c eq '3'":  Or{And{eq("a", "1"), eq("b", "2")}, eq("c", "3")},
		"not a eq '1' and b eq '2'":          And{Not{eq("a", "1")}, eq("b", "2")},
		"NOT(a eq '1' OR b eq '2')":          Not{Or{eq("a", "1"), eq("b", "2")}},
		"startsWith(displayName, 'p')":       Call{StartsWith, Path{"displayName"}, "p"},
		"ENDSWITH(mail,'x') eq true":         Call{EndsWith, Path{"mail"}, "x"},
		"contains(mail,'x') eq false":        Not{Call{Contains, Path{"mail"}, "x"}},
		"mail ne null":                       Compare{Path{"mail"}, Ne, Value{Null, ""}},
		"accountEnabled eq True":             Compare{Path{"accountEnabled"}, Eq, Value{Bool, "true"}},
		"createdDateTime ge 2024-01-02T03:04:05.6Z": Compare{Path{"createdDateTime"}, Ge,
			Value{Bare, "2024-01-02T03:04:05.6Z"}},
		"id eq abcdef00-0000-4000-8000-000000000000": Compare{Path{"id"}, Eq, Value{Bare, "abcdef00-0000-4000-8000-000000000000"}},
		"count le -5":                               Compare{Path{"count"}, Le, Value{Bare, "-5"}},
		"department in ('A', 'B')":                  In{Path{"department"}, []Value{{Text, "A"}, {Text, "B"}}},
		"identities/any()":                          Any{Path: Path{"identities"}},
		"otherMails/any(x:x eq 'a')":                Any{Path{"otherMails"}, Compare{Path{}, Eq, Value{Text, "a"}}},
		"not (otherMails/ANY(m:startswith(m,'a')))": Not{Any{Path{"otherMails"}, Call{StartsWith, Path{}, "a"}}},
		"identities/any(c:c/issuerAssignedId eq 'v' and c/issuer eq 'i')": Any{Path{"identities"},
			And{eq("issuerAssignedId", "v"), eq("issuer", "i")}},
		"status/errorCode eq 0":         Compare{Path{"status", "errorCode"}, Eq, Value{Bare, "0"}},
		"members/$count eq 0":           Compare{Path{"members", "$count"}, Eq, Value{Bare, "0"}},
		"initiatedBy/user/id eq '1'":    eq("initiatedBy/user/id", "1"),
		"mail eq '" + "ünï\tcode" + "'": eq("mail", "ünï\tcode"),
	} {
		got, err := ParseFilter(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

func TestParseFilterRefuses(t *testing.T) {
	t.Parallel()
	guid := "'abcdef00-0000-4000-8000-000000000000'"
	for in, reason := range map[string]errorspb.Reason{
		"displayName":                        errorspb.Reason_BAD_REQUEST,
		"displayName eq":                     errorspb.Reason_BAD_REQUEST,
		"displayName eq 'a":                  errorspb.Reason_BAD_REQUEST,
		"displayName eq 'a' 'b'":             errorspb.Reason_BAD_REQUEST,
		"displayName eq \"a\"":               errorspb.Reason_BAD_REQUEST,
		"(displayName eq 'a'":                errorspb.Reason_BAD_REQUEST,
		"displayName eq 'a')":                errorspb.Reason_BAD_REQUEST,
		"eq eq eq":                           errorspb.Reason_BAD_REQUEST,
		"a eq 'x' and":                       errorspb.Reason_BAD_REQUEST,
		"a in ()":                            errorspb.Reason_BAD_REQUEST,
		"x/any(y:z eq 'a')":                  errorspb.Reason_BAD_REQUEST,
		"startswith(a)":                      errorspb.Reason_BAD_REQUEST,
		"startswith(a, b)":                   errorspb.Reason_BAD_REQUEST,
		"a eq 'x'; drop table users":         errorspb.Reason_BAD_REQUEST,
		"a eq '\x00'":                        errorspb.Reason_BAD_REQUEST,
		"a eq '\xff'":                        errorspb.Reason_BAD_REQUEST,
		"members/all(m:m eq 'x')":            errorspb.Reason_UNSUPPORTED_QUERY,
		"substringof('a', b)":                errorspb.Reason_UNSUPPORTED_QUERY,
		"a has 'x'":                          errorspb.Reason_UNSUPPORTED_QUERY,
		"a eq '" + strings.Repeat("x", 2048): errorspb.Reason_BAD_REQUEST,
		strings.Repeat("(", 9) + "a eq 'x'" + strings.Repeat(")", 9): errorspb.Reason_BAD_REQUEST,
		strings.Repeat("not ", 9) + "a eq 'x'":                       errorspb.Reason_BAD_REQUEST,
		"a eq 1" + strings.Repeat(" or a eq 1", 100):                 errorspb.Reason_BAD_REQUEST,
		"a in (1" + strings.Repeat(",1", 100) + ")":                  errorspb.Reason_BAD_REQUEST,
		"a in (" + guid + strings.Repeat(","+guid, 100) + ")":        errorspb.Reason_BAD_REQUEST,
	} {
		if e, err := ParseFilter(in); !fault.Is(err, reason) {
			t.Errorf("%.60s: %v, %v", in, e, err)
		}
	}
	for _, in := range []string{
		"a eq 1" + strings.Repeat(" or a eq 1", 99),
		"id in (" + guid + strings.Repeat(", "+guid, 99) + ")",
		"id eq " + guid + strings.Repeat(" or id eq "+guid, 49),
		strings.Repeat("(", 8) + "a eq 'x'" + strings.Repeat(")", 8),
	} {
		if _, err := ParseFilter(in); err != nil {
			t.Errorf("%.60s: %v", in, err)
		}
	}
}

func TestParseOrderBy(t *testing.T) {
	t.Parallel()
	got, err := ParseOrderBy("displayName DESC, a/b")
	want := []OrderKey{{Path{"displayName"}, true}, {Path{"a", "b"}, false}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, in := range []string{"a up", "a asc desc", ",", "a;b", "1"} {
		if _, err := ParseOrderBy(in); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestParseSearch(t *testing.T) {
	t.Parallel()
	a, b, c := SearchTerm{"displayName", "one two"}, SearchTerm{"mail", `x"y`}, SearchTerm{"mail", "z"}
	for in, want := range map[string]Search{
		"":                      nil,
		`"displayName:one two"`: a,
		`"displayName:one two" OR "mail:x\"y" AND "mail:z"`:   SearchOr{a, SearchAnd{b, c}},
		`("displayName:one two" OR "mail:x\"y") AND "mail:z"`: SearchAnd{SearchOr{a, b}, c},
	} {
		got, err := ParseSearch(in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %s %v", in, diff, err)
		}
	}
	for _, in := range []string{"displayName:one", `"one"`, `"displayName:"`, `"a:b" and "c:d"`, `("a:b"`, `"a:b" "c:d"`} {
		if _, err := ParseSearch(in); !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestSearchTokens(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"One Video":    {"one", "video"},
		"OneVideo":     {"one", "video", "onevideo"},
		"Team-42b_X":   {"team", "42", "b", "x", "team42bx"},
		"  -- ":        nil,
		"ÄrgerÜber 7":  {"ärger", "über", "ärgerüber", "7"},
		"ACME acme":    {"acme"},
		"self-service": {"self", "service", "selfservice"},
	} {
		if diff := cmp.Diff(want, SearchTokens(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"displayName eq 'O''Neil' and not (mail in ('a','b'))", "otherMails/any(x:startswith(x,'a'))",
		"identities/any(c:c/issuerAssignedId eq 'v' and c/issuer eq 'i')", "createdDateTime ge 2024-01-02T03:04:05Z or id eq null",
		"((((((((a eq 1))))))))", "x/any(", "a/b/$count ne 1", "'", "not", "in(", "a in ('", "//", "x:x"} {
		f.Add(seed)
	}
	md := (&directorypb.User{}).ProtoReflect().Descriptor()
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseFilter(s)
		if err != nil {
			if k := fault.From(err).Kind; k != fault.KindInvalid {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		sql, err := Compile(md, userColumns(), e, true)
		if err != nil {
			if k := fault.From(err).Kind; k != fault.KindInvalid {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if n := strings.Count(sql.Text, "?"); n != len(sql.Args) {
			t.Fatalf("%q: %d placeholders, %d arguments", s, n, len(sql.Args))
		}
		if strings.ContainsAny(sql.Text, "'\";\\") || strings.Count(sql.Text, "(") != strings.Count(sql.Text, ")") {
			t.Fatalf("%q: client text in %s", s, sql.Text)
		}
	})
}

func FuzzSearch(f *testing.F) {
	f.Add(`"displayName:one" AND ("mail:x" OR "mail:y")`)
	f.Add(`"a:\"`)
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := ParseSearch(s); err != nil && !fault.Is(err, errorspb.Reason_BAD_REQUEST) {
			t.Fatal(err)
		}
	})
}

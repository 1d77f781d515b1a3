package expression

import (
	"crypto/rand"
	"encoding/json"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// object is a source object for tests.
type object map[string]Value

func (o object) Attribute(name string) Value { return o[name] }

func toValue(v any) Value {
	switch v := v.(type) {
	case string:
		return TextValue(v)
	case bool:
		return BooleanValue(v)
	case float64:
		return DecimalValue(v)
	case []any:
		var list []string
		for _, e := range v {
			list = append(list, e.(string))
		}
		return ListValue(list)
	}
	return NullValue
}

func TestVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Expression, Outcome string
		Source                    map[string]any
		Taken                     []string
		Clock                     time.Time
		Want                      any
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 131 {
		t.Fatalf("only %d vectors", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			program, err := ParseAndCompile(c.Expression)
			if err != nil {
				t.Fatal(err)
			}
			env := &Env{Source: object{}, Now: c.Clock, Random: rand.Reader, Taken: func(v string) bool {
				for _, taken := range c.Taken {
					if taken == v {
						return true
					}
				}
				return false
			}}
			source := object{}
			for k, v := range c.Source {
				source[k] = toValue(v)
				if k == "appRoleAssignments" {
					for _, name := range source[k].List() {
						env.Roles = append(env.Roles, Role{DisplayName: name})
					}
				}
			}
			env.Source = source
			got, err := program.Eval(env)
			switch {
			case c.Outcome == "error":
				if err == nil {
					t.Errorf("%s = %q, want an evaluation error", c.Expression, got)
				}
				return
			case err != nil:
				t.Fatal(err)
			case c.Outcome == "dropped":
				if got.Kind() != Dropped {
					t.Errorf("%s = %v, want it dropped", c.Expression, got)
				}
				return
			}
			var shown any
			switch got.Kind() {
			case Null:
			case List:
				list := []any{}
				for _, s := range got.List() {
					list = append(list, s)
				}
				shown = list
			default:
				shown = got.String()
			}
			if diff := cmp.Diff(c.Want, shown); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.Expression, diff)
			}
		})
	}
}

func evaluate(t *testing.T, text string, env *Env) (Value, error) {
	t.Helper()
	program, err := ParseAndCompile(text)
	if err != nil {
		t.Fatal(err)
	}
	if env == nil {
		env = &Env{}
	}
	env.Random = rand.Reader
	return program.Eval(env)
}

func TestRandomFunctionsKeepTheirPromises(t *testing.T) {
	t.Parallel()
	count := func(s, set string) (n int) {
		for _, c := range s {
			if strings.ContainsRune(set, c) {
				n++
			}
		}
		return n
	}
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for range 200 {
		first, err := evaluate(t, "Guid()", nil)
		if err != nil {
			t.Fatal(err)
		}
		second, _ := evaluate(t, "Guid()", nil)
		if !form.MatchString(first.String()) || first.Equal(second) {
			t.Fatalf("P1: Guid gave %s, then %s", first, second)
		}
		v, err := evaluate(t, "RandomString(6,3,0,0,3)", nil)
		if err != nil {
			t.Fatal(err)
		}
		if s := v.String(); len(s) != 6 || count(s, digits) != 3 || count(s, lowers) != 3 {
			t.Fatalf("P2: RandomString(6,3,0,0,3) gave %q", s)
		}
		v, err = evaluate(t, `RandomString(10,2,2,2,1,"?,")`, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s := v.String(); len(s) != 10 || count(s, digits) < 2 || count(s, specials) < 2 || count(s, capitals) < 2 || count(s, lowers) < 1 || count(s, "?,") > 0 {
			t.Fatalf("P3: RandomString gave %q", s)
		}
	}
	if _, err := evaluate(t, "RandomString(3,2,1,1,0)", nil); err == nil {
		t.Error("P4: an impossible RandomString succeeded")
	}
}

func TestRedactedExpressionsAreMarked(t *testing.T) {
	t.Parallel()
	n, err := Parse("Redact(RandomString(6,3,0,0,3))")
	if err != nil {
		t.Fatal(err)
	}
	if !n.Redacted() || !n.Volatile() {
		t.Error("P5: the expression is not marked as redacted and volatile")
	}
	if v, err := evaluate(t, n.String(), nil); err != nil || len(v.String()) != 6 {
		t.Errorf("P5: the value does not flow: %v, %v", v, err)
	}
}

func TestComplexRolesAreJSONTexts(t *testing.T) {
	t.Parallel()
	env := &Env{Roles: []Role{{ID: "1", Value: "a", DisplayName: "A"}, {ID: "2", Value: "b", DisplayName: "B"}}}
	v, err := evaluate(t, "AppRoleAssignmentsComplex([appRoleAssignments])", env)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"id":"1","value":"a","displayName":"A"}`, `{"id":"2","value":"b","displayName":"B"}`}
	if diff := cmp.Diff(want, v.List()); diff != "" {
		t.Errorf("P6 (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	nested := strings.Repeat("Not(", 33) + `"x"` + strings.Repeat(")", 33)
	cases := []struct{ name, text, says string }{
		{"an unknown function with the nearest name", `Joyn("a","b")`, "Join"},
		{"a lone backslash with a hint", `Replace([m], , "\d+", , "x", , )`, `\\d`},
		{"an operator between texts", `Append("a" & "b", "c")`, "operators"},
		{"a plus sign", `Append("a" + "b", "c")`, "operators"},
		{"apostrophes", `Append('a', "b")`, "double quotes"},
		{"a bare word", `displayName`, "[displayName]"},
		{"too few arguments", `Append("a")`, "takes 2"},
		{"too many arguments", `Append("a","b","c")`, "takes 2"},
		{"a missing required argument", `Append(,"b")`, "argument 1"},
		{"an odd Switch", `Switch([a],"d","k")`, "pairs"},
		{"a comparison outside IIF", `Append([a] = "b", "c")`, "IIF and CBool"},
		{"an unknown culture", `ToUpper([a], "x_!")`, "culture"},
		{"an unknown interval", `DateAdd("q", 1, [d])`, "interval"},
		{"look-ahead", `Replace([a], , "(?=x)y", , "z", , )`, "look-around"},
		{"a Replace that fits no mode", `Replace([a], "x", , , , , )`, "five modes"},
		{"an unclosed call", `Append("a", "b"`, ")"},
		{"an unclosed text", `Append("a, "b")`, ""},
		{"33 levels", nested, "32"},
		{"10 001 characters", `"` + strings.Repeat("x", 9_999) + `"`, "10000"},
		{"nothing", ``, "missing"},
		{"text after the end", `"a" "b"`, "after"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.text)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not mention %q", err, c.says)
			}
		})
	}
	if _, err := Parse(`"` + strings.Repeat("x", 9_998) + `"`); err != nil {
		t.Errorf("10 000 characters refused: %v", err)
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	t.Parallel()
	doubling := `[a]`
	for range 20 {
		doubling = "Append(" + doubling + "," + doubling + ")"
		if len(doubling) > MaxLength {
			break
		}
	}
	env := &Env{Source: object{"a": TextValue(strings.Repeat("x", 60_000))}}
	for name, text := range map[string]string{
		"Append":  `Append([a], [a])`,
		"Join":    `Join(",", [a], [a])`,
		"Replace": `Replace([a], "x", , , "yyyyyyyy", , )`,
		"pattern": `Replace([a], , "x*?", , "yyyyyyyy", , )`,
	} {
		if _, err := evaluate(t, text, env); err == nil || !strings.Contains(err.Error(), "64 KiB") {
			t.Errorf("%s: error %v, want the output limit", name, err)
		}
	}
}

func TestPrintedTreeParsesToItself(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ Expression string }
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		checkPrinting(t, c.Expression)
	}
}

func checkPrinting(t *testing.T, text string) {
	t.Helper()
	first, err := Parse(text)
	if err != nil {
		return
	}
	second, err := Parse(first.String())
	if err != nil {
		t.Fatalf("%q printed as %q does not parse: %v", text, first, err)
	}
	if first.String() != second.String() {
		t.Fatalf("%q printed as %q, then as %q", text, first, second)
	}
}

func FuzzExpression(f *testing.F) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []struct{ Expression string }
	if err := json.Unmarshal(raw, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(c.Expression, "some text")
	}
	f.Fuzz(func(t *testing.T, expression, value string) {
		checkPrinting(t, expression)
		program, err := ParseAndCompile(expression)
		if err != nil {
			return
		}
		source := object{}
		for _, name := range program.Tree().Attributes() {
			source[name] = TextValue(value)
		}
		env := &Env{Source: source, Now: time.Unix(1_700_000_000, 0), Random: rand.Reader}
		if v, err := program.Eval(env); err == nil && len(v.String()) > MaxOutput+MaxLength+len(value) {
			t.Errorf("%q gave %d bytes", expression, len(v.String()))
		}
	})
}

func TestDateDifferenceAgreesWithAddition(t *testing.T) {
	t.Parallel()
	base := time.Date(2021, 8, 18, 0, 0, 0, 0, time.UTC)
	for range 300 {
		n, err := rand.Int(rand.Reader, big.NewInt(100_000))
		if err != nil {
			t.Fatal(err)
		}
		days := int(n.Int64()) - 50_000
		env := &Env{Source: object{"from": DateTimeValue(base), "to": DateTimeValue(base.AddDate(0, 0, days))}}
		v, err := evaluate(t, `DateDiff("d", [from], [to])`, env)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := v.Int(); got != int64(days) {
			t.Fatalf("DateDiff over %d days gave %d", days, got)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	program, err := ParseAndCompile(`ToLower(Join("@", NormalizeDiacritics(StripSpaces(Join(".", [f], [l]))), "contoso.com"))`)
	if err != nil {
		b.Fatal(err)
	}
	env := &Env{Source: object{"f": TextValue("Zoë"), "l": TextValue("Smith")}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := program.Eval(env); err != nil {
			b.Fatal(err)
		}
	}
}

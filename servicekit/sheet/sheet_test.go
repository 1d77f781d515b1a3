package sheet_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/sheet"
)

var columns = []sheet.Column{{Title: "Name", Property: "name", Required: true}, {Title: "Key", Property: "key", Secret: true}, {Title: "Town", Property: "town", Unasked: true}}

func TestFilesAreReadByTheirHeadings(t *testing.T) {
	t.Parallel()
	exact := sheet.Format{Columns: columns, MaxBytes: 1 << 10, MaxRows: 3}
	loose := exact
	loose.ByProperty = true
	const head = "version:v1.0\nName [name] Required,Key [key]\n"
	if got := string(exact.Template()); got != head {
		t.Errorf("template %q", got)
	}
	for _, c := range []struct {
		name, file string
		format     sheet.Format
		want       []sheet.Row // nil where the file is refused
		problem    string
	}{
		{"the template as it is", head, exact, []sheet.Row{}, ""},
		{"a mark at the beginning and commas behind the version", "\xef\xbb\xbfversion:v1.0,,\nName [name] Required\na\n", exact, []sheet.Row{{3, []string{"a", "", ""}}}, ""},
		{"quotes, and columns in another order with one that nobody knows", "version:v1.0\nBadge,Town [town],Name [name] Required\n1,\"x, y\n\"\"z\"\"\",b\n", exact,
			[]sheet.Row{{3, []string{"b", "", "x, y\n\"z\""}}}, ""},
		{"the example is skipped and counts", head + "Example: a,b\nc,d\n", exact, []sheet.Row{{4, []string{"c", "d", ""}}}, ""},
		{"a short row", head + "a\n", exact, []sheet.Row{{3, []string{"a", "", ""}}}, ""},
		{"nothing", "", exact, nil, "row 1: the first row"},
		{"no version", "Name [name] Required\na\n", exact, nil, "row 1: the first row"},
		{"no headings", "version:v1.0\n", exact, nil, "row 2: the headings are missing"},
		{"a required column is missing", "version:v1.0\nKey [key]\n", exact, nil, "row 2: the heading 'Name [name] Required' is missing"},
		{"a changed title", "version:v1.0\nFull name [name] Required\n", exact, nil, "must be 'Name [name] Required'"},
		{"a changed title where the property counts", "version:v1.0\nFull name [name]\na\n", loose, []sheet.Row{{3, []string{"a", "", ""}}}, ""},
		{"a title without its property", "version:v1.0\nName [name],Key\na,b\n", loose, nil, "the heading 'Key' must be"},
		{"a property in other letters", "version:v1.0\nName [NAME]\na\n", loose, nil, "must be 'Name [name] Required'"},
		{"a property twice", "version:v1.0\nName [name],Other [name]\na,b\n", loose, nil, "twice"},
		{"an open quote", head + "\"a\n", exact, nil, "row 3: the row is not valid CSV"},
		{"not UTF-8", head + "\xff\n", exact, nil, "not UTF-8"},
		{"a NUL", head + "a\x00\n", exact, nil, "not UTF-8 text"},
		{"too many rows", head + "a\nb\nc\nd\n", exact, nil, "row 6: a file has at most 3 rows"},
		{"too many bytes", head + strings.Repeat("a", 1<<10), exact, nil, "larger than"},
	} {
		got, err := c.format.Parse([]byte(c.file))
		if c.want == nil {
			if !fault.Is(err, errorspb.Reason_PROPERTY_INVALID) || !strings.Contains(fault.From(err).Message, c.problem) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || len(got) != len(c.want) || len(got) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func TestRefusalsTellRows(t *testing.T) {
	t.Parallel()
	var problems []sheet.Problem
	for i := range 30 {
		problems = append(problems, sheet.Problem{Row: i + 3, Text: "no"})
	}
	message := fault.From(sheet.Refuse(problems...)).Message
	if !strings.Contains(message, "row 3: no; row 4: no;") || strings.Contains(message, "row 23") || !strings.HasSuffix(message, "; 10 more rows.") {
		t.Error(message)
	}
}

func TestResultsShowNoSecretsAndNoFormulas(t *testing.T) {
	t.Parallel()
	r := sheet.NewResults(columns)
	r.Add(sheet.Result{Values: []string{"=1+1", "secret", "a\"b"}, Status: "Failure", Code: "c", Message: "@x", ID: "i"})
	const want = "Name [name],Town [town],Status,Error code,Error message,Object ID\n'=1+1,\"a\"\"b\",Failure,c,'@x,i\n"
	if got := string(r.Take()); got != want {
		t.Errorf("%q", got)
	}
	if got := r.Take(); len(got) != 0 {
		t.Errorf("%q again", got)
	}
	if got := fmt.Sprint(sheet.Cell(-1), sheet.Cell("a"), sheet.Cell("")); got != "'-1a" {
		t.Error(got)
	}
}

package bulk

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"entente.dev/directory-svc/internal/property"
)

// Limits of DIR-215.
const (
	MaxBytes = 20 << 20
	MaxRows  = 50_000
)

// Kind is what a bulk operation does.
type Kind string

// The kinds.
const (
	CreateUsers   Kind = "createUsers"
	DeleteUsers   Kind = "deleteUsers"
	RestoreUsers  Kind = "restoreUsers"
	ExportUsers   Kind = "exportUsers"
	ImportMembers Kind = "importMembers"
	RemoveMembers Kind = "removeMembers"
)

// Column is one column of a file.
type Column struct {
	Title, Property string
	Required        bool
	// Secret columns never come back in results.
	Secret bool
}

// heading is how the second row names the column.
func (c Column) heading() string {
	h := c.Title + " [" + c.Property + "]"
	if c.Required {
		h += " Required"
	}
	return h
}

// columns of the kinds that read a file.
var columns = map[Kind][]Column{
	CreateUsers: {
		{Title: "Name", Property: "displayName", Required: true}, {Title: "User name", Property: "userPrincipalName", Required: true},
		{Title: "Initial password", Property: "passwordProfile", Required: true, Secret: true}, {Title: "Block sign in (Yes/No)", Property: "accountEnabled", Required: true},
		{Title: "First name", Property: "givenName"}, {Title: "Last name", Property: "surname"}, {Title: "Job title", Property: "jobTitle"},
		{Title: "Department", Property: "department"}, {Title: "Usage location", Property: "usageLocation"}, {Title: "Street address", Property: "streetAddress"},
		{Title: "State or province", Property: "state"}, {Title: "Country or region", Property: "country"}, {Title: "Office", Property: "physicalDeliveryOfficeName"},
		{Title: "City", Property: "city"}, {Title: "ZIP or postal code", Property: "postalCode"}, {Title: "Office phone", Property: "telephoneNumber"},
		{Title: "Mobile phone", Property: "mobile"},
	},
	DeleteUsers:   {{Title: "User name", Property: "userPrincipalName", Required: true}},
	RestoreUsers:  {{Title: "Object ID", Property: "objectId", Required: true}},
	ImportMembers: {{Title: "Member object ID or user principal name", Property: "memberObjectIdOrUpn", Required: true}},
	RemoveMembers: {{Title: "Member object ID or user principal name", Property: "memberObjectIdOrUpn", Required: true}},
}

// Columns are those of a kind; none for exports, which read no file.
func (k Kind) Columns() []Column { return columns[k] }

// Known reports whether the kind exists.
func (k Kind) Known() bool { return k == ExportUsers || len(columns[k]) > 0 }

// OfGroup reports whether the operation is about one group.
func (k Kind) OfGroup() bool { return k == ImportMembers || k == RemoveMembers }

// Stage is a moment of an operation that the audit log tells (DIR-218).
type Stage string

// The stages.
const (
	Started  Stage = "started"
	Finished Stage = "finished"
	Canceled Stage = "canceled"
)

var activities = map[Kind]string{
	CreateUsers:   "Bulk create users",
	DeleteUsers:   "Bulk delete users",
	RestoreUsers:  "Bulk restore deleted users",
	ExportUsers:   "Download users",
	ImportMembers: "Bulk import group members",
	RemoveMembers: "Bulk remove group members",
}

// Activity is how the audit log names a stage of an operation, with its
// category.
func (k Kind) Activity(s Stage) (activity, category string) {
	category = "UserManagement"
	if k.OfGroup() {
		category = "GroupManagement"
	}
	return activities[k] + " - " + string(s) + " (bulk)", category
}

const (
	version = "version:v1.0"
	example = "Example:"
)

// Template is the file to fill in.
func (k Kind) Template() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	headings := make([]string, len(columns[k]))
	for i, c := range columns[k] {
		headings[i] = c.heading()
	}
	_ = w.Write([]string{version}) // writes to memory do not fail
	_ = w.Write(headings)
	w.Flush()
	return b.Bytes()
}

// Row is one line of a file: its number there, from 1, and the values in the
// order of the kind's columns.
type Row struct {
	Number int
	Values []string
}

// Parse reads a file. Any mistake in its form refuses the whole file, with the
// number of the row (DIR-216).
func Parse(k Kind, content []byte) ([]Row, error) {
	if len(content) > MaxBytes {
		return nil, refused(0, "the file is larger than %d MB", MaxBytes>>20)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(content) {
		return nil, refused(0, "the file is not UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord = -1
	first, err := r.Read()
	if err != nil || len(first) == 0 || strings.TrimSpace(first[0]) != version {
		return nil, refused(1, "the first row must be %s", version)
	}
	headings, err := r.Read()
	if err != nil {
		return nil, refused(2, "the headings are missing")
	}
	places, err := places(k, headings)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for number := 3; ; number++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, refused(number, "the row is not valid CSV")
		}
		if number == 3 && strings.HasPrefix(record[0], example) {
			continue
		}
		if len(rows) == MaxRows {
			return nil, refused(number, "a file has at most %d rows", MaxRows)
		}
		row := Row{number, make([]string, len(places))}
		for i, place := range places {
			if place >= 0 && place < len(record) {
				row.Values[i] = record[place]
			}
		}
		rows = append(rows, row)
	}
}

// places finds where in a record each column of the kind is; -1 for optional
// ones that the file leaves out. Columns of other names are ignored; a heading
// that is one of ours in part only was changed, and its values would be lost.
func places(k Kind, headings []string) ([]int, error) {
	for _, h := range headings {
		if c, ok := k.changed(strings.TrimSpace(h)); ok {
			return nil, refused(2, "the heading '%s' must be '%s'", strings.TrimSpace(h), c.heading())
		}
	}
	out := make([]int, len(columns[k]))
	for i, c := range columns[k] {
		out[i] = slices.IndexFunc(headings, func(h string) bool { return strings.TrimSpace(h) == c.heading() })
		if out[i] < 0 && c.Required {
			return nil, refused(2, "the heading '%s' is missing", c.heading())
		}
	}
	return out, nil
}

// changed finds the column whose title or property a heading names without
// being the heading of one.
func (k Kind) changed(heading string) (Column, bool) {
	if slices.ContainsFunc(columns[k], func(c Column) bool { return c.heading() == heading }) {
		return Column{}, false
	}
	title, rest, _ := strings.Cut(heading, "[")
	name, _, _ := strings.Cut(rest, "]")
	title, name = strings.TrimSpace(title), strings.TrimSpace(name)
	for _, c := range columns[k] {
		if strings.EqualFold(title, c.Title) || strings.EqualFold(name, c.Property) {
			return c, true
		}
	}
	return Column{}, false
}

func refused(row int, format string, args ...any) error {
	problem := fmt.Sprintf(format, args...)
	if row > 0 {
		problem = fmt.Sprintf("row %d: %s", row, problem)
	}
	return property.Refused("content", "The file is not valid: %s.", problem)
}

// Missing names the first required column of a row that has no value.
func (k Kind) Missing(values []string) (Column, bool) {
	for i, c := range columns[k] {
		if c.Required && values[i] == "" {
			return c, true
		}
	}
	return Column{}, false
}

// Result is the outcome of one row.
type Result struct {
	Values                    []string
	Status, Code, Message, ID string
}

// Results writes outcomes as CSV, without secrets.
type Results struct {
	kind Kind
	b    bytes.Buffer
	w    *csv.Writer
}

// NewResults begins with the headings.
func NewResults(k Kind) *Results {
	r := &Results{kind: k}
	r.w = csv.NewWriter(&r.b)
	r.write(func(c Column) string { return c.Title + " [" + c.Property + "]" }, []string{"Status", "Error code", "Error message", "Object ID"})
	return r
}

// Add writes one outcome.
func (r *Results) Add(o Result) {
	values := make(map[string]string, len(o.Values))
	for i, c := range columns[r.kind] {
		values[c.Property] = o.Values[i]
	}
	r.write(func(c Column) string { return values[c.Property] }, []string{o.Status, o.Code, o.Message, o.ID})
}

func (r *Results) write(cell func(Column) string, rest []string) {
	var record []string
	for _, c := range columns[r.kind] {
		if !c.Secret {
			record = append(record, harmless(cell(c)))
		}
	}
	for _, text := range rest {
		record = append(record, harmless(text))
	}
	_ = r.w.Write(record) // writes to memory do not fail
}

// harmless keeps spreadsheets from taking a cell for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// Take answers what was written since the last call.
func (r *Results) Take() []byte {
	r.w.Flush()
	out := bytes.Clone(r.b.Bytes())
	r.b.Reset()
	return out
}

// Cell writes a value of a property for a spreadsheet.
func Cell(value any) string { return harmless(fmt.Sprint(value)) }

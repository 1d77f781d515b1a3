package sheet

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
)

// Result is the outcome of one row.
type Result struct {
	Values                    []string
	Status, Code, Message, ID string
}

// Results writes outcomes as CSV, without secrets.
type Results struct {
	columns []Column
	b       bytes.Buffer
	w       *csv.Writer
}

// NewResults begins with the headings.
func NewResults(columns []Column) *Results {
	r := &Results{columns: columns}
	r.w = csv.NewWriter(&r.b)
	headings := make([]string, len(columns))
	for i, c := range columns {
		headings[i] = c.Title + " [" + c.Property + "]"
	}
	r.write(headings, "Status", "Error code", "Error message", "Object ID")
	return r
}

// Add writes one outcome.
func (r *Results) Add(o Result) { r.write(o.Values, o.Status, o.Code, o.Message, o.ID) }

func (r *Results) write(values []string, rest ...string) {
	var record []string
	for i, c := range r.columns {
		if !c.Secret {
			record = append(record, harmless(values[i]))
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

// Cell writes a value for a spreadsheet.
func Cell(value any) string { return harmless(fmt.Sprint(value)) }

package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Column is one column of a file.
type Column struct {
	Title, Property string
	Required        bool
	// Secret columns never come back in results.
	Secret bool
	// Unasked columns are read and not part of the template.
	Unasked bool
}

// Heading is how the second row names the column.
func (c Column) Heading() string {
	h := c.Title + " [" + c.Property + "]"
	if c.Required {
		h += " Required"
	}
	return h
}

// Format is a kind of file.
type Format struct {
	Columns           []Column
	MaxBytes, MaxRows int
	// ByProperty matches headings by the property in brackets alone; otherwise
	// the whole heading must be as in the template.
	ByProperty bool
}

const (
	version = "version:v1.0"
	example = "Example:"
)

// Template is the file to fill in.
func (f Format) Template() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	var headings []string
	for _, c := range f.Columns {
		if !c.Unasked {
			headings = append(headings, c.Heading())
		}
	}
	_ = w.Write([]string{version}) // writes to memory do not fail
	_ = w.Write(headings)
	w.Flush()
	return b.Bytes()
}

// Row is one line of a file: its number there, from 1, and the values in the
// order of the format's columns.
type Row struct {
	Number int
	Values []string
}

// Parse reads a file. Any mistake in its form refuses the whole file, with the
// number of the row. A third row that begins with `Example:` is skipped.
func (f Format) Parse(content []byte) ([]Row, error) {
	if len(content) > f.MaxBytes {
		return nil, refused(0, "the file is larger than %d MB", f.MaxBytes>>20)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 { // the store holds no NUL
		return nil, refused(0, "the file is not UTF-8 text")
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
	places, err := f.places(headings)
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
		if len(rows) == f.MaxRows {
			return nil, refused(number, "a file has at most %d rows", f.MaxRows)
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

// places finds where in a record each column is; -1 for optional ones that the
// file leaves out. Columns of other names are ignored; a heading that is one of
// ours in part only was changed, and its values would be lost.
func (f Format) places(headings []string) ([]int, error) {
	out := make([]int, len(f.Columns))
	for i := range out {
		out[i] = -1
	}
	for at, h := range headings {
		h = strings.TrimSpace(h)
		i, own := f.column(h)
		switch {
		case i < 0:
		case !own:
			return nil, refused(2, "the heading '%s' must be '%s'", h, f.Columns[i].Heading())
		case out[i] < 0:
			out[i] = at
		case f.ByProperty:
			return nil, refused(2, "the heading [%s] is there twice", f.Columns[i].Property)
		}
	}
	for i, c := range f.Columns {
		if out[i] < 0 && c.Required {
			return nil, refused(2, "the heading '%s' is missing", c.Heading())
		}
	}
	return out, nil
}

// column finds the column that a heading names, -1 for none; own is false where
// only the title or the property is that of the column.
func (f Format) column(heading string) (i int, own bool) {
	title, rest, _ := strings.Cut(heading, "[")
	name, _, _ := strings.Cut(rest, "]")
	title, name = strings.TrimSpace(title), strings.TrimSpace(name)
	is := func(c Column) bool { return c.Heading() == heading }
	if f.ByProperty {
		is = func(c Column) bool { return c.Property == name }
	}
	if i = slices.IndexFunc(f.Columns, is); i >= 0 {
		return i, true
	}
	return slices.IndexFunc(f.Columns, func(c Column) bool { return strings.EqualFold(title, c.Title) || strings.EqualFold(name, c.Property) }), false
}

// Missing names the first required column of a row that has no value.
func (f Format) Missing(values []string) (Column, bool) {
	for i, c := range f.Columns {
		if c.Required && values[i] == "" {
			return c, true
		}
	}
	return Column{}, false
}

// Problem is what is wrong with one row of a file, in words that go on after
// "row n: ".
type Problem struct {
	Row  int // 0 where it is about the file as a whole
	Text string
}

// shown is how many problems a refusal tells.
const shown = 20

// Refuse refuses a file for its problems, of which there is at least one.
func Refuse(problems ...Problem) error {
	var texts []string
	for _, p := range problems[:min(len(problems), shown)] {
		if p.Row > 0 {
			p.Text = fmt.Sprintf("row %d: %s", p.Row, p.Text)
		}
		texts = append(texts, p.Text)
	}
	if more := len(problems) - shown; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more rows", more))
	}
	return fault.Invalid(errorspb.Reason_PROPERTY_INVALID, "The file is not valid: %s.", strings.Join(texts, "; ")).WithMeta("property", "content")
}

func refused(row int, format string, args ...any) error {
	return Refuse(Problem{row, fmt.Sprintf(format, args...)})
}

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"entente.dev/deploy/entente/internal/graph"
)

// pageSize is the largest page of Graph's lists.
const pageSize = 999

// column shows one property of each object of a list.
type column struct{ title, property string }

// lister is the options that all lists have, and those that only queries have.
type lister struct {
	*form
	asJSON, all, advanced           bool
	limit                           int
	filter, search, fields, orderBy string
	columns                         []column
	// whole asks for objects as they come, where $select would lose their type
	// or is not known.
	whole bool
	// names replace ids in a table.
	names map[string]string
}

// newLister begins a list of these columns.
func newLister(name string, s Streams, columns ...column) *lister {
	l := &lister{form: newForm(name, s), columns: columns}
	l.fs.BoolVar(&l.asJSON, "json", false, "print JSON")
	return l
}

// paged adds the options of lists that come in pages.
func (l *lister) paged() *lister {
	l.fs.IntVar(&l.limit, "limit", 100, "how many to show")
	l.fs.BoolVar(&l.all, "all", false, "show all, however many")
	return l
}

// queried adds the options of lists that can be searched.
func (l *lister) queried() *lister {
	l.fs.StringVar(&l.filter, "filter", "", "only those that fit, such as \"startswith(displayName,'A')\"")
	l.fs.StringVar(&l.search, "search", "", "only those with these words in the name; \"property:words\" searches another one")
	l.fs.StringVar(&l.fields, "select", "", "properties to show, parted by commas")
	l.fs.StringVar(&l.orderBy, "orderby", "", "property to order by, such as \"displayName desc\"")
	l.fs.BoolVar(&l.advanced, "advanced", false, "ask as an advanced query (ConsistencyLevel: eventual), which some filters need")
	return l.paged()
}

// print reads the list at path and prints it.
func (l *lister) print(ctx context.Context, path string) error {
	if l.fs.Lookup("limit") != nil && l.limit < 1 {
		return usagef("--limit is at least 1")
	}
	query, header := l.query()
	if len(query) > 0 {
		// Graph takes + for itself in places; %20 is a blank everywhere.
		path += "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	limit := l.limit
	if l.all {
		limit = 0
	}
	page, err := graph.List[json.RawMessage](ctx, l.client, path, header, limit)
	if err != nil {
		return err
	}
	more := page.Next != ""
	if limit > 0 && len(page.Value) > limit {
		page.Value, more = page.Value[:limit], true
	}
	if l.asJSON {
		err = printJSON(l.s.Out, page.Value)
	} else {
		err = l.table(page.Value)
	}
	if err == nil && more {
		_, err = fmt.Fprintf(l.s.Err, "these are the first %d; --all shows all\n", len(page.Value))
	}
	return err
}

// query is the query of the list as the options ask.
func (l *lister) query() (url.Values, http.Header) {
	query, header := url.Values{}, http.Header{}
	if l.fields != "" {
		l.columns = nil
		for name := range strings.SplitSeq(l.fields, ",") {
			l.columns = append(l.columns, column{strings.TrimSpace(name), strings.TrimSpace(name)})
		}
	}
	for name, value := range map[string]string{"$filter": l.filter, "$orderby": l.orderBy, "$search": phrase(l.search)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if l.limit > 0 {
		query.Set("$top", fmt.Sprint(min(l.limit, pageSize)))
		if l.all {
			query.Set("$top", fmt.Sprint(pageSize))
		}
	}
	if !l.whole && (l.fields != "" || !l.asJSON) {
		names := make([]string, len(l.columns))
		for i, c := range l.columns {
			names[i] = c.property
		}
		query.Set("$select", strings.Join(names, ","))
	}
	if l.advanced || l.search != "" {
		header.Set("ConsistencyLevel", "eventual")
		query.Set("$count", "true")
	}
	return query, header
}

// phrase is words as $search takes them.
func phrase(words string) string {
	if words == "" || strings.HasPrefix(words, `"`) {
		return words
	}
	if !strings.Contains(words, ":") {
		words = "displayName:" + words
	}
	return `"` + words + `"`
}

// table prints one line for each object.
func (l *lister) table(objects []json.RawMessage) error {
	table := tabwriter.NewWriter(l.s.Out, 0, 0, 2, ' ', 0)
	cells := make([]string, len(l.columns))
	for i, c := range l.columns {
		cells[i] = strings.ToUpper(c.title)
	}
	fmt.Fprintln(table, strings.Join(cells, "\t"))
	for _, object := range objects {
		var properties map[string]json.RawMessage
		if err := json.Unmarshal(object, &properties); err != nil {
			return fmt.Errorf("print list: %w", err)
		}
		for i, c := range l.columns {
			cells[i] = cell(properties[c.property])
			if name, ok := l.names[cells[i]]; ok {
				cells[i] = name
			}
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// cell is a value as a table shows it: text without quotes, a list with
// commas, a type without its namespace, nothing for null.
func cell(value json.RawMessage) string {
	var (
		text  string
		parts []json.RawMessage
	)
	switch {
	case len(value) == 0 || string(value) == "null":
		return ""
	case json.Unmarshal(value, &text) == nil:
		return strings.Join(strings.Fields(strings.TrimPrefix(text, "#microsoft.graph.")), " ")
	case json.Unmarshal(value, &parts) == nil:
		cells := make([]string, len(parts))
		for i, p := range parts {
			cells[i] = cell(p)
		}
		return strings.Join(cells, ",")
	}
	var line bytes.Buffer
	if json.Compact(&line, value) != nil {
		return string(value)
	}
	return line.String()
}

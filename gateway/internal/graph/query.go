package graph

import (
	"net/url"
	"strconv"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/fault"
)

// Options are the system query options of one request.
type Options struct {
	// Query goes to the service. Its select is canonical once checked.
	Query *odatapb.Query
	// Select are the names of $select as the client wrote them.
	Select []string
	// Plain are the parameters without a dollar sign, which only native paths
	// read.
	Plain url.Values
	// Format is the value of $format.
	Format string

	given []option
}

type option struct{ name, value string }

// ParseOptions reads a raw query string. Only the options of OData begin with
// a dollar sign; any other such name is an error, names without one are left
// alone (WIRE-8). On /beta the sign may be missing (WIRE-35).
func ParseOptions(raw string, beta bool) (Options, error) {
	o := Options{Query: &odatapb.Query{}}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return o, badQuery("The query string is not valid.")
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return o, badQuery("The query string is not valid.")
		}
		name := strings.ToLower(key)
		system := strings.HasPrefix(name, "$")
		if !system && beta && systemOptions["$"+name] {
			name, system = "$"+name, true
		}
		if !system {
			if o.Plain == nil {
				o.Plain = url.Values{}
			}
			o.Plain.Add(key, value)
			continue
		}
		if !systemOptions[name] {
			return o, badQuery("The query option '%s' is not recognized.", clip(key))
		}
		for _, g := range o.given {
			if g.name == name {
				return o, badQuery("The query option '%s' appears more than once.", name)
			}
		}
		o.given = append(o.given, option{name, value})
		if err := o.set(name, value); err != nil {
			return o, err
		}
	}
	return o, nil
}

var systemOptions = map[string]bool{
	"$select": true, "$filter": true, "$top": true, "$skip": true, "$skiptoken": true, "$deltatoken": true, "$count": true,
	"$search": true, "$orderby": true, "$expand": true, "$format": true,
}

func badQuery(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_BAD_REQUEST, format, args...)
}

func (o *Options) set(name, value string) error {
	q := o.Query
	switch name {
	case "$select":
		for n := range strings.SplitSeq(value, ",") {
			if n = strings.TrimSpace(n); n != "" {
				o.Select = append(o.Select, n)
			}
		}
	case "$filter":
		q.Filter = value
	case "$orderby":
		q.Orderby = value
	case "$search":
		q.Search = value
	case "$expand":
		q.Expand = value
	case "$skiptoken":
		q.Skiptoken = value
	case "$deltatoken":
		q.Deltatoken = value
	case "$count":
		b, err := strconv.ParseBool(strings.ToLower(value))
		if err != nil {
			return badQuery("The value of query option '$count' must be true or false.")
		}
		q.Count = &b
	case "$top":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 1 || n > 999 {
			return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "Invalid page size specified: '%s'. Must be between 1 and 999 inclusive.", clip(value))
		}
		top := int32(n)
		q.Top = &top
	case "$skip":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 0 {
			return badQuery("The value of query option '$skip' must be a number that is not negative.")
		}
		skip := int32(n)
		q.Skip = &skip
	case "$format":
		if v := strings.ToLower(value); v != "json" && !strings.HasPrefix(v, "application/json") {
			return badQuery("The value of query option '$format' must be json.")
		}
		o.Format = value
	}
	return nil
}

// Beyond answers the first option given that an operation without a query of
// its own cannot obey, empty if there is none.
func (o Options) Beyond() string {
	for _, g := range o.given {
		switch g.name {
		case "$select", "$format", "$count":
		default:
			return g.name
		}
	}
	return ""
}

// Next is the query string of the link to the next page: all options of the
// request with another position.
func (o Options) Next(token string) string { return o.with("$skiptoken", token) }

// Delta is the query string of the link to later changes.
func (o Options) Delta(token string) string { return o.with("$deltatoken", token) }

func (o Options) with(name, token string) string {
	var b strings.Builder
	for _, g := range o.given {
		if g.name == "$skiptoken" || g.name == "$deltatoken" {
			continue
		}
		writeOption(&b, g.name, g.value)
	}
	writeOption(&b, name, token)
	return b.String()
}

func writeOption(b *strings.Builder, name, value string) {
	if b.Len() > 0 {
		b.WriteByte('&')
	}
	b.WriteString(name)
	b.WriteByte('=')
	b.WriteString(strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
}

package graph

import (
	"net/url"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Path is the path of one request, taken apart.
type Path struct {
	// Family is the first part: `v1.0`, `beta`, `entente/v1`, `admin/v1`, or
	// empty for a path that belongs to none.
	Family string
	// Tenant is the tenant segment after the version, empty if there is none
	// or it is `myorganization`.
	Tenant string
	// Segments follow the family and the tenant segment.
	Segments []Segment
}

// Segment is one part of a path between slashes.
type Segment struct {
	// Name is decoded; of `users('x')` it is `users`.
	Name string
	// Call is true where parentheses followed.
	Call bool
	// Key is the value in parentheses, as in `users('x')`.
	Key string
	// Args are the named values in parentheses, as in `fn(a='x')`.
	Args []Arg
}

// Arg is a named value in parentheses.
type Arg struct{ Name, Value string }

// Graph reports whether the path belongs to the Graph API.
func (p Path) Graph() bool { return p.Family == "v1.0" || p.Family == "beta" }

// IsAPI reports whether the path, decoded, is one of the API's; no tenant has
// such a name. All of it needs a token, known or not.
func IsAPI(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch strings.ToLower(first) {
	case "v1.0", "beta", "entente", "admin":
		return true
	}
	return false
}

// ParsePath takes an escaped path apart. It refuses paths that two parsers
// could read differently: empty or dot segments, and escapes that are none.
func ParsePath(escaped string) (Path, error) {
	var p Path
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return p, noSegment(escaped)
	}
	rest = strings.TrimSuffix(rest, "/")
	if rest == "" {
		return p, nil
	}
	parts := strings.Split(rest, "/")
	segments := make([]Segment, 0, len(parts)+1)
	for _, raw := range parts {
		s, err := parseSegment(raw)
		if err != nil {
			return p, err
		}
		segments = append(segments, s)
	}
	first := strings.ToLower(segments[0].Name)
	switch {
	case first == "v1.0" || first == "beta":
		p.Family, segments = first, segments[1:]
		if len(segments) > 0 && !segments[0].Call {
			if id, err := uuid.Parse(segments[0].Name); err == nil && len(segments[0].Name) == 36 {
				p.Tenant, segments = id.String(), segments[1:]
			} else if strings.EqualFold(segments[0].Name, "myorganization") {
				segments = segments[1:]
			}
		}
	case (first == "entente" || first == "admin") && len(segments) > 1 && strings.EqualFold(segments[1].Name, "v1"):
		p.Family, segments = first+"/v1", segments[2:]
	}
	p.Segments = segments
	return p, nil
}

func noSegment(name string) error {
	return fault.NotFound(errorspb.Reason_SEGMENT_NOT_FOUND, "Resource not found for the segment '%s'.", clip(name))
}

func parseSegment(raw string) (Segment, error) {
	name, err := url.PathUnescape(raw)
	if err != nil || name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return Segment{}, noSegment(raw)
	}
	open := strings.IndexByte(name, '(')
	if open <= 0 || !strings.HasSuffix(name, ")") {
		return Segment{Name: name}, nil
	}
	s := Segment{Name: name[:open], Call: true}
	inner := strings.TrimSpace(name[open+1 : len(name)-1])
	if inner == "" {
		return s, nil
	}
	args, err := parseArgs(inner)
	if err != nil {
		return Segment{}, err
	}
	if len(args) == 1 && args[0].Name == "" {
		s.Key = args[0].Value
		return s, nil
	}
	for _, a := range args {
		if a.Name == "" {
			return Segment{}, noSegment(name)
		}
	}
	s.Args = args
	return s, nil
}

// parseArgs reads `'x'`, `x` or `a='x',b=1`; a quote inside is doubled.
func parseArgs(inner string) ([]Arg, error) {
	var args []Arg
	for rest := inner; ; {
		var a Arg
		rest = strings.TrimLeft(rest, " ")
		if i := strings.IndexAny(rest, "=',"); i > 0 && rest[i] == '=' {
			a.Name = strings.TrimSpace(rest[:i])
			rest = strings.TrimLeft(rest[i+1:], " ")
		}
		if strings.HasPrefix(rest, "'") {
			value, after, ok := quoted(rest)
			if !ok {
				return nil, noSegment(inner)
			}
			a.Value, rest = value, after
		} else {
			i := strings.IndexByte(rest, ',')
			if i < 0 {
				i = len(rest)
			}
			a.Value, rest = strings.TrimSpace(rest[:i]), rest[i:]
		}
		if a.Value == "" || len(args) == 8 {
			return nil, noSegment(inner)
		}
		args = append(args, a)
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			return args, nil
		}
		if rest[0] != ',' {
			return nil, noSegment(inner)
		}
		rest = rest[1:]
	}
}

func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

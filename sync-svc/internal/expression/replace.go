package expression

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

const (
	maxPattern = 1024
	maxProgram = 2000
)

// CompilePattern compiles a regular expression in RE2 syntax. Look-around and
// back-references, which need backtracking, are refused with an explanation,
// and so are patterns whose automaton would be very large.
func CompilePattern(pattern string) (*regexp.Regexp, string) {
	if len(pattern) > maxPattern {
		return nil, "the pattern is longer than 1024 characters"
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		if strings.Contains(pattern, "(?=") || strings.Contains(pattern, "(?!") || strings.Contains(pattern, "(?<=") || strings.Contains(pattern, "(?<!") {
			return nil, "look-around is not supported; patterns are matched in linear time"
		}
		return nil, "the pattern is not valid: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil || len(prog.Inst) > maxProgram {
		return nil, "the pattern is too complex"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, "the pattern is not valid"
	}
	return re, ""
}

// Arguments of Replace.
const (
	argSource = iota
	argFind
	argPattern
	argGroup
	argReplacement
	argAttribute
	argTemplate
)

func given(n *Node, i int) bool { return i < len(n.Args) && n.Args[i].Kind != OmittedNode }

// replaceMode refuses combinations of arguments that have no meaning (SYN-137).
func replaceMode(n *Node) string {
	if given(n, argPattern) {
		if n.Args[argPattern].Kind != ConstantNode {
			return "the pattern must be a constant"
		}
		re, fault := CompilePattern(n.Args[argPattern].Value.String())
		if fault != "" {
			return fault
		}
		if given(n, argGroup) {
			if n.Args[argGroup].Kind != ConstantNode {
				return "the group name must be a constant"
			}
			if re.SubexpIndex(n.Args[argGroup].Value.String()) < 0 {
				return "the pattern has no group of that name"
			}
			if given(n, argAttribute) || given(n, argReplacement) {
				return ""
			}
		} else if given(n, argReplacement) {
			return ""
		}
		return "a pattern needs a replacement, or a group and a replacement attribute"
	}
	if given(n, argFind) && (given(n, argTemplate) || given(n, argReplacement)) {
		return ""
	}
	return "the arguments fit none of its five modes"
}

func replace(n *Node, args []eval) (eval, error) {
	if !given(n, argPattern) {
		if given(n, argTemplate) {
			return replaceAll(args[argTemplate], args[argFind], args[argSource]), nil
		}
		return replaceAll(args[argSource], args[argFind], args[argReplacement]), nil
	}
	re, fault := CompilePattern(n.Args[argPattern].Value.String())
	if fault != "" {
		return nil, &ParseError{Pos: n.Pos, Message: "Replace: " + fault}
	}
	if !given(n, argGroup) {
		return replacePattern(re, args[argSource], args[argReplacement], nil), nil
	}
	group := re.SubexpIndex(n.Args[argGroup].Value.String())
	if given(n, argAttribute) {
		return extractGroup(re, group, args[argSource], args[argAttribute]), nil
	}
	return replacePattern(re, args[argSource], args[argReplacement], &group), nil
}

// replaceAll replaces every occurrence of one text by another inside a third;
// null in any of them gives null.
func replaceAll(in, find, by eval) eval {
	return func(r *run) (Value, error) {
		var texts [3]string
		for i, e := range [...]eval{in, find, by} {
			v, err := e(r)
			if err != nil || v.IsNull() {
				return NullValue, err
			}
			if texts[i], err = text(v); err != nil {
				return NullValue, err
			}
		}
		if texts[1] == "" {
			return TextValue(texts[0]), nil
		}
		if strings.Count(texts[0], texts[1])*len(texts[2]) > MaxOutput {
			return NullValue, failed("the result exceeds 64 KiB")
		}
		return TextValue(strings.ReplaceAll(texts[0], texts[1], texts[2])), nil
	}
}

// chargePattern counts the work of a linear-time match.
func (r *run) chargePattern(s string) error { return r.step(1 + len(s)/16) }

// extractGroup keeps a source that has text; otherwise it takes the group's
// text of the first match in another attribute.
func extractGroup(re *regexp.Regexp, group int, source, other eval) eval {
	return func(r *run) (Value, error) {
		v, err := source(r)
		if err != nil || !v.IsEmpty() {
			return v, err
		}
		if v, err = other(r); err != nil {
			return NullValue, err
		}
		s, err := text(v)
		if err != nil {
			return NullValue, err
		}
		if err := r.chargePattern(s); err != nil {
			return NullValue, err
		}
		m := re.FindStringSubmatchIndex(s)
		if m == nil || m[2*group] < 0 {
			return NullValue, nil
		}
		return TextValue(s[m[2*group]:m[2*group+1]]), nil
	}
}

// replacePattern replaces every match, or only the text of one group in it.
func replacePattern(re *regexp.Regexp, source, by eval, group *int) eval {
	return func(r *run) (Value, error) {
		v, err := source(r)
		if err != nil || v.IsNull() {
			return NullValue, err
		}
		s, err := text(v)
		if err != nil {
			return NullValue, err
		}
		if v, err = by(r); err != nil || v.IsNull() {
			return NullValue, err
		}
		with, err := text(v)
		if err != nil {
			return NullValue, err
		}
		if err := r.chargePattern(s); err != nil {
			return NullValue, err
		}
		var b strings.Builder
		at := 0
		for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
			from, to := m[0], m[1]
			if group != nil {
				from, to = m[2**group], m[2**group+1]
			}
			if from < at {
				continue
			}
			b.WriteString(s[at:from])
			if group != nil {
				b.WriteString(with)
			} else {
				expand(&b, with, re, s, m)
			}
			at = to
			if b.Len() > MaxOutput {
				return NullValue, failed("the result exceeds 64 KiB")
			}
		}
		b.WriteString(s[at:])
		return TextValue(b.String()), nil
	}
}

// expand writes a replacement with ${name}, $1 and $$ filled in; any other
// dollar sign stands for itself.
func expand(b *strings.Builder, with string, re *regexp.Regexp, s string, m []int) {
	write := func(group int) {
		if group >= 0 && 2*group+1 < len(m) && m[2*group] >= 0 {
			b.WriteString(s[m[2*group]:m[2*group+1]])
		}
	}
	for i := 0; i < len(with); i++ {
		if with[i] != '$' || i+1 == len(with) {
			b.WriteByte(with[i])
			continue
		}
		rest := with[i+1:]
		switch c := rest[0]; {
		case c == '$':
			b.WriteByte('$')
			i++
		case c >= '0' && c <= '9':
			n := 0
			for j := 0; j < len(rest) && rest[j] >= '0' && rest[j] <= '9' && n < 1000; j++ {
				n = n*10 + int(rest[j]-'0')
				i++
			}
			write(n)
		case c == '{' && strings.IndexByte(rest, '}') > 0:
			name := rest[1:strings.IndexByte(rest, '}')]
			if g := re.SubexpIndex(name); g >= 0 {
				write(g)
			} else if len(name) == 1 && name[0] >= '0' && name[0] <= '9' {
				write(int(name[0] - '0'))
			} else {
				b.WriteString("${" + name + "}")
			}
			i += len(name) + 2
		default:
			b.WriteByte('$')
		}
	}
}

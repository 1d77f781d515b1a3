package route

import (
	"strings"

	"entente.dev/gateway/internal/graph"
)

// node is one position in the tree of all templates. Literals are found
// without regard to case (WIRE-5) and go before variables.
type node struct {
	literals   map[string]*node
	verbs      map[string]*node // of a variable that an action follows, by ":action"
	variable   *node
	function   bool
	operations map[string]*Operation // by HTTP method
}

func (n *node) add(op *Operation) {
	for _, s := range op.steps {
		var next *node
		switch {
		case s.verb != "":
			if n.verbs == nil {
				n.verbs = map[string]*node{}
			}
			key := strings.ToLower(s.verb)
			if next = n.verbs[key]; next == nil {
				next = &node{}
				n.verbs[key] = next
			}
		case s.variable != "":
			if n.variable == nil {
				n.variable = &node{}
			}
			next = n.variable
		default:
			key := strings.ToLower(strings.TrimSuffix(s.literal, "()"))
			if n.literals == nil {
				n.literals = map[string]*node{}
			}
			if next = n.literals[key]; next == nil {
				next = &node{}
				n.literals[key] = next
			}
			next.function = next.function || s.function
		}
		n = next
	}
	if n.operations == nil {
		n.operations = map[string]*Operation{}
	}
	n.operations[op.Method] = op
}

// has reports whether the path of op has an operation of its method.
func (n *node) has(op *Operation) bool {
	for _, s := range op.steps {
		next := n.variable
		switch {
		case s.verb != "":
			next = n.verbs[strings.ToLower(s.verb)]
		case s.variable == "":
			next = n.literals[strings.ToLower(strings.TrimSuffix(s.literal, "()"))]
		}
		if n = next; n == nil {
			return false
		}
	}
	return n.operations[op.Method] != nil
}

// match is what a path means.
type match struct {
	node   *node
	values []string    // of the variables, in order
	args   []graph.Arg // of a function
	// depth is how many segments were understood, for the error.
	depth int
}

// find walks the segments. Where a path ends in the tree without an operation
// node is nil.
func (n *node) find(segments []graph.Segment) match {
	best := 0
	m := n.walk(segments, 0, match{}, &best)
	m.depth = best
	return m
}

func (n *node) walk(segments []graph.Segment, i int, m match, best *int) match {
	*best = max(*best, i)
	if i == len(segments) {
		if len(n.operations) > 0 {
			m.node = n
		}
		return m
	}
	s := segments[i]
	if child := n.literal(s.Name); child != nil {
		next, at := m, child
		switch {
		case len(s.Args) > 0 && child.function:
			next.args = s.Args
		case len(s.Args) == 1:
			// An alternate key: applications(appId='x') (WIRE-6).
			at = child.variable
			next.values = with(m.values, s.Args[0].Name+"="+s.Args[0].Value)
		case len(s.Args) > 1:
			at = nil
		case s.Key != "":
			at = child.variable
			next.values = with(m.values, s.Key)
		}
		if at != nil {
			if found := at.walk(segments, i+1, next, best); found.node != nil {
				return found
			}
		}
	}
	if colon := strings.LastIndexByte(s.Name, ':'); colon > 0 && n.verbs != nil && !s.Call {
		if at := n.verbs[strings.ToLower(s.Name[colon:])]; at != nil {
			next := m
			next.values = with(m.values, s.Name[:colon])
			if found := at.walk(segments, i+1, next, best); found.node != nil {
				return found
			}
		}
	}
	if n.variable != nil && !s.Call {
		next := m
		next.values = with(m.values, s.Name)
		return n.variable.walk(segments, i+1, next, best)
	}
	return m
}

// literal finds a fixed segment; namespaces of casts and functions may be
// short or left out (WIRE-42).
func (n *node) literal(name string) *node {
	if n.literals == nil {
		return nil
	}
	key := strings.ToLower(name)
	if child := n.literals[key]; child != nil {
		return child
	}
	if short, ok := strings.CutPrefix(key, "graph."); ok {
		key = "microsoft.graph." + short
		if child := n.literals[key]; child != nil {
			return child
		}
	}
	if bare, ok := strings.CutPrefix(key, "microsoft.graph."); ok {
		if child := n.literals[bare]; child != nil && child.function {
			return child
		}
	}
	return nil
}

// with appends without touching what others may hold.
func with(values []string, v string) []string {
	return append(values[:len(values):len(values)], v)
}

package contract

import (
	_ "embed"
	"net/http"
	"strings"
	"sync"
)

//go:embed operations.csv
var operationText string

// Operation is one call of Graph that the suite promises to answer.
type Operation struct {
	// Method is the HTTP method.
	Method string
	// Path follows the version; keys are in braces.
	Path string
}

// Operations returns what operations.csv lists, in its order.
var Operations = sync.OnceValue(func() []Operation {
	var all []Operation
	_, rows, _ := strings.Cut(operationText, "\n") // the first line has the titles
	for row := range strings.Lines(rows) {
		method, path, _ := strings.Cut(strings.TrimSpace(row), ",")
		all = append(all, Operation{Method: method, Path: path})
	}
	return all
})

// Coverage collects the operations that were answered with success and as the
// contract wants it. The zero value is ready; it is safe for concurrent use.
type Coverage struct {
	mu   sync.Mutex
	seen map[Operation]bool
}

// Observe takes note of a request that was answered well.
func (c *Coverage) Observe(method, path string) {
	o, ok := operation(method, normalize(path))
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[Operation]bool{}
	}
	c.seen[o] = true
}

// Missing returns the operations that were not observed.
func (c *Coverage) Missing() []Operation {
	c.mu.Lock()
	defer c.mu.Unlock()
	var missing []Operation
	for _, o := range Operations() {
		if !c.seen[o] {
			missing = append(missing, o)
		}
	}
	return missing
}

// operation finds the operation of a request, the one with the most fixed
// segments where several fit.
func operation(method string, segments []string) (best Operation, found bool) {
	bestFixed := -1
	for _, o := range Operations() {
		if o.Method != method {
			continue
		}
		if fixed := fits(normalize("/v1.0"+o.Path), segments); fixed > bestFixed {
			best, bestFixed = o, fixed
		}
	}
	return best, bestFixed >= 0
}

// fits counts the segments that are alike; it is negative when the pattern
// does not fit.
func fits(pattern, segments []string) int {
	if len(pattern) != len(segments) {
		return -1
	}
	fixed := 0
	for i, p := range pattern {
		switch {
		case strings.EqualFold(p, strings.TrimSuffix(segments[i], "()")):
			fixed++
		case !strings.Contains(p, "{") || isCast(segments[i]) || strings.HasPrefix(segments[i], "$"):
			return -1
		}
	}
	return fixed
}

// success says whether an answer counts as one of an operation.
func success(status int) bool {
	return status >= http.StatusOK && status < http.StatusMultipleChoices
}

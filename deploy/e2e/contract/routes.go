package contract

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The descriptors of every service join the registry by being linked.
	_ "entente.dev/proto/gen/entente/audit/v1"
	_ "entente.dev/proto/gen/entente/directory/v1"
	_ "entente.dev/proto/gen/entente/invitation/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	_ "entente.dev/proto/gen/entente/policy/v1"
	_ "entente.dev/proto/gen/entente/sync/v1"
)

// Route is one HTTP binding of an RPC.
type Route struct {
	// Method is the HTTP method.
	Method string
	// Pattern is the path of the binding, for instance `/v1.0/users/{id}`.
	Pattern string
	// RPC is what it calls.
	RPC protoreflect.MethodDescriptor
	// Access says who may call.
	Access *optionspb.Access
	// Answer says how success looks; nil when the defaults apply.
	Answer *optionspb.Answer
	// Body is the field that takes the body, `*` for the whole request, empty for none.
	Body string

	segments []string
}

// Methods returns every RPC of the suite, those without a route too.
var Methods = sync.OnceValue(func() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(f.Package()), "entente.") {
			return true
		}
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				all = append(all, methods.Get(j))
			}
		}
		return true
	})
	slices.SortFunc(all, func(a, b protoreflect.MethodDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return all
})

// Access returns the access option of an RPC, nil when it has none.
func Access(m protoreflect.MethodDescriptor) *optionspb.Access {
	if !proto.HasExtension(m.Options(), optionspb.E_Access) {
		return nil
	}
	return proto.GetExtension(m.Options(), optionspb.E_Access).(*optionspb.Access)
}

// Routes returns every HTTP binding, in the order of the RPCs' names.
var Routes = sync.OnceValue(func() []Route {
	var routes []Route
	for _, m := range Methods() {
		rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
		if !ok || rule == nil {
			continue
		}
		var answer *optionspb.Answer
		if proto.HasExtension(m.Options(), optionspb.E_Answer) {
			answer = proto.GetExtension(m.Options(), optionspb.E_Answer).(*optionspb.Answer)
		}
		for _, r := range append([]*annotations.HttpRule{rule}, rule.AdditionalBindings...) {
			method, pattern := binding(r)
			if method == "" {
				continue
			}
			routes = append(routes, Route{
				Method: method, Pattern: pattern, RPC: m, Access: Access(m), Answer: answer, Body: r.Body,
				segments: strings.Split(strings.Trim(pattern, "/"), "/"),
			})
		}
	}
	return routes
})

func binding(r *annotations.HttpRule) (method, pattern string) {
	switch p := r.Pattern.(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	}
	return "", ""
}

var (
	guid       = `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`
	guidOnly   = regexp.MustCompile(`^` + guid + `$`)
	keySegment = regexp.MustCompile(`^([A-Za-z]+)\('?([^=']*)'?\)$`)
	// function is a call with named parameters at the end of a path.
	function     = regexp.MustCompile(`^(.*)/([A-Za-z]+)\([A-Za-z]+=.*\)$`)
	alternateKey = regexp.MustCompile(`^([A-Za-z]+)\(([A-Za-z]+='?.*'?)\)$`)
)

// Find returns the route that serves a request. The path may use any of the
// forms of Graph: /beta, a tenant segment, keys in parentheses, a cast at the
// end. cast is the type of the cast, empty without one.
func Find(method, path string) (route Route, cast string, ok bool) {
	segments := normalize(path)
	if strings.HasPrefix(path, "/beta/") {
		// What /beta has for itself goes before what it shares (WIRE-90).
		own := append([]string{"beta"}, segments[1:]...)
		if r, ok := find(method, own); ok {
			return r, "", true
		}
	}
	if r, ok := find(method, segments); ok {
		if last := segments[len(segments)-1]; isCast(last) {
			cast = bareType(strings.TrimPrefix(last, "graph."))
		}
		return r, cast, true
	}
	if m := function.FindStringSubmatch(path); m != nil {
		if r, ok := find(method, append(normalize(m[1]), m[2]+"()")); ok {
			return r, "", true
		}
	}
	if n := len(segments); n > 1 && isCast(segments[n-1]) {
		r, ok := find(method, segments[:n-1])
		return r, bareType(strings.TrimPrefix(segments[n-1], "graph.")), ok
	}
	return Route{}, "", false
}

func isCast(segment string) bool {
	return strings.HasPrefix(segment, "microsoft.graph.") || strings.HasPrefix(segment, "graph.")
}

func normalize(path string) []string {
	var segments []string
	for _, s := range strings.Split(strings.Trim(path, "/"), "/") {
		if u, err := url.PathUnescape(s); err == nil {
			s = u
		}
		if m := alternateKey.FindStringSubmatch(s); m != nil {
			segments = append(segments, m[1], m[2])
			continue
		}
		if m := keySegment.FindStringSubmatch(s); m != nil && m[2] != "" {
			segments = append(segments, m[1], m[2])
			continue
		}
		segments = append(segments, s)
	}
	if len(segments) > 0 && segments[0] == "beta" {
		segments[0] = "v1.0"
	}
	if len(segments) > 1 && segments[0] == "v1.0" && (segments[1] == "myorganization" || guidOnly.MatchString(segments[1])) {
		segments = slices.Delete(segments, 1, 2)
	}
	if len(segments) > 1 && segments[1] == "me" {
		segments = slices.Replace(segments, 1, 2, "users", "me")
	}
	return segments
}

// find prefers the route with the most fixed segments.
func find(method string, segments []string) (Route, bool) {
	best, bestFixed := Route{}, -1
	for _, r := range Routes() {
		if r.Method != method || len(r.segments) != len(segments) {
			continue
		}
		fixed := 0
		for i, s := range r.segments {
			if strings.HasPrefix(s, "{") {
				continue
			}
			if !strings.EqualFold(strings.TrimSuffix(s, "()"), strings.TrimSuffix(segments[i], "()")) {
				fixed = -1
				break
			}
			fixed++
		}
		if fixed > bestFixed {
			best, bestFixed = r, fixed
		}
	}
	return best, bestFixed >= 0
}

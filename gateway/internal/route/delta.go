package route

import (
	"slices"
	"strconv"
	"strings"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// MetaDeltaToken names the fresh token that goes with SYNC_STATE_NOT_FOUND.
const MetaDeltaToken = "delta_token"

// maxPage bounds the page size that a client may prefer, as $top.
const maxPage = 999

// deltaRelations may be named in $select of a delta list besides properties
// (DIR-209).
var deltaRelations = map[string]string{"members": "members", "owners": "owners", "manager": "manager"}

// fillDelta completes the request of a delta list with what the client
// prefers (DIR-208, DIR-210), and tells the client which preferences hold.
func (x *exchange) fillDelta(m protoreflect.Message) {
	req, ok := m.Interface().(*directorypb.ListDeltaRequest)
	if !ok {
		return
	}
	for _, value := range x.r.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(value, ",") {
			name, v, _ := strings.Cut(strings.TrimSpace(preference), "=")
			v = strings.Trim(strings.TrimSpace(v), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "return":
				if strings.EqualFold(v, "minimal") {
					req.Minimal = true
					x.w.Header().Add("Preference-Applied", "return=minimal")
				}
			case "odata.maxpagesize", "maxpagesize":
				if n, err := strconv.ParseInt(v, 10, 32); err == nil && n > 0 {
					req.MaxPageSize = int32(min(n, maxPage))
					x.w.Header().Add("Preference-Applied", "odata.maxpagesize="+strconv.Itoa(int(req.MaxPageSize)))
				}
			}
		}
	}
}

// chooseDelta checks $select of a delta list against the type of its objects.
func (x *exchange) chooseDelta() error {
	if x.options.Query.GetExpand() != "" {
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, "The query option '$expand' is not supported by change tracking.")
	}
	if len(x.options.Select) == 0 {
		return nil
	}
	var properties, all []string
	for _, n := range x.options.Select {
		if relation := deltaRelations[strings.ToLower(n)]; relation != "" {
			if !slices.Contains(all, relation) {
				all = append(all, relation)
			}
			continue
		}
		properties = append(properties, n)
	}
	if of := x.rt.gets[strings.ToLower(strings.TrimSuffix(x.op.normal(), "/delta")+"/{}")]; of != nil && len(properties) > 0 {
		names, err := graph.CheckSelect(of.out, properties, x.beta())
		if err != nil {
			return err
		}
		properties = names
	}
	x.selected = strings.Join(append(properties, all...), ",")
	return nil
}

// deltaContext is the fragment of @odata.context: the collection.
func (o *Operation) deltaContext() string {
	path := strings.TrimSuffix(strings.TrimPrefix(o.Template, "/v1.0/"), "/delta")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// restart gives a stale delta token's error the address to go on from
// (DIR-212): the same request with the fresh token of the service, or from the
// beginning.
func (x *exchange) restart(f *fault.Error) *fault.Error {
	if x == nil || x.op == nil || f.Reason != errorspb.Reason_SYNC_STATE_NOT_FOUND {
		return f
	}
	location := x.call.Origin + x.r.URL.EscapedPath()
	if query := x.options.Delta(f.Meta[MetaDeltaToken]); f.Meta[MetaDeltaToken] != "" {
		location += "?" + query
	} else if query := strings.TrimSuffix(strings.TrimSuffix(query, "$deltatoken="), "&"); query != "" {
		location += "?" + query
	}
	x.w.Header().Set("Location", location)
	return f
}

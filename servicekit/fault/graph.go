package fault

import (
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"google.golang.org/protobuf/proto"
)

// saying is how one reason is said to a Graph client.
type saying struct {
	status       int
	code, detail string
}

// sayings is the table from reason to envelope, read from the enum itself.
var sayings = func() map[errorspb.Reason]saying {
	table := map[errorspb.Reason]saying{}
	values := errorspb.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		v := values.Get(i)
		ge, _ := proto.GetExtension(v.Options(), optionspb.E_GraphError).(*optionspb.GraphError)
		table[errorspb.Reason(v.Number())] = saying{int(ge.GetStatus()), ge.GetCode(), ge.GetDetail()}
	}
	return table
}()

// Graph answers the HTTP status, the code and the detail code by which a Graph
// client is told of e. A reason that has none is an internal error.
func (e *Error) Graph() (status int, code, detail string) {
	s, ok := sayings[e.Reason]
	if !ok || s.status == 0 || e.Reason == errorspb.Reason_REASON_UNSPECIFIED {
		s = sayings[errorspb.Reason_INTERNAL]
	}
	return s.status, s.code, s.detail
}

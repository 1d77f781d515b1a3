package route

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// outcome is a connection on which every call ends so; it keeps nothing.
type outcome struct{ err error }

func (o *outcome) Invoke(context.Context, string, any, any, ...grpc.CallOption) error { return o.err }

func (o *outcome) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

// Only what a service says after it has verified a token counts as accepted.
func TestAccepted(t *testing.T) {
	t.Parallel()
	f := &outcome{}
	rt, err := New(t.Context(), Config{Conns: Conns{f, f, f, f}, Clock: clock.System(), TokenKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	const none = errorspb.Reason_REASON_UNSPECIFIED
	for _, c := range []struct {
		name, method, target, body string
		err                        error
		want                       bool
	}{
		{"answer", "GET", "/v1.0/users/x", "", nil, true},
		{"not found", "GET", "/v1.0/users/x", "", fault.NotFound(none, ""), true},
		{"denied", "GET", "/v1.0/users/x", "", fault.Denied(none, ""), true},
		{"not valid", "GET", "/v1.0/users/x", "", fault.Invalid(none, ""), true},
		{"status", "GET", "/v1.0/users/x", "", status.Error(codes.NotFound, ""), true},
		{"merged list", "GET", "/v1.0/auditLogs/directoryAudits", "", nil, true},
		{"expanded", "GET", "/v1.0/users/x?$expand=memberOf", "", fault.Denied(none, ""), true},
		{"token refused", "GET", "/v1.0/users/x", "", fault.Unauthenticated(none, ""), false},
		{"token refused in a merged list", "GET", "/v1.0/auditLogs/directoryAudits", "", fault.Unauthenticated(none, ""), false},
		{"down", "GET", "/v1.0/users/x", "", fault.Unavailable(none, ""), false},
		{"late", "GET", "/v1.0/users/x", "", fault.Deadline(none, ""), false},
		{"client left", "GET", "/v1.0/users/x", "", context.Canceled, false},
		{"no method", "GET", "/v1.0/users/x", "", status.Error(codes.Unimplemented, ""), false},
		{"broken", "GET", "/v1.0/users/x", "", errors.New("x"), false},
		{"file", "GET", "/entente/v1/bulkOperations/x/results", "", nil, false}, // no streams here
		{"unknown path", "GET", "/v1.0/colours", "", nil, false},
		{"wrong method", "PUT", "/v1.0/users", "{}", nil, false},
		{"bad query", "GET", "/v1.0/users?$colour=1", "", nil, false},
		{"bad body", "POST", "/v1.0/users", "{", nil, false},
	} {
		f.err = c.err
		if got := accepts(rt, c.method, c.target, c.body); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	files := newOrgRouter(t, &org{parts: []*httpbody.HttpBody{{ContentType: "text/csv", Data: []byte("a,b\n")}}})
	if !accepts(files, "GET", "/entente/v1/bulkOperations/op/results", "") || !accepts(files, "POST", "/entente/v1/bulkOperations/createUsers", "a,b\n") {
		t.Error("streams do not count")
	}
}

// accepts sends a request and tells whether it ended as one whose token a
// service has accepted.
func accepts(rt *Router, method, target, body string) bool {
	call := &graph.Call{}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", bearer)
	rt.ServeHTTP(httptest.NewRecorder(), r.WithContext(graph.WithCall(r.Context(), call)))
	return call.Accepted
}

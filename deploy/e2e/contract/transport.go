package contract

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	invitationpb "entente.dev/proto/gen/entente/invitation/v1"
)

// Transport forwards requests and checks each answer of /v1.0, /beta,
// /entente/v1 and /admin/v1 against the contract.
type Transport struct {
	// Base does the work; nil means http.DefaultTransport.
	Base http.RoundTripper
	// Report is called for each fault of an answer, with the request that got it.
	Report func(request, problem string)
	// Coverage takes note of what was answered well; nil takes none.
	Coverage *Coverage
}

// RoundTrip implements http.RoundTripper. The answer's body can be read as usual.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	plain := body
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if r, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			plain, _ = io.ReadAll(r)
		}
	}
	origin := req.URL.Scheme + "://" + req.URL.Host
	problems := Check(origin, req.Method, req.URL, req.Header, resp.StatusCode, resp.Header, plain)
	for _, p := range problems {
		t.Report(fmt.Sprintf("%s %s = %d", req.Method, req.URL.RequestURI(), resp.StatusCode), p)
	}
	if t.Coverage != nil && success(resp.StatusCode) && len(problems) == 0 {
		t.Coverage.Observe(req.Method, req.URL.Path)
	}
	return resp, nil
}

var (
	served = regexp.MustCompile(`^/(v1\.0|beta|entente/v1|admin/v1)(/|$)`)
	batch  = regexp.MustCompile(`^/(v1\.0|beta)/\$batch$`)
)

// Check returns what is wrong with one answer; nothing for paths outside the contract.
func Check(origin, method string, u *url.URL, reqHeader http.Header, status int, header http.Header, body []byte) []string {
	if !served.MatchString(u.Path) {
		return nil
	}
	c := &checker{schema: Load(), beta: strings.HasPrefix(u.Path, "/beta"), origin: origin}
	c.headers(reqHeader, status, header)
	switch {
	case status == http.StatusNoContent:
		if len(body) > 0 || header.Get("Content-Type") != "" {
			c.fail("body", "204 has a body or a content type")
		}
		return c.problems
	case status == http.StatusNotModified, method == http.MethodHead, status == http.StatusAccepted && len(body) == 0:
		return c.problems
	case strings.HasSuffix(strings.ToLower(u.Path), "/$count") && status == http.StatusOK:
		if !strings.HasPrefix(header.Get("Content-Type"), "text/plain") || !integerForm.Match(body) {
			c.fail("body", "a count is digits in text/plain, not %q in %q", body, header.Get("Content-Type"))
		}
		return c.problems
	case status == http.StatusOK && isFile(method, u.Path):
		if !strings.HasPrefix(header.Get("Content-Type"), "text/csv") {
			c.fail("Content-Type", "%q of a file", header.Get("Content-Type"))
		}
		return c.problems
	case !strings.HasPrefix(header.Get("Content-Type"), "application/json"):
		c.fail("Content-Type", "%q", header.Get("Content-Type"))
		return c.problems
	}
	v, err := decode(body)
	if err != nil {
		c.fail("body", "no JSON object: %v", err)
		return c.problems
	}
	switch {
	case status >= 400:
		c.envelope(v, header.Get("request-id"), header.Get("client-request-id"))
	case batch.MatchString(u.Path):
		c.batch(u, reqHeader, v)
	default:
		c.answer(method, u, v)
		if status == http.StatusCreated && header.Get("Location") == "" && method == http.MethodPost {
			if r, _, ok := Find(method, u.Path); ok && r.Answer.GetLocation() != "" {
				c.fail("Location", "is missing")
			}
		}
	}
	return c.problems
}

func decode(body []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

// headers checks WIRE-58.
func (c *checker) headers(request http.Header, status int, header http.Header) {
	if id := header.Get("request-id"); !guidForm.MatchString(id) {
		c.fail("request-id", "%q is no GUID", id)
	}
	if sent, got := request.Get("client-request-id"), header.Get("client-request-id"); guidForm.MatchString(sent) && got != sent || got == "" {
		c.fail("client-request-id", "%q was sent, %q came back", sent, got)
	}
	if header.Get("Date") == "" {
		c.fail("Date", "is missing")
	}
	if status == http.StatusUnauthorized && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
		c.fail("WWW-Authenticate", "%q", header.Get("WWW-Authenticate"))
	}
	if status == http.StatusTooManyRequests && !integerForm.MatchString(header.Get("Retry-After")) {
		c.fail("Retry-After", "%q are no seconds", header.Get("Retry-After"))
	}
}

// envelope checks WIRE-57.
func (c *checker) envelope(v map[string]any, requestID, clientRequestID string) {
	e, ok := v["error"].(map[string]any)
	if !ok || len(v) != 1 {
		c.fail("body", "no error envelope: %v", v)
		return
	}
	if code, _ := e["code"].(string); code == "" {
		c.fail("error.code", "%v is no text", e["code"])
	}
	if message, _ := e["message"].(string); message == "" {
		c.fail("error.message", "is empty")
	}
	inner, ok := e["innerError"].(map[string]any)
	if !ok {
		c.fail("error.innerError", "is missing")
		return
	}
	if requestID != "" && inner["request-id"] != requestID {
		c.fail("error.innerError.request-id", "%v, header %s", inner["request-id"], requestID)
	}
	if clientRequestID != "" && inner["client-request-id"] != clientRequestID {
		c.fail("error.innerError.client-request-id", "%v, header %s", inner["client-request-id"], clientRequestID)
	}
	if date, _ := inner["date"].(string); len(date) < len("2006-01-02T15:04:05") {
		c.fail("error.innerError.date", "%v", inner["date"])
	}
}

// batch checks the envelope of a batch; its parts carry no query of their own
// here, so only errors and status are checked in them.
func (c *checker) batch(_ *url.URL, _ http.Header, v map[string]any) {
	responses, ok := v["responses"].([]any)
	if !ok {
		c.fail("responses", "is missing")
		return
	}
	for i, r := range responses {
		part, _ := r.(map[string]any)
		at := fmt.Sprintf("responses[%d]", i)
		status, ok := part["status"].(json.Number)
		if !ok {
			c.fail(at+".status", "%v is no number", part["status"])
			continue
		}
		if _, ok := part["id"].(string); !ok {
			c.fail(at+".id", "%v is no text", part["id"])
		}
		body, hasBody := part["body"]
		if status == "204" && hasBody {
			c.fail(at+".body", "204 has a body")
		}
		if n, _ := status.Int64(); n >= 400 {
			if object, ok := body.(map[string]any); ok {
				inner := &checker{schema: c.schema, origin: c.origin}
				inner.envelope(object, "", "")
				for _, p := range inner.problems {
					c.fail(at+".body", "%s", p)
				}
			} else {
				c.fail(at+".body", "no error envelope")
			}
		}
	}
}

// answer checks a success.
func (c *checker) answer(method string, u *url.URL, v map[string]any) {
	if strings.HasSuffix(u.Path, "/$ref") {
		c.references(v)
		return
	}
	output, cast := output(method, u.Path)
	if output == nil {
		c.fail("path", "no route serves this")
		return
	}
	if r, _, ok := Find(method, u.Path); ok {
		c.plain = r.Answer.GetPlain()
	}
	sel := parseSelection(u.Query())
	c.expanded = sel.expanded
	if list := output.Fields().ByName("value"); list != nil && list.IsList() && list.Message() != nil && cast != "entity" {
		c.list(u.Path, list, cast, v, &sel)
		return
	}
	c.one("", output, cast, v, &sel, true)
}

func (c *checker) list(path string, field protoreflect.FieldDescriptor, cast string, v map[string]any, sel *selection) {
	items, ok := v["value"].([]any)
	if !ok {
		c.fail("value", "%s is no list", kind(v["value"]))
		return
	}
	for name, a := range v {
		if name != "value" {
			if !strings.HasPrefix(name, "@odata.") {
				c.fail(name, "unknown member of a collection")
			}
			c.annotation(name, name, a, true)
		}
	}
	if isChange(field.Message()) {
		c.changes(path, items, v, sel)
		return
	}
	for i, item := range items {
		at := fmt.Sprintf("value[%d]", i)
		object, ok := item.(map[string]any)
		if !ok {
			c.fail(at, "%s is no object", kind(item))
			continue
		}
		if _, typed := object["@odata.type"]; typed && !mixed(field.Message()) && !resource(field.Message()).GetAlwaysTyped() {
			c.fail(at, "@odata.type in a collection of one type")
		}
		c.one(at, field.Message(), cast, object, sel, false)
	}
}

// references checks the answer of a relation that is read by reference.
func (c *checker) references(v map[string]any) {
	list, many := v["value"].([]any)
	if !many {
		list = []any{v}
	}
	for i, item := range list {
		at := fmt.Sprintf("value[%d]", i)
		object, _ := item.(map[string]any)
		if id, _ := object["@odata.id"].(string); !strings.HasPrefix(id, c.origin+"/") {
			c.fail(at, "@odata.id is %v", object["@odata.id"])
		}
		for name, a := range object {
			if !strings.HasPrefix(name, "@odata.") {
				c.fail(at+"."+name, "does not belong in a reference")
			}
			c.annotation(at+"."+name, name, a, !many)
		}
	}
}

// mixed says whether a message stands for objects of several types.
func mixed(m protoreflect.MessageDescriptor) bool {
	return m.Oneofs().Len() > 0 && !m.Oneofs().Get(0).IsSynthetic() && m.Name() == "DirectoryObject"
}

func (c *checker) one(path string, m protoreflect.MessageDescriptor, cast string, o map[string]any, sel *selection, top bool) {
	typeName := resource(m).GetType()
	if mixed(m) {
		typeName = bareTypeOf(o)
		if typeName == "" && cast == "" {
			c.fail(path, "@odata.type is missing")
			return
		}
		if typeName == "" {
			typeName = cast
		}
		if m = messages()[typeName]; m == nil {
			c.fail(path, "type %q is not served", typeName)
			return
		}
	}
	if _, ok := o["@odata.context"]; top && !ok && typeName != "" && !c.plain {
		c.fail(path, "@odata.context is missing")
	}
	if typeName != "" && c.schema.Types[typeName] != nil {
		c.object(path, typeName, o, top)
	}
	c.members(path, m, o, sel)
}

// isFile says whether a request is answered with a file.
func isFile(method, path string) bool {
	r, _, ok := Find(method, path)
	return ok && r.RPC.Output().FullName() == "google.api.HttpBody"
}

// output returns the message that a request is answered with.
func output(method, path string) (m protoreflect.MessageDescriptor, cast string) {
	if route, cast, ok := Find(method, path); ok {
		return route.RPC.Output(), cast
	}
	segments := normalize(path)
	// Files go to a stream of the service, which no binding can describe.
	if method == http.MethodPost && len(segments) == 4 && segments[2] == "bulkOperations" {
		return (&directorypb.BulkOperation{}).ProtoReflect().Descriptor(), ""
	}
	if method == http.MethodPost && len(segments) == 3 && segments[2] == "bulkInvitations" {
		return (&invitationpb.BulkInvitation{}).ProtoReflect().Descriptor(), ""
	}
	// The gateway merges the audit streams of the services by itself.
	if method == http.MethodGet && len(segments) >= 3 && strings.EqualFold(segments[1], "auditLogs") && strings.EqualFold(segments[2], "directoryAudits") {
		if len(segments) == 3 {
			return (&auditpb.ListAuditEventsResponse{}).ProtoReflect().Descriptor(), ""
		}
		return (&auditpb.DirectoryAudit{}).ProtoReflect().Descriptor(), ""
	}
	return nil, ""
}

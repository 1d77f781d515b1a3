package batch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"entente.dev/gateway/internal/graph"
	"entente.dev/servicekit/clock"
)

// next answers by path and remembers the order and the request ids.
type next struct {
	sync.Mutex
	order []string
	ids   map[string]bool
}

func (n *next) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n.Lock()
	n.order = append(n.order, r.URL.Path)
	n.ids[graph.CallFrom(r.Context()).RequestID] = true
	n.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/broken"):
		graph.CallFrom(r.Context()).Accepted = true
		_, _ = w.Write([]byte(`{"half`))
		panic(http.ErrAbortHandler)
	case strings.HasSuffix(r.URL.Path, "/none"):
		w.WriteHeader(404)
		_, _ = w.Write([]byte(`{"error":{"code":"Request_ResourceNotFound"}}`))
	case r.Method == http.MethodDelete:
		w.WriteHeader(204)
	case strings.HasSuffix(r.URL.Path, "/$count"):
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte("42"))
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"path": r.URL.Path, "query": r.URL.RawQuery, "auth": r.Header.Get("Authorization"), "body": string(body), "method": r.Method,
		})
	}
}

func post(t *testing.T, body string) (*httptest.ResponseRecorder, map[string]response, *next) {
	t.Helper()
	return postTo(t, "/beta/$batch", body)
}

func postTo(t *testing.T, target, body string) (*httptest.ResponseRecorder, map[string]response, *next) {
	t.Helper()
	n := &next{ids: map[string]bool{}}
	h := &Handler{Next: n, Clock: clock.System()}
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x.e30.outer")
	r = r.WithContext(graph.WithCall(r.Context(), &graph.Call{RequestID: "outer", ClientRequestID: "outer"}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	var out struct{ Responses []response }
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	byID := map[string]response{}
	for _, r := range out.Responses {
		byID[r.ID] = r
	}
	return rec, byID, n
}

func TestBatch(t *testing.T) {
	t.Parallel()
	_, got, n := post(t, `{"requests":[
		{"id":"a","method":"GET","url":"/users/none"},
		{"id":"b","method":"GET","url":"/organization","dependsOn":["A"]},
		{"id":"c","method":"get","url":"users?$select=id"},
		{"id":"d","method":"POST","url":"/v1.0/users","headers":{"content-type":"application/json","Authorization":"Bearer forged"},"body":{"a":1},"dependsOn":["c"]},
		{"id":"e","method":"DELETE","url":"/users/x"},
		{"id":"f","method":"POST","url":"/users","body":{}},
		{"id":"g","method":"POST","url":"/$batch","headers":{"Content-Type":"application/json"},"body":{}},
		{"id":"h","method":"GET","url":"/users/$count"},
		{"id":"i","method":"GET","url":"/organization","dependsOn":["b"]}
	]}`)
	want := map[string]int{"a": 404, "b": 424, "c": 200, "d": 200, "e": 204, "f": 400, "g": 400, "h": 200, "i": 424}
	for id, status := range want {
		if got[id].Status != status {
			t.Errorf("%s: %d %s", id, got[id].Status, got[id].Body)
		}
	}
	var d map[string]string
	if err := json.Unmarshal(got["d"].Body, &d); err != nil || d["path"] != "/beta/users" || d["auth"] != "Bearer x.e30.outer" || d["body"] != `{"a":1}` {
		t.Errorf("d: %v %s", err, got["d"].Body)
	}
	if got["e"].Body != nil || string(got["h"].Body) != "42" {
		t.Errorf("bodies %s %s", got["e"].Body, got["h"].Body)
	}
	if n.ids["outer"] || len(n.ids) != len(n.order) {
		t.Errorf("request ids are shared: %v", n.ids)
	}
	c, d2 := -1, -1
	for i, p := range n.order {
		if p == "/beta/users" {
			if c < 0 {
				c = i
			} else {
				d2 = i
			}
		}
	}
	if d2 < c {
		t.Errorf("order %v", n.order)
	}
}

func TestBatchRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprintf(`{"id":"%d","method":"GET","url":"/users"}`, i))
	}
	for name, body := range map[string]string{
		"too many":      `{"requests":[` + strings.Join(many, ",") + `]}`,
		"empty":         `{"requests":[]}`,
		"no JSON":       `{`,
		"two values":    `{"requests":[{"id":"a","method":"GET","url":"/x"}]} {}`,
		"same id":       `{"requests":[{"id":"a","method":"GET","url":"/x"},{"id":"A","method":"GET","url":"/x"}]}`,
		"no id":         `{"requests":[{"method":"GET","url":"/x"}]}`,
		"no url":        `{"requests":[{"id":"a","method":"GET"}]}`,
		"unknown id":    `{"requests":[{"id":"a","method":"GET","url":"/x","dependsOn":["b"]}]}`,
		"circle":        `{"requests":[{"id":"a","method":"GET","url":"/x","dependsOn":["b"]},{"id":"b","method":"GET","url":"/x","dependsOn":["a"]}]}`,
		"itself":        `{"requests":[{"id":"a","method":"GET","url":"/x","dependsOn":["a"]}]}`,
		"wrong id type": `{"requests":[{"id":1,"method":"GET","url":"/x"}]}`,
		"no list":       `{"requests":{}}`,
		"null":          `{"requests":null}`,
		"name twice":    `{"requests":[{"id":"a","id":"b","method":"GET","url":"/x"}]}`,
		"deep body":     `{"requests":[{"id":"a","method":"GET","url":"/x","body":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}]}`,
		"wide body":     `{"requests":[{"id":"a","method":"GET","url":"/x","body":[0` + strings.Repeat(",0", 10_000) + `]}]}`,
		"wide beside":   `{"requests":[{"id":"a","method":"GET","url":"/x","more":[0` + strings.Repeat(",0", 10_000) + `]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec, _, n := post(t, body)
			if rec.Code != 400 || len(n.order) != 0 {
				t.Errorf("%d, %d calls: %s", rec.Code, len(n.order), rec.Body)
			}
		})
	}
}

// A step has no more room for its url and its headers than a request.
func TestStepsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 17<<10)
	_, got, n := post(t, fmt.Sprintf(`{"requests":[
		{"id":"url","method":"GET","url":"/%[1]s"},
		{"id":"header","method":"GET","url":"/x","headers":{"Prefer":"%[1]s"}},
		{"id":"headers","method":"GET","url":"/x","headers":{"Prefer":"%[2]s","If-Match":"%[2]s"}},
		{"id":"dropped","method":"GET","url":"/x","headers":{"X":"%[1]s"}},
		{"id":"id","method":"GET","url":"/x","headers":{"client-request-id":"%[1]s"}},
		{"id":"control","method":"GET","url":"/x","headers":{"client-request-id":"a\nb"}},
		{"id":"own","method":"GET","url":"/x","headers":{"client-request-id":"mine"}}]}`, long, long[:9<<10]))
	for id, status := range map[string]int{"url": 400, "header": 400, "headers": 400, "dropped": 200, "id": 200, "control": 200, "own": 200} {
		if got[id].Status != status {
			t.Errorf("%s: %d %s", id, got[id].Status, got[id].Body)
		}
	}
	if got["id"].Headers["Client-Request-Id"] != "outer" || got["control"].Headers["Client-Request-Id"] != "outer" || got["own"].Headers["Client-Request-Id"] != "mine" || len(n.order) != 4 {
		t.Errorf("%v", got)
	}
}

// A step that panics, as a file that breaks off does, ends neither the process
// nor the other steps.
func TestStepThatBreaksOff(t *testing.T) {
	t.Parallel()
	rec, got, _ := post(t, `{"requests":[{"id":"a","method":"GET","url":"/broken"},{"id":"b","method":"GET","url":"/x"},{"id":"c","method":"GET","url":"/x","dependsOn":["a"]}]}`)
	if rec.Code != 200 || got["a"].Status != 500 || !strings.Contains(string(got["a"].Body), "InternalServerError") || got["b"].Status != 200 || got["c"].Status != 424 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// A batch is one of a version, and stays with the tenant in its path.
func TestPathOfABatch(t *testing.T) {
	t.Parallel()
	const one = `{"requests":[{"id":"a","method":"GET","url":"/users"}]}`
	const tenant = "7a1b0c00-0000-4000-8000-000000000001"
	for target, want := range map[string]string{
		"/v1.0/$batch": "/v1.0/users", "/BETA/$Batch": "/beta/users", "/v1.0/" + tenant + "/$batch": "/v1.0/" + tenant + "/users", "/v1.0/myorganization/$batch": "/v1.0/users",
		"/entente/v1/$batch": "", "/v1.0/users/$batch": "", "/admin/v1/$batch": "",
	} {
		rec, _, n := postTo(t, target, one)
		if want == "" && (rec.Code != 404 || len(n.order) != 0) || want != "" && (len(n.order) != 1 || n.order[0] != want) {
			t.Errorf("%s: %d %v", target, rec.Code, n.order)
		}
	}
}

// The bodies of the steps do not share their limits: each may be as large as
// one that comes alone.
func TestBodiesHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	var steps []string
	for i := range maxRequests {
		steps = append(steps, fmt.Sprintf(`{"id":"%d","method":"POST","url":"/x","headers":{"Content-Type":"application/json","Prefer":null},"body":[0%s]}`, i, strings.Repeat(",0", 9_000)))
	}
	rec, got, _ := post(t, `{"requests":[`+strings.Join(steps, ",")+`],"more":null}`)
	if rec.Code != 200 || len(got) != maxRequests || got["0"].Status != 200 {
		t.Errorf("%d, %d answers, first %d %s", rec.Code, len(got), got["0"].Status, got["0"].Body)
	}
}

// A batch of a million steps costs no more than to read the first too many.
func TestManyStepsCostNothing(t *testing.T) { //nolint:paralleltest // it measures what the process allocates
	body := []byte(`{"requests":[{}` + strings.Repeat(",{}", 1_000_000) + `]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parse(body)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "exceeds the maximum value of 20") {
		t.Errorf("%v", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes allocated", got)
	}
	rec, _, n := post(t, string(body))
	if rec.Code != 400 || len(n.order) != 0 || !strings.Contains(rec.Body.String(), "exceeds the maximum value of 20") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// unread fails the test when the body is looked at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// Without a token that can be one nothing is read, whatever else is wrong.
func TestBatchNeedsAToken(t *testing.T) {
	t.Parallel()
	for name, authorization := range map[string]string{
		"none": "", "scheme": "Basic eDp5", "empty": "Bearer ", "no token": "Bearer x", "two parts": "Bearer x.e30", "no signature": "Bearer x.e30.", "no claims": "Bearer x.!.y",
		"no object": "Bearer x.ezA.y", "four parts": "Bearer x.e30.y.z",
	} {
		for _, method := range []string{"POST", "GET"} {
			r := httptest.NewRequest(method, "/v1.0/$batch", unread{t})
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			rec := httptest.NewRecorder()
			(&Handler{Next: &next{}, Clock: clock.System()}).ServeHTTP(rec, r)
			if rec.Code != 401 || !strings.Contains(rec.Body.String(), "InvalidAuthenticationToken") || rec.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s: %d %s", method, name, rec.Code, rec.Body)
			}
		}
	}
}

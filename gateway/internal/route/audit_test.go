package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/clock/clocktest"
	"entente.dev/servicekit/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// auditConn is one service with records, newest first, paged by position in
// that order: the token is the last record's time and id.
type auditConn struct {
	fakeConn
	mu      sync.Mutex
	records []*auditpb.DirectoryAudit
	err     error
}

func (c *auditConn) add(at time.Time, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, &auditpb.DirectoryAudit{Id: id, ActivityDateTime: timestamppb.New(at)})
	slices.SortFunc(c.records, func(a, b *auditpb.DirectoryAudit) int {
		if d := b.GetActivityDateTime().AsTime().Compare(a.GetActivityDateTime().AsTime()); d != 0 {
			return d
		}
		return strings.Compare(b.GetId(), a.GetId())
	})
}

func (c *auditConn) Invoke(_ context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if strings.HasSuffix(method, "GetAuditEvent") {
		for _, r := range c.records {
			if r.GetId() == args.(*auditpb.GetAuditEventRequest).GetId() {
				proto.Merge(reply.(proto.Message), r)
				return nil
			}
		}
		return fault.NotFound(errorspb.Reason_NOT_FOUND, "")
	}
	q := args.(*auditpb.ListAuditEventsRequest).GetQuery()
	from := 0
	if q.GetSkiptoken() != "" {
		for from < len(c.records) && key(c.records[from]) >= q.GetSkiptoken() {
			from++
		}
	}
	page := c.records[from:min(len(c.records), from+int(q.GetTop()))]
	out := reply.(*auditpb.ListAuditEventsResponse)
	for _, r := range page {
		out.Value = append(out.Value, proto.Clone(r).(*auditpb.DirectoryAudit))
	}
	if from+len(page) < len(c.records) {
		out.NextPageToken = key(page[len(page)-1])
	}
	return nil
}

func key(r *auditpb.DirectoryAudit) string {
	return fmt.Sprintf("%019d %s", r.GetActivityDateTime().AsTime().UnixNano(), r.GetId())
}

func auditRouter(t *testing.T, conns []*auditConn) *Router {
	t.Helper()
	rt, err := New(t.Context(), Config{
		Conns: Conns{conns[0], conns[1], conns[2], conns[3]}, Clock: clocktest.New(time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC)), TokenKey: make([]byte, 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

type auditAnswer struct {
	Value []struct{ ID, ActivityDateTime string }
	Next  string `json:"@odata.nextLink"`
}

func getAudits(t *testing.T, rt *Router, target string) auditAnswer {
	t.Helper()
	rec := do(rt, "GET", target, "", "Authorization", "Bearer x.e30.y")
	var a auditAnswer
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || rec.Code != 200 {
		t.Fatalf("%s: %d %v %s", target, rec.Code, err, rec.Body)
	}
	return a
}

// The merged list has every record once and in order, at every page size,
// while the services go on writing.
func TestAuditsAreMerged(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for _, size := range []int{1, 2, 3, 7, 20, 999} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			conns := []*auditConn{{}, {}, {}, {}}
			want := map[string]bool{}
			for i := range 40 {
				id := fmt.Sprintf("%08d", i)
				// Uneven shares, and several records at the same moment.
				conns[i*i%3].add(base.Add(time.Duration(i/3)*time.Second), id)
				want[id] = true
			}
			rt := auditRouter(t, conns)
			target := fmt.Sprintf("/v1.0/auditLogs/directoryAudits?$top=%d", size)
			var last string
			for pages := 0; target != ""; pages++ {
				if pages > 60 {
					t.Fatal("the list does not end")
				}
				a := getAudits(t, rt, target)
				if len(a.Value) > size {
					t.Fatalf("%d records on a page of %d", len(a.Value), size)
				}
				for _, r := range a.Value {
					if !want[r.ID] {
						t.Fatalf("%s repeated or unknown", r.ID)
					}
					delete(want, r.ID)
					if at := r.ActivityDateTime + r.ID; last != "" && at >= last {
						t.Fatalf("%s after %s", at, last)
					} else {
						last = at
					}
				}
				conns[pages%4].add(base.Add(time.Hour+time.Duration(pages)*time.Second), fmt.Sprintf("new%d", pages))
				target = strings.TrimPrefix(a.Next, "https://host:8443")
			}
			if len(want) != 0 {
				t.Errorf("missing %v", want)
			}
		})
	}
}

func TestAuditFailures(t *testing.T) {
	t.Parallel()
	conns := []*auditConn{{}, {}, {}, {}}
	const id = "7a1b0c00-0000-4000-8000-000000000001"
	conns[2].add(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), id)
	conns[2].add(time.Date(2026, 11, 20, 0, 0, 1, 0, time.UTC), "8")
	rt := auditRouter(t, conns)
	if rec := do(rt, "GET", "/v1.0/auditLogs/directoryAudits/"+strings.ToUpper(id), ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), id) {
		t.Errorf("get: %d %s", rec.Code, rec.Body)
	}
	if rec := do(rt, "GET", "/v1.0/auditLogs/directoryAudits/7a1b0c00-0000-4000-8000-000000000009", ""); rec.Code != 404 {
		t.Errorf("unknown: %d %s", rec.Code, rec.Body)
	}
	a := getAudits(t, rt, "/v1.0/auditLogs/directoryAudits?$top=1&$select=id")
	next := strings.TrimPrefix(a.Next, "https://host:8443")
	for name, target := range map[string]string{
		"changed byte": next[:len(next)-1] + "-", "other query": next + "&$filter=result eq 'failure'", "garbage": "/v1.0/auditLogs/directoryAudits?$skiptoken=x",
	} {
		if rec := do(rt, "GET", strings.ReplaceAll(target, " ", "%20"), "", "Authorization", "Bearer x.e30.y"); rec.Code != 400 || !strings.Contains(rec.Body.String(), "Directory_ExpiredPageToken") {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	conns[1].err = errors.New("down")
	if rec := do(rt, "GET", "/v1.0/auditLogs/directoryAudits", ""); rec.Code != 500 {
		t.Errorf("a part that fails: %d", rec.Code)
	}
}

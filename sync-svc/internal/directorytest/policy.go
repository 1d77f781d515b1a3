package directorytest

import (
	"context"
	"slices"
	"strings"
	"sync"

	policypb "entente.dev/proto/gen/entente/policy/v1"
	"google.golang.org/grpc"
)

// Policy is what two tenants allow.
type Policy struct {
	mu       sync.Mutex
	current  int64
	failures []*policypb.CheckSyncResponse_Failure
	refusals map[string]string
	blocked  []string // domains
	// Asked counts decisions about users.
	Asked int
}

// NewPolicy allows everything.
func NewPolicy() *Policy { return &Policy{current: 1, refusals: map[string]string{}} }

// Fail makes the named conditions fail; none allows everything.
func (p *Policy) Fail(targets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current++
	p.failures = nil
	for _, t := range targets {
		p.failures = append(p.failures, &policypb.CheckSyncResponse_Failure{Target: t})
	}
}

// Refuse names the rule that refuses a new user; an empty one allows it.
func (p *Policy) Refuse(user, rule string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current++
	p.refusals[user] = rule
}

// Block makes the domain list refuse addresses of the domains; none admits all.
func (p *Policy) Block(domains ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current++
	p.blocked = domains
}

func (p *Policy) version() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// CheckSync implements the decision about the connection.
func (p *Policy) CheckSync(_ context.Context, _ *policypb.CheckSyncRequest, _ ...grpc.CallOption) (*policypb.CheckSyncResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &policypb.CheckSyncResponse{Allowed: len(p.failures) == 0, Failures: p.failures, PolicyVersion: p.current}, nil
}

// CheckSyncUsers implements the decision about users.
func (p *Policy) CheckSyncUsers(_ context.Context, r *policypb.CheckSyncUsersRequest, _ ...grpc.CallOption) (*policypb.CheckSyncUsersResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Asked += len(r.GetUsers())
	response := &policypb.CheckSyncUsersResponse{PolicyVersion: p.current, SyncAllowed: len(p.failures) == 0, AllAllowed: len(p.refusals) == 0 && len(p.blocked) == 0}
	for _, u := range r.GetUsers() {
		rule := ""
		if !u.GetExisting() {
			rule = p.refusals[u.GetUserId()]
		}
		if _, domain, _ := strings.Cut(u.GetEmail(), "@"); slices.Contains(p.blocked, domain) {
			rule = "DomainList"
		}
		response.Refusals = append(response.Refusals, rule)
	}
	return response, nil
}

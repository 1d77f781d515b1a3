package main

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/grpc/metadata"

	"entente.dev/deploy/bench/internal/floor"
	"entente.dev/deploy/bench/internal/load"
	"entente.dev/deploy/bench/internal/suite"
	odatapb "entente.dev/proto/gen/entente/odata/v1"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
)

// operation is one line of the table.
type operation struct {
	name   string
	floor  floor.Script // empty: a rate without a floor
	target string       // as DESIGN section 7 states it
	op     load.Op
}

// fixture is what the operations work on.
type fixture struct {
	suite   *suite.Suite
	contoso suite.Tenant
	other   suite.Tenant
	userIDs []string
	run     string // makes names unique over repeated runs on one database
}

func newFixture(ctx context.Context, s *suite.Suite, run string) (*fixture, error) {
	f := &fixture{suite: s, run: run}
	for _, t := range s.Tenants {
		switch t.Name {
		case "contoso":
			f.contoso = t
		case "fabrikam":
			f.other = t
		}
	}
	if f.contoso.TenantID == "" || f.other.TenantID == "" {
		return nil, fmt.Errorf("the demo tenants contoso and fabrikam are missing in entente.json")
	}
	var page struct {
		Value []struct {
			ID string `json:"id"`
		} `json:"value"`
	}
	if err := s.Call(ctx, f.contoso, http.MethodGet, "/v1.0/users?$top=200&$select=id", nil, &page); err != nil {
		return nil, err
	}
	for _, u := range page.Value {
		f.userIDs = append(f.userIDs, u.ID)
	}
	return f, nil
}

func (f *fixture) user(n int64) string { return f.userIDs[int(n)%len(f.userIDs)] }

func (f *fixture) newUser(n int64) map[string]any {
	name := fmt.Sprintf("bench-%s-%d", f.run, n)
	return map[string]any{
		"accountEnabled": true, "displayName": "Bench " + name, "mailNickname": name,
		"userPrincipalName": name + "@" + f.contoso.Domain, "department": "Bench",
		"passwordProfile": map[string]any{"password": "Xk7#pQ9w-Lr2v"},
	}
}

func (f *fixture) rest(method, path func(n int64) string, body func(n int64) any) load.Op {
	return func(ctx context.Context, n int64) error {
		var payload any
		if body != nil {
			payload = body(n)
		}
		return f.suite.Call(ctx, f.contoso, method(n), path(n), payload, nil)
	}
}

func always(s string) func(int64) string { return func(int64) string { return s } }

// operations are those of DESIGN section 7 that exist.
func (f *fixture) operations(ctx context.Context) ([]operation, error) {
	token, err := f.suite.Token(ctx, f.contoso)
	if err != nil {
		return nil, err
	}
	directory, err := f.suite.Dial("directory", "")
	if err != nil {
		return nil, err
	}
	// The decision point answers services only; the bench takes the identity
	// of one from the data folder.
	policy, err := f.suite.Dial("policy", "invitation-svc")
	if err != nil {
		return nil, err
	}
	users := directorypb.NewUserServiceClient(directory)
	decisions := policypb.NewDecisionServiceClient(policy)
	top := int32(100)
	signedIn := func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return []operation{
		{"create user, REST", floor.ThreeRows, "≥ 45 % at c=8", f.rest(always(http.MethodPost), always("/v1.0/users"), func(n int64) any { return f.newUser(n) })},
		{"create invitation, REST", floor.ThreeRows, "≥ 25 % at c=8", f.rest(always(http.MethodPost), always("/v1.0/invitations"), func(n int64) any {
			return map[string]any{
				"invitedUserEmailAddress": fmt.Sprintf("bench.%s.%d@invited.example", f.run, n),
				"inviteRedirectUrl":       "https://app.contoso.example/welcome", "sendInvitationMessage": true,
			}
		})},
		{"get user, REST", floor.PrimaryKey, "≥ 12 %", f.rest(always(http.MethodGet), func(n int64) string { return "/v1.0/users/" + f.user(n) }, nil)},
		{"get user, gRPC", floor.PrimaryKey, "≥ 20 %", func(ctx context.Context, n int64) error {
			_, err := users.GetUser(signedIn(ctx), &directorypb.GetUserRequest{Id: f.user(n)})
			return err
		}},
		{"list 100 users, REST", floor.Keyset, "≥ 10 %", f.rest(always(http.MethodGet), always("/v1.0/users?$top=100"), nil)},
		{"list 100 users, gRPC", floor.Keyset, "", func(ctx context.Context, n int64) error {
			_, err := users.ListUsers(signedIn(ctx), &directorypb.ListUsersRequest{Query: &odatapb.Query{Top: &top}})
			return err
		}},
		{"list users by filter, REST", floor.Keyset, "", f.rest(always(http.MethodGet), always("/v1.0/users?$filter=userType%20eq%20'Member'%20and%20startswith(displayName,'a')&$top=100"), nil)},
		{"token by client credentials", "", "≥ 2 000/s", func(ctx context.Context, n int64) error {
			_, err := f.suite.IssueToken(ctx, f.contoso)
			return err
		}},
		{"policy decision, both tenants, gRPC", "", "p99 ≤ 1 ms at 1 000/s", func(ctx context.Context, n int64) error {
			_, err := decisions.CheckB2B(ctx, &policypb.CheckB2BRequest{
				ResourceTenantId: f.contoso.TenantID, HomeTenantId: f.other.TenantID,
				Subject: &policypb.Subject{UserId: f.user(n), GroupsKnown: true},
			})
			return err
		}},
	}, nil
}

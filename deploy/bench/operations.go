package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"entente.dev/deploy/bench/internal/floor"
	"entente.dev/deploy/bench/internal/load"
	"entente.dev/deploy/bench/internal/report"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
)

// operation is one line of the table.
type operation struct {
	name   string
	floor  floor.Script // empty: a rate without a floor
	target string       // as DESIGN section 7 states it
	op     load.Op
}

// directory is the directory over gRPC, as the administrator application of
// Contoso.
func (f *fixture) directory(ctx context.Context) (getUser, listUsers load.Op, err error) {
	token, err := f.suite.Token(ctx, f.contoso)
	if err != nil {
		return nil, nil, err
	}
	conn, err := f.suite.Dial("directory", "")
	if err != nil {
		return nil, nil, err
	}
	users := directorypb.NewUserServiceClient(conn)
	top := int32(100)
	signedIn := func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	getUser = func(ctx context.Context, n int64) error {
		_, err := users.GetUser(signedIn(ctx), &directorypb.GetUserRequest{Id: f.user(n)})
		return err
	}
	listUsers = func(ctx context.Context, n int64) error {
		_, err := users.ListUsers(signedIn(ctx), &directorypb.ListUsersRequest{Query: &odatapb.Query{Top: &top}})
		return err
	}
	return getUser, listUsers, nil
}

func (f *fixture) getUserByREST() load.Op {
	return f.get(f.contoso, func(n int64) string { return "/v1.0/users/" + f.user(n) })
}

// reads are the operations of DESIGN section 7 that leave nothing behind.
func (f *fixture) reads(ctx context.Context) ([]operation, error) {
	getUser, listUsers, err := f.directory(ctx)
	if err != nil {
		return nil, err
	}
	decide, err := f.decision()
	if err != nil {
		return nil, err
	}
	return []operation{
		{"get user, REST", floor.PrimaryKey, "≥ 12 %", f.getUserByREST()},
		{"get user, gRPC", floor.PrimaryKey, "≥ 20 %", getUser},
		{"list 100 users, REST", floor.Keyset, "≥ 10 %", f.get(f.contoso, always("/v1.0/users?$top=100"))},
		{"list 100 users, gRPC", floor.Keyset, "", listUsers},
		{"list users by filter, REST", floor.Keyset, "", f.get(f.contoso, always(filter("userType eq 'Member' and startswith(displayName,'a')")))},
		{"token by client credentials", "", "≥ 2 000/s", func(ctx context.Context, _ int64) error {
			_, err := f.suite.IssueToken(ctx, f.contoso)
			return err
		}},
		{"policy decision, both tenants, gRPC", "", "p99 ≤ 1 ms at 1 000/s", decide(f.contoso)},
	}, nil
}

// writes are measured last: what they leave behind, such as passwords to
// harden, keeps the suite busy.
func (f *fixture) writes() []operation {
	return []operation{
		{"create invitation, REST", floor.ThreeRows, "≥ 25 % at c=8", f.post("/v1.0/invitations", func(n int64) any {
			return map[string]any{
				"invitedUserEmailAddress": fmt.Sprintf("bench.%s.%d@invited.example", f.run, n),
				"inviteRedirectUrl":       "https://app.contoso.example/welcome", "sendInvitationMessage": true,
			}
		})},
		{"create user, REST", floor.ThreeRows, "≥ 45 % at c=8", f.post("/v1.0/users", func(n int64) any { return f.newUser(n) })},
	}
}

// measure runs suite and floor in turns, so that a busy moment of the machine
// falls on both.
func (f *fixture) measure(ctx context.Context, bottom *floor.Bench, operations []operation) error {
	for _, op := range operations {
		// A turn of each that does not count fills caches and connections.
		most := slices.Max(f.clients)
		if _, err := load.Run(ctx, most, f.warm(), &f.sequence, op.op); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
		if op.floor != "" {
			if _, err := bottom.Run(ctx, op.floor, most, f.warm()); err != nil {
				return err
			}
		}
		for _, c := range f.clients {
			if err := f.measureAt(ctx, bottom, op, c); err != nil {
				return fmt.Errorf("%s with %d clients: %w", op.name, c, err)
			}
		}
	}
	return nil
}

func (f *fixture) measureAt(ctx context.Context, bottom *floor.Bench, op operation, c int) error {
	r := report.Row{Operation: op.name, Target: op.target, Clients: c}
	for range f.rounds {
		result, err := load.Run(ctx, c, f.length, &f.sequence, op.op)
		if err != nil {
			return err
		}
		r.Rates = append(r.Rates, result.Rate)
		r.P50 = append(r.P50, report.Milliseconds(result.P50))
		r.P99 = append(r.P99, report.Milliseconds(result.P99))
		if op.floor == "" {
			continue
		}
		rate, err := bottom.Run(ctx, op.floor, c, f.length)
		if err != nil {
			return err
		}
		r.Floors = append(r.Floors, rate)
	}
	f.report.Rows = append(f.report.Rows, r)
	fmt.Fprintf(os.Stderr, "%s, %d clients: %.0f/s\n", op.name, c, report.Median(r.Rates))
	return nil
}

// measureOverhead reads users over REST and over gRPC, call by call, and
// reports what the gateway adds.
func (f *fixture) measureOverhead(ctx context.Context) error {
	getUser, _, err := f.directory(ctx)
	if err != nil {
		return err
	}
	byREST := f.getUserByREST()
	if _, _, err := load.Alternate(ctx, f.warm(), &f.sequence, byREST, getUser); err != nil {
		return err
	}
	var added []float64
	for range f.rounds {
		rest, grpc, err := load.Alternate(ctx, f.length, &f.sequence, byREST, getUser)
		if err != nil {
			return err
		}
		added = append(added, report.Milliseconds(rest.P50-grpc.P50))
	}
	f.fact("gateway on top of gRPC: p50 of get user, REST − gRPC, c=1", "ms", "≤ 0.4", added...)
	return nil
}

// pick leaves the operations that were asked for.
func (f *fixture) pick(all []operation) []operation {
	return slices.DeleteFunc(all, func(op operation) bool { return !f.wanted(op.name) })
}

// wanted tells whether a part of the bench was asked for.
func (f *fixture) wanted(name string) bool { return strings.Contains(name, f.only) }

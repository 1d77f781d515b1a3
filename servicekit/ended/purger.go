package ended

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/pg"
	"entente.dev/servicekit/tenant"
	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations make the table of ended tenants and the function that deletes
// their rows; put it among the service's sources.
var Migrations = pg.Source{Name: "ended", FS: migrations()}

func migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil { // the folder is part of the program
		panic(err)
	}
	return sub
}

// Directory tells which tenants ended.
type Directory interface {
	ListEndedTenants(context.Context, *directorypb.ListEndedTenantsRequest, ...grpc.CallOption) (*directorypb.ListEndedTenantsResponse, error)
}

const (
	// every and jitter are the rhythm of Run.
	every  = 30 * time.Minute
	jitter = 5 * time.Minute
	// page is how many ended tenants are asked for at once.
	page = 1000
	// overlap is how far the question reaches back behind the last answer: a
	// tenant may become visible after one that ended later.
	overlap = time.Hour
	// settling is how long a tenant is looked after: what was under way when it
	// ended may leave rows behind.
	settling = 24 * time.Hour
	// rows is how many rows of each table one transaction deletes.
	rows = 1000
)

// Purger deletes the rows of ended tenants, some at a time, so that neither
// locks nor a long transaction hold others up. It may run in several processes
// of a service at the same time.
type Purger struct {
	DB        *pg.DB
	Directory Directory
	Clock     clock.Clock
	Log       *slog.Logger
	// Forget, unless nil, removes first what other tenants hold of an ended
	// one. It is called again until the tenant is settled.
	Forget func(context.Context, tenant.ID) error
}

// Run looks for tenants that ended until ctx ends, whose error it answers.
func (p *Purger) Run(ctx context.Context) error {
	return lifecycle.Loop(ctx, p.Log, "purge ended tenants", every, jitter, func(ctx context.Context) error {
		_, err := p.RunOnce(ctx)
		return err
	})
}

// RunOnce learns which tenants ended and deletes their rows. It answers how
// many rows those were.
func (p *Purger) RunOnce(ctx context.Context) (int, error) {
	if err := p.learn(ctx); err != nil {
		return 0, err
	}
	open, err := p.open(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	var failed []error // one tenant that fails keeps no other waiting
	for _, t := range open {
		n, err := p.purge(ctx, t.id)
		done += n
		if now := p.Clock.Now(); err == nil && n == 0 && now.Sub(t.at) > settling {
			err = p.settle(ctx, t.id, now)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("purge ended tenant %s: %w", t.id, err))
		} else if n > 0 {
			p.Log.InfoContext(ctx, "rows of an ended tenant deleted", "tenant", t.id.String(), "rows", n)
		}
	}
	return done, errors.Join(failed...)
}

// learn adds the tenants that ended since the last one that is known.
func (p *Purger) learn(ctx context.Context) error {
	var last *time.Time
	err := p.DB.GlobalRead(ctx, func(tx *pg.Tx) error {
		return tx.Pgx().QueryRow(ctx, "select max(ended_at) from ended_tenants").Scan(&last)
	})
	if err != nil {
		return err
	}
	request := &directorypb.ListEndedTenantsRequest{Limit: page}
	if last != nil {
		request.Since = timestamppb.New(last.Add(-overlap))
	}
	for {
		answer, err := p.Directory.ListEndedTenants(ctx, request)
		if err != nil {
			return fmt.Errorf("list ended tenants: %w", err)
		}
		err = p.DB.Global(ctx, func(tx *pg.Tx) error {
			for _, t := range answer.GetTenants() {
				id, err := tenant.Parse(t.GetTenantId())
				if err != nil {
					return fmt.Errorf("list ended tenants: %w", err)
				}
				tx.Queue("insert into ended_tenants (id, ended_at) values ($1, $2) on conflict do nothing", id.UUID(), t.GetEndedAt().AsTime())
			}
			return nil
		})
		n := len(answer.GetTenants())
		if err != nil || n < page {
			return err
		}
		request.Since, request.AfterId = answer.GetTenants()[n-1].GetEndedAt(), answer.GetTenants()[n-1].GetTenantId()
	}
}

type openTenant struct {
	id tenant.ID
	at time.Time
}

// open lists the tenants that are not settled.
func (p *Purger) open(ctx context.Context) (list []openTenant, err error) {
	err = p.DB.GlobalRead(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Pgx().Query(ctx, "select id, ended_at from ended_tenants where settled_at is null order by ended_at")
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (openTenant, error) {
			var t openTenant
			err := row.Scan((*[16]byte)(&t.id), &t.at)
			return t, err
		})
		return err
	})
	return list, err
}

// purge deletes all rows of one tenant.
func (p *Purger) purge(ctx context.Context, t tenant.ID) (done int, err error) {
	if p.Forget != nil {
		if err := p.Forget(ctx, t); err != nil {
			return 0, err
		}
	}
	for {
		var n int
		err := p.DB.Write(ctx, t, func(tx *pg.Tx) error {
			return tx.Pgx().QueryRow(ctx, "select purge_ended_tenant($1, $2)", t.UUID(), rows).Scan(&n)
		})
		if err != nil || n == 0 {
			return done, err
		}
		done += n
	}
}

// settle ends the care for a tenant that has left nothing behind.
func (p *Purger) settle(ctx context.Context, t tenant.ID, now time.Time) error {
	return p.DB.Global(ctx, func(tx *pg.Tx) error {
		tx.Queue("update ended_tenants set settled_at = $2 where id = $1", t.UUID(), now)
		return nil
	})
}

package jobs

import (
	"context"

	"entente.dev/invitation-svc/internal/saga"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// Service is the name this service has among its siblings.
const Service = "invitation-svc"

// asService is the context of work that the service does on its own account
// for one tenant; audit records name it.
func asService(ctx context.Context, t tenant.ID) context.Context {
	return caller.With(rpc.AsService(ctx), caller.Caller{Kind: caller.Service, Service: Service, Tenant: t, RequestID: uuid.NewString()})
}

// Linker answers requests for fresh links.
type Linker struct {
	river.WorkerDefaults[saga.LinkJob]
	Saga *saga.Saga
}

// Work mails a fresh link if the invitation is one that can be renewed.
func (l *Linker) Work(ctx context.Context, job *river.Job[saga.LinkJob]) error {
	t, err := tenant.Parse(job.Args.Tenant)
	if err != nil {
		return river.JobCancel(err)
	}
	return l.Saga.Renew(asService(ctx, t), t, job.Args.Invitation)
}

// Recorder keeps the record of bad links, for tenants that exist.
type Recorder struct {
	river.WorkerDefaults[saga.BadLinkJob]
	Saga *saga.Saga
}

// Work writes the record.
func (r *Recorder) Work(ctx context.Context, job *river.Job[saga.BadLinkJob]) error {
	t, err := tenant.Parse(job.Args.Tenant)
	if err != nil {
		return river.JobCancel(err)
	}
	ctx = asService(ctx, t)
	_, err = r.Saga.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: t.String()})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.Saga.RecordBadLink(ctx, t, job.Args.Invitation, job.Args.Why)
}

// HomeRecorder tells home tenants of their accounts abroad.
type HomeRecorder struct {
	river.WorkerDefaults[saga.HomeJob]
	Saga *saga.Saga
}

// Work writes the record.
func (r *HomeRecorder) Work(ctx context.Context, job *river.Job[saga.HomeJob]) error {
	home, err := tenant.Parse(job.Args.Home)
	if err != nil {
		return river.JobCancel(err)
	}
	return r.Saga.RecordHome(asService(ctx, home), home, job.Args)
}

// SignInRecorder tells the directory of redemptions, which are sign-ins.
type SignInRecorder struct {
	river.WorkerDefaults[saga.SignInJob]
	Saga *saga.Saga
}

// Work has the sign-in logged.
func (r *SignInRecorder) Work(ctx context.Context, job *river.Job[saga.SignInJob]) error {
	t, err := tenant.Parse(job.Args.Tenant)
	if err != nil {
		return river.JobCancel(err)
	}
	return r.Saga.RecordSignIn(asService(ctx, t), t, job.Args)
}

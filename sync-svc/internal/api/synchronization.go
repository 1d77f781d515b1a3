package api

import (
	"context"
	"sync"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc"

	"entente.dev/sync-svc/internal/access"
	"entente.dev/sync-svc/internal/engine"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/store"
)

// Applications makes and finds the directory objects of configurations.
type Applications interface {
	CreateSynchronizationApplication(context.Context, *directorypb.CreateSynchronizationApplicationRequest, ...grpc.CallOption) (*directorypb.CreateSynchronizationApplicationResponse, error)
	GetSynchronizationApplication(context.Context, *directorypb.GetSynchronizationApplicationRequest, ...grpc.CallOption) (*directorypb.SynchronizationApplication, error)
}

// Synchronization implements entente.sync.v1.SynchronizationService.
type Synchronization struct {
	syncpb.UnimplementedSynchronizationServiceServer
	store  *store.Store
	engine *engine.Engine
	apps   Applications
	tokens *odata.Tokens
	clock  clock.Clock

	onDemand, validations limiter
}

var _ syncpb.SynchronizationServiceServer = (*Synchronization)(nil)

// New builds the handlers.
func New(s *store.Store, e *engine.Engine, apps Applications, tokens *odata.Tokens, c clock.Clock) *Synchronization {
	return &Synchronization{store: s, engine: e, apps: apps, tokens: tokens, clock: c,
		onDemand: limiter{most: 5, window: 10 * time.Second}, validations: limiter{most: 10, window: time.Minute}}
}

// configuration is the directory side of what a request is about.
type configuration struct {
	tenant           tenant.ID
	servicePrincipal uuid.UUID
	application      uuid.UUID
	appID            string
	name             string
	template         string
}

// right is what a caller wants to do with a configuration.
type right func(caller.Caller, []string) error

var (
	toRead  right = access.Read
	toWrite right = access.Write
)

// configuration finds the configuration of a request and authorizes the
// caller on it. Service principals of other kinds are found too: they have no
// templates and no jobs.
func (s *Synchronization) configuration(ctx context.Context, id string, may right) (configuration, error) {
	c := caller.From(ctx)
	if _, err := uuid.Parse(id); err != nil && (len(id) < 6 || id[:6] != "appId=") {
		return configuration{}, notFound(id)
	}
	app, err := s.apps.GetSynchronizationApplication(ctx, &directorypb.GetSynchronizationApplicationRequest{TenantId: c.Tenant.String(), ServicePrincipalId: id})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return configuration{}, notFound(id)
	}
	if err != nil {
		return configuration{}, err
	}
	if err := may(c, app.GetOwnerIds()); err != nil {
		return configuration{}, err
	}
	conf := configuration{tenant: c.Tenant, appID: app.GetAppId(), name: app.GetDisplayName(), template: app.GetTemplateId()}
	if conf.servicePrincipal, err = uuid.Parse(app.GetServicePrincipalId()); err != nil {
		return conf, err
	}
	conf.application, err = uuid.Parse(app.GetApplicationId())
	return conf, err
}

// synchronizes reports whether the configuration was made from the template.
func (c configuration) synchronizes() bool { return c.template == mapping.ApplicationTemplateID }

func notFound(id string) error {
	return fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource '%s' does not exist or one of its queried reference-property objects are not present.", id).WithMeta("key", id)
}

func invalid(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_INVALID_REQUEST, format, args...)
}

// event is an audit record about the configuration.
func (c configuration) event(activity, operation string, modified ...store.Modified) store.Event {
	return store.Event{Activity: activity, Category: "ApplicationManagement", Operation: operation, ServicePrincipal: c.servicePrincipal.String(), Name: c.name, Modified: modified}
}

// change is a modified property of an audit record; equal values are none.
func change(name, old, value string) store.Modified {
	m := store.Modified{Name: name}
	if old != "" {
		m.Old = &old
	}
	if value != "" {
		m.New = &value
	}
	return m
}

// limiter allows so many calls in a sliding window, per key.
type limiter struct {
	most   int
	window time.Duration

	mu    sync.Mutex
	calls map[string][]time.Time
}

// take counts a call, or says how long to wait.
func (l *limiter) take(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil || len(l.calls) > 10_000 {
		l.calls = map[string][]time.Time{}
	}
	recent := l.calls[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= l.window {
		recent = recent[1:]
	}
	if len(recent) >= l.most {
		l.calls[key] = recent
		return max(l.window-now.Sub(recent[0]), time.Second), false
	}
	l.calls[key] = append(recent, now)
	return 0, true
}

func throttled(wait time.Duration) error {
	return fault.Exhausted(errorspb.Reason_THROTTLED, "Too many requests. Try again later.").WithRetryAfter(wait)
}

package saga

import (
	"context"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/store"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// SignInJob writes a redemption to the directory's log of sign-ins, from which
// activity and monthly active users are counted (DIR-231). It is owed in the
// transaction of the commit, so that a directory that is away costs nobody a
// redemption, and no redemption is missed.
type SignInJob struct {
	Tenant      string    `json:"tenant"`
	Redemption  uuid.UUID `json:"redemption"` // the event, so that a repeat counts once
	User        uuid.UUID `json:"user"`
	Home        string    `json:"home,omitempty"`
	Correlation string    `json:"correlation,omitempty"`
	At          time.Time `json:"at"`
}

// Kind names the job in the queue.
func (SignInJob) Kind() string { return "sign-in" }

func (s *Saga) oweSignIn(ctx context.Context, tx store.Tx, f store.Flow) error {
	j := SignInJob{Tenant: tx.Tenant.String(), Redemption: f.ID, User: f.User, Correlation: caller.From(ctx).RequestID, At: s.Clock.Now()}
	if home := f.Identity.HomeTenant; !home.IsZero() {
		j.Home = home.String()
	}
	return s.Jobs.Enqueue(tx.Tx, j, time.Time{})
}

// RecordSignIn has the directory log a redemption. The client is the one that
// consented; nothing is known of it where consent was waived.
func (s *Saga) RecordSignIn(ctx context.Context, t tenant.ID, j SignInJob) error {
	r := &directorypb.RecordSignInRequest{
		TenantId: t.String(), EventId: j.Redemption.String(), UserId: j.User.String(), HomeTenantId: j.Home, ClientAppUsed: "Browser",
		CorrelationId: j.Correlation, Interactive: true, CrossTenantAccessType: "b2bCollaboration", ConditionalAccessStatus: "notApplied",
		At: timestamppb.New(j.At),
	}
	err := s.Store.Read(ctx, t, func(tx store.Tx) (err error) {
		r.IpAddress, r.UserAgent, err = tx.ConsentOrigin(j.Redemption)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	_, err = s.SignIns.RecordSignIn(ctx, r)
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return nil // the user or the tenant is gone for good
	}
	return err
}

package saga

import (
	"context"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/throttle"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

// counted is one limit with the subject it is counted for.
type counted struct {
	limit   throttle.Limit
	subject [32]byte
}

func (s *Saga) subject(name string, l throttle.Limit, who ...string) [32]byte {
	return throttle.Subject(s.Keys.Throttle, name, l, who...)
}

// perInviter are the limits that an invitation counts against as such.
func (s *Saga) perInviter(t tenant.ID, by invitation.Inviter) []counted {
	own, name := s.Limits.PerMember, "member"
	if by.Privileged() {
		own, name = s.Limits.PerAdmin, "admin"
	}
	var all []counted
	if !s.Limits.PerTenant.Off() {
		all = append(all, counted{s.Limits.PerTenant, s.subject("tenant", s.Limits.PerTenant, t.String())})
	}
	for _, l := range own {
		if !l.Off() {
			all = append(all, counted{l, s.subject(name, l, t.String(), by.ID.String())})
		}
	}
	return all
}

// quota is gate G11: a fault when one more invitation would be too many.
func (s *Saga) quota(ctx context.Context, t tenant.ID, by invitation.Inviter, d invitation.Draft) (refused, failed error) {
	all := s.perInviter(t, by)
	if d.SendMessage && !d.Address.IsZero() {
		for _, l := range s.Limits.MailsTo {
			if !l.Off() {
				all = append(all, counted{l, s.subject("mails", l, d.Address.Key())})
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	failed = s.Store.Read(ctx, t, func(tx store.Tx) error {
		now := s.Clock.Now()
		for _, c := range all {
			used, err := tx.Used(c.subject, c.limit, now)
			if err != nil {
				return err
			}
			if ok, wait := c.limit.Check(used, now); !ok {
				refused = tooMany(wait)
				return nil
			}
		}
		return nil
	})
	return refused, failed
}

// spend counts an invitation, in the last round trip of its transaction.
func (s *Saga) spend(tx store.Tx, t tenant.ID, i invitation.Invitation) {
	now := s.Clock.Now()
	for _, c := range s.perInviter(t, i.Inviter) {
		tx.Count(c.subject, c.limit, now)
	}
}

func tooMany(wait time.Duration) error {
	return fault.Exhausted(errorspb.Reason_THROTTLED, "Too many requests. Try again later.").WithRetryAfter(wait.Round(time.Second))
}

package saga

import (
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/throttle"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

func (s *Saga) subject(name string, l throttle.Limit, who ...string) [32]byte {
	return throttle.Subject(s.Keys.Throttle, name, l, who...)
}

// perInviter are the limits that an invitation counts against as such.
func (s *Saga) perInviter(t tenant.ID, by invitation.Inviter) []store.Counted {
	own, name := s.Limits.PerMember, "member"
	if by.Privileged() {
		own, name = s.Limits.PerAdmin, "admin"
	}
	var all []store.Counted
	if !s.Limits.PerTenant.Off() {
		all = append(all, store.Counted{Limit: s.Limits.PerTenant, Subject: s.subject("tenant", s.Limits.PerTenant, t.String())})
	}
	for _, l := range own {
		if !l.Off() {
			all = append(all, store.Counted{Limit: l, Subject: s.subject(name, l, t.String(), by.ID.String())})
		}
	}
	return all
}

// counted are all limits that a request counts against.
func (s *Saga) counted(t tenant.ID, by invitation.Inviter, r invitation.Request) []store.Counted {
	all := s.perInviter(t, by)
	address, wrong := invitation.ParseAddress(r.Address, false)
	if !r.SendMessage || wrong != "" {
		return all
	}
	for _, l := range s.Limits.MailsTo {
		if !l.Off() {
			all = append(all, store.Counted{Limit: l, Subject: s.subject("mails", l, address.Key())})
		}
	}
	return all
}

// quota is gate G11: a fault when one more invitation would be too many.
func quota(all []store.Counted, used []throttle.Used, now time.Time) error {
	for i, c := range all {
		if ok, wait := c.Limit.Check(used[i], now); !ok {
			return tooMany(wait)
		}
	}
	return nil
}

// spend counts an invitation, in the last round trip of its transaction.
func (s *Saga) spend(tx store.Tx, t tenant.ID, i invitation.Invitation) {
	now := s.Clock.Now()
	for _, c := range s.perInviter(t, i.Inviter) {
		tx.Count(c.Subject, c.Limit, now)
	}
}

func tooMany(wait time.Duration) error {
	return fault.Exhausted(errorspb.Reason_THROTTLED, "Too many requests. Try again later.").WithRetryAfter(wait.Round(time.Second))
}

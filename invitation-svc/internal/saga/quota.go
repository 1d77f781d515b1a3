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

// mailsTo are the limits that a mail to an address counts against.
func (s *Saga) mailsTo(a invitation.Address) []store.Counted {
	var all []store.Counted
	for _, l := range s.Limits.MailsTo {
		if !l.Off() {
			all = append(all, store.Counted{Limit: l, Subject: s.subject("mails", l, a.Key())})
		}
	}
	return all
}

// counted are all limits that a request counts against.
func (s *Saga) counted(t tenant.ID, by invitation.Inviter, r invitation.Request) []store.Counted {
	all := s.perInviter(t, by)
	for _, a := range readers(r) {
		all = append(all, s.mailsTo(a)...)
	}
	return all
}

// readers are the addresses that a request wants mails to go to, as far as
// they can be read.
func readers(r invitation.Request) []invitation.Address {
	if !r.SendMessage {
		return nil
	}
	var all []invitation.Address
	for _, text := range append([]string{r.Address}, r.CC...) {
		if a, wrong := invitation.ParseAddress(text, false); wrong == "" {
			all = append(all, a)
		}
		if len(all) > 1 {
			break // there is one copy at most
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

func keys(addresses []invitation.Address) []string {
	all := make([]string, len(addresses))
	for i, a := range addresses {
		all[i] = a.Key()
	}
	return all
}

// spend counts an invitation and its mails, and has the transaction answer
// store.ErrSpent when that is one too many by now: the gate was asked before,
// and others may have invited since.
func (s *Saga) spend(tx store.Tx, t tenant.ID, i invitation.Invitation, blocked store.Blocked) {
	all := s.perInviter(t, i.Inviter)
	if i.SendMessage && !blocked[i.Address.Key()] {
		all = append(all, s.mailsTo(i.Address)...)
		if !i.CC.IsZero() && !blocked[i.CC.Key()] {
			all = append(all, s.mailsTo(i.CC)...)
		}
	}
	tx.Spend(all, s.Clock.Now())
}

// spent is the answer to an event that was one too many.
func (s *Saga) spent(ctx context.Context, t tenant.ID, all []store.Counted) error {
	now := s.Clock.Now()
	ahead, err := s.Store.Before(ctx, t, nil, all, now)
	if err != nil {
		return err
	}
	if err := quota(all, ahead.Used, now); err != nil {
		return err
	}
	return tooMany(time.Second) // an event has left the window meanwhile
}

func tooMany(wait time.Duration) error {
	return fault.Exhausted(errorspb.Reason_THROTTLED, "Too many requests. Try again later.").WithRetryAfter(wait.Round(time.Second))
}

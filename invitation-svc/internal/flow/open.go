package flow

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/throttle"
	"entente.dev/invitation-svc/internal/ticket"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"golang.org/x/text/language"
)

// Flows runs the redemptions of a deployment.
type Flows struct {
	Saga      *saga.Saga
	Providers redemption.Registry
	// Languages are the tags that pages and mails speak.
	Languages []string
}

// Browser is where a call comes from.
type Browser struct {
	IP        netip.Addr
	UserAgent string
	Languages string // Accept-Language
}

// Opened is the outcome of a good link.
type Opened struct {
	Flow     string // handle, empty when RedirectURL says where to go
	Verifier string
	Redirect string
}

var errLink = fault.NotFound(errorspb.Reason_TICKET_INVALID, "This link is no longer valid.")

// Open looks at a link and begins a flow. It changes nothing about the
// invitation, so that mail scanners may follow the link as often as they like
// (INV-54). Every bad link gets the same answer (INV-52), and none of them by
// its time.
func (s *Flows) Open(ctx context.Context, tenantID, invited, secret string, b Browser) (Opened, error) {
	begun := time.Now()
	link, readable := ticket.ParseParts(tenantID, invited, secret)
	if !readable {
		// The same questions are asked about an invitation that nobody has.
		link.Tenant, link.Invitation = tenant.New(), uuid.New()
	}
	i, class, why, err := s.look(ctx, link, b)
	if err != nil {
		return Opened{}, err
	}
	if why == "" && !readable {
		why = "malformed"
	}
	if why == "" {
		opened, ended, err := s.begin(ctx, link.Tenant, i, class, b)
		if !ended {
			return opened, err
		}
		why = "user gone"
	}
	err = s.bad(ctx, link, b, why)
	return Opened{}, errors.Join(err, evenOut(ctx, begun))
}

// answerStep is the grain of the times at which bad links are answered: far
// above what finding or missing an invitation costs.
const answerStep = 20 * time.Millisecond

// evenOut waits until a whole number of steps has passed.
func evenOut(ctx context.Context, begun time.Time) error {
	timer := time.NewTimer(answerStep - time.Since(begun)%answerStep)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look reads everything there is about a link in one transaction, whether or
// not there is such an invitation. why says what is wrong with the link.
func (s *Flows) look(ctx context.Context, l ticket.Link, b Browser) (i invitation.Invitation, class ticket.Class, why string, err error) {
	lim := s.Saga.Limits
	err = s.Saga.Store.Read(ctx, l.Tenant, func(tx store.Tx) error {
		now := s.Saga.Clock.Now()
		tooMany := s.admit(tx, lim.BadOpens, "opens", throttle.Network(b.IP))
		if tooMany != nil && !fault.Is(tooMany, errorspb.Reason_THROTTLED) {
			return tooMany
		}
		locked := s.admit(tx, lim.BadTickets, "tickets", l.Tenant.String(), l.Invitation.String())
		if locked != nil && !fault.Is(locked, errorspb.Reason_THROTTLED) {
			return locked
		}
		var readErr error
		if i, readErr = tx.Invitation(l.Invitation); readErr != nil && !errors.Is(readErr, store.ErrNone) {
			return readErr
		}
		sums, classes, err := tx.Tickets(l.Invitation)
		if err != nil {
			return err
		}
		hit := ticket.Match(l.Ticket, l.Invitation, sums)
		switch state := i.At(now); {
		case locked != nil:
			why = "locked"
		case readErr != nil, hit < 0:
			why = "unknown"
		case state == invitation.Pending, state == invitation.Redeeming, state == invitation.Completed:
			class = classes[hit]
		default:
			why = state.String()
		}
		if why != "" {
			// Whoever shares a network with a guesser and has a good link is let
			// in all the same: nobody guesses 256 bits.
			return tooMany
		}
		return nil
	})
	return i, class, why, err
}

// admit asks a limit without counting.
func (s *Flows) admit(tx store.Tx, l throttle.Limit, name string, who ...string) error {
	if l.Off() {
		return nil
	}
	now := s.Saga.Clock.Now()
	used, err := tx.Used(throttle.Subject(s.Saga.Keys.Throttle, name, l, who...), l, now)
	if err != nil {
		return err
	}
	if ok, wait := l.Check(used, now); !ok {
		return fault.Exhausted(errorspb.Reason_THROTTLED, "Too many requests. Try again later.").WithRetryAfter(wait)
	}
	return nil
}

// bad counts a bad link and has it recorded later, so that the answer takes
// the same time whatever was wrong.
func (s *Flows) bad(ctx context.Context, l ticket.Link, b Browser, why string) error {
	lim, now := s.Saga.Limits, s.Saga.Clock.Now()
	err := s.Saga.Store.Global(ctx, func(tx store.Tx) error {
		if !lim.BadOpens.Off() {
			tx.Count(throttle.Subject(s.Saga.Keys.Throttle, "opens", lim.BadOpens, throttle.Network(b.IP)), lim.BadOpens, now)
		}
		if !lim.BadTickets.Off() {
			tx.Count(throttle.Subject(s.Saga.Keys.Throttle, "tickets", lim.BadTickets, l.Tenant.String(), l.Invitation.String()), lim.BadTickets, now)
		}
		return s.Saga.OweBadLink(tx, l.Tenant, l.Invitation, why)
	})
	return errors.Join(errLink, err)
}

// begin opens the flow of a good link. ended says that the user whom the
// link was for is disabled or deleted, which has withdrawn the link.
func (s *Flows) begin(ctx context.Context, t tenant.ID, i invitation.Invitation, class ticket.Class, b Browser) (o Opened, ended bool, err error) {
	guest, err := s.Saga.Guest(ctx, t, i)
	if err != nil {
		return Opened{}, false, err
	}
	if !guest.Enabled {
		return Opened{}, true, nil
	}
	now := s.Saga.Clock.Now()
	id, err := uuid.NewV7FromReader(s.Saga.Random)
	if err != nil {
		return Opened{}, false, err
	}
	v, err := newVerifier(s.Saga.Random)
	if err != nil {
		return Opened{}, false, err
	}
	f := store.Flow{ID: id, Invitation: i.ID, User: i.User, Verifier: v.sum(id), Language: s.language(b.Languages), Network: throttle.Network(b.IP)}
	f.Flow = redemption.Open(redemption.Link(class), now)
	if guest.Pending {
		f.Flow, err = s.discover(ctx, t, i, f.Flow)
	} else {
		// Redeemed already: the link still leads to the resource (INV-53).
		var url string
		var stop bool
		if url, stop, err = s.landing(ctx, t, i); err == nil && !stop {
			return Opened{Redirect: url}, false, nil
		}
		f.State = redemption.Landed
	}
	if err != nil {
		return Opened{}, false, err
	}
	err = s.Saga.Store.Write(ctx, t, func(tx store.Tx) error {
		if most := s.Saga.Limits.IdleFlows; most > 0 {
			tx.KeepIdleFlows(i.ID, f.Network, most-1)
		}
		if err := tx.AddFlow(f); err != nil {
			return err
		}
		tx.SetTimer(store.FlowTimer, f.ID, now.Add(saga.IdleMemory))
		return nil
	})
	return Opened{Flow: handle(t, id), Verifier: v.text()}, false, err
}

// discover finds the ways in that the tenant's order leaves to the invitee.
func (s *Flows) discover(ctx context.Context, t tenant.ID, i invitation.Invitation, f redemption.Flow) (redemption.Flow, error) {
	order, err := s.Saga.Policy.GetRedemptionOrder(ctx, &policypb.GetRedemptionOrderRequest{ResourceTenantId: t.String()})
	if err != nil {
		return f, err
	}
	o := redemption.Order{Fallback: order.Fallback, PasscodesEnabled: order.PasscodeEnabled}
	for _, p := range order.Primary {
		o.Primary = append(o.Primary, redemption.Stage(p))
	}
	rules, now := s.rules(nil), s.Saga.Clock.Now()
	if f, err = f.On(redemption.Validated{}, rules, now); err != nil {
		return f, err
	}
	return f.On(redemption.Found{Candidates: s.Providers.Discover(redemption.Invitee{Domain: i.Address.Domain()}, o)}, rules, now)
}

func (s *Flows) rules(keys []string) redemption.Rules {
	return redemption.Rules{Registry: s.Providers, Keys: keys}
}

// language is the best of ours for a browser.
func (s *Flows) language(accepts string) string {
	if len(accepts) > 512 {
		accepts = ""
	}
	tags, _, err := language.ParseAcceptLanguage(accepts)
	if err != nil {
		return "en"
	}
	for _, tag := range tags {
		for ; tag != language.Und; tag = tag.Parent() {
			for _, ours := range s.Languages {
				if ours == tag.String() {
					return ours
				}
			}
		}
	}
	return "en"
}

func parseLink(tenantID, invited string) (tenant.ID, uuid.UUID, bool) {
	t, err := tenant.Parse(tenantID)
	if err != nil {
		return t, uuid.Nil, false
	}
	id, err := uuid.Parse(invited)
	return t, id, err == nil
}

// NewLink asks for a fresh link to the invited address. It does the same
// little work whatever it is asked about, and says nothing (INV-52).
func (s *Flows) NewLink(ctx context.Context, tenantID, invited string, b Browser) error {
	t, id, ok := parseLink(tenantID, invited)
	if !ok {
		return nil // said as if all were well
	}
	return s.Saga.Store.Global(ctx, func(tx store.Tx) error {
		l, now := s.Saga.Limits.NewLinkAsks, s.Saga.Clock.Now()
		ok, _, err := tx.SpendCounter(throttle.Subject(s.Saga.Keys.Throttle, "asks", l, throttle.Network(b.IP)), l, now)
		if err != nil || !ok {
			return err
		}
		return s.Saga.OweLink(tx, t, id)
	})
}

package jobs

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/mail"
	"entente.dev/invitation-svc/internal/passcode"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/smtp"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/ticket"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"golang.org/x/text/language"
)

// mailLife is how long delivery of a mail is tried (INV-44).
const mailLife = 24 * time.Hour

// Relay takes a mail over; *smtp.Relay does.
type Relay interface {
	Send(ctx context.Context, m mail.Message, at time.Time) error
}

// Mailer delivers mails that are owed. What a mail says is put together at
// each attempt, tickets and codes drawn anew, so that secrets never wait
// anywhere. Mails of a tenant that are owed at the same time share their
// transactions.
type Mailer struct {
	river.WorkerDefaults[saga.MailJob]
	Saga    *saga.Saga
	Compose *mail.Composer
	Relay   Relay
	Log     *slog.Logger

	claims, ends gather[*attempt]
}

// Work is Deliver for River.
func (m *Mailer) Work(ctx context.Context, job *river.Job[saga.MailJob]) error {
	t, err := tenant.Parse(job.Args.Tenant)
	if err != nil {
		return river.JobCancel(err)
	}
	return m.Deliver(asService(ctx, t), t, job.Args.Mail)
}

// NextRetry follows INV-44: after 1, 5, 15 and 60 minutes, then hourly.
// Passcodes are tried faster, as they are soon worth nothing.
func (m *Mailer) NextRetry(job *river.Job[saga.MailJob]) time.Time {
	return time.Now().Add(pause(job.Args.Code, job.Attempt))
}

func pause(code bool, attempt int) time.Duration {
	pauses := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	if code {
		pauses = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}
	}
	return pauses[min(max(attempt, 1), len(pauses))-1]
}

// attempt is one attempt at a mail, from its claim to its end.
type attempt struct {
	id     uuid.UUID
	owed   store.Claimed // no id: nothing is owed any more
	code   store.Passcode
	set    invitation.Settings
	key    ticket.Ticket
	fresh  passcode.Code
	wanted bool
	facts  *directorypb.TenantFacts
	state  store.MailState // how it ended
}

// Deliver makes one attempt at a mail. An error asks for another one.
func (m *Mailer) Deliver(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	a := &attempt{id: id}
	var err error
	if a.key, err = ticket.New(m.Saga.Random); err != nil {
		return err
	}
	if a.fresh, err = passcode.New(m.Saga.Random); err != nil {
		return err
	}
	err = m.claims.do(t, a, func(all []*attempt) error { return m.claim(ctx, t, all) })
	if err != nil || !a.wanted {
		return err
	}
	msg, err := m.compose(ctx, t, a)
	if err != nil {
		return err
	}
	now := m.Saga.Clock.Now()
	err = m.Relay.Send(ctx, msg, now)
	var permanent smtp.Permanent
	switch {
	case err == nil:
		a.state = store.Sent
	case errors.As(err, &permanent), now.Sub(a.owed.CreatedAt) >= mailLife, a.owed.Kind == store.PasscodeMail && now.After(a.code.ExpiresAt):
		// The text of a relay may repeat addresses; the log gets the kind.
		m.Log.WarnContext(ctx, "mail given up", "mail_id", id, "attempts", a.owed.Attempts, "permanent", errors.As(err, &permanent))
		a.state = store.Undelivered
	default:
		m.Log.WarnContext(ctx, "mail not delivered yet", "mail_id", id, "attempts", a.owed.Attempts)
		return errors.New("the relay did not take the mail")
	}
	return m.ends.do(t, a, func(all []*attempt) error { return m.settle(ctx, t, all) })
}

// claim counts attempts and stores what is kept of their secrets, of as many
// mails as there are, in one transaction.
func (m *Mailer) claim(ctx context.Context, t tenant.ID, all []*attempt) error {
	facts, err := m.Saga.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: t.String()})
	if err != nil {
		return err
	}
	ids, byID := make([]uuid.UUID, len(all)), make(map[uuid.UUID]*attempt, len(all))
	for i, a := range all {
		ids[i], byID[a.id], a.facts = a.id, a, facts
	}
	return m.Saga.Store.Write(ctx, t, func(tx store.Tx) error {
		for _, a := range all {
			a.wanted = false
		}
		now := m.Saga.Clock.Now()
		found, err := tx.ClaimMails(ids)
		if err != nil {
			return err
		}
		for _, o := range found {
			a := byID[o.ID]
			a.owed = o
			if err := m.weigh(ctx, tx, a, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// weigh says whether a mail is still wanted, and stores its secret if so.
func (m *Mailer) weigh(ctx context.Context, tx store.Tx, a *attempt, now time.Time) (err error) {
	invited, end := a.owed.Invited, store.Undelivered
	switch a.owed.Kind {
	case store.InvitationMail:
		a.wanted = invited.At(now) == invitation.Pending
	case store.CopyMail, store.NoticeMail:
		state := invited.At(now)
		a.wanted = state == invitation.Pending || state == invitation.Redeeming || state == invitation.Completed
	case store.PasscodeMail:
		if a.wanted, err = m.mint(tx, a, now); err != nil {
			return err
		}
	}
	if a.wanted && a.owed.Blocked && a.owed.Kind != store.PasscodeMail { // since it became owed
		a.wanted, end = false, store.Withheld
		if err := m.Saga.RecordWithheld(ctx, tx, a.owed.Kind, invited); err != nil {
			return err
		}
	}
	switch {
	case !a.wanted:
		tx.QueueSettle(a.id, end, now)
	case a.owed.Kind == store.InvitationMail:
		tx.AddTicket(invited.ID, ticket.Mail, a.key.Sum(invited.ID), now)
	}
	return nil
}

// mint stores what is kept of a fresh code. The validity starts now.
func (m *Mailer) mint(tx store.Tx, a *attempt, now time.Time) (bool, error) {
	var err error
	if a.code, err = tx.Passcode(a.owed.Passcode); err != nil {
		return false, err
	}
	if !a.code.UsedAt.IsZero() || !a.code.VoidedAt.IsZero() || !now.Before(a.code.ExpiresAt) {
		return false, nil
	}
	if a.set, err = tx.Settings(); err != nil {
		return false, err
	}
	if a.owed.Attempts == 1 {
		a.code.ExpiresAt = now.Add(m.Saga.CodeValidity(a.set))
	}
	mac := passcode.MAC(m.Saga.Keys.Passcode, a.fresh, passcode.Scope{Flow: a.code.Flow, Address: a.code.Address, Purpose: a.code.Purpose})
	if err := tx.MintPasscode(a.code.ID, mac[:], a.code.ExpiresAt); errors.Is(err, store.ErrStale) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, nil
}

func (m *Mailer) compose(ctx context.Context, t tenant.ID, a *attempt) (mail.Message, error) {
	invited, kind, preferred := a.owed.Invited, a.owed.Kind, a.facts.PreferredLanguage
	org := mail.Tenant{Name: a.facts.DisplayName, Domain: a.facts.DefaultDomain, Verified: a.facts.HasCustomDomain, Privacy: a.facts.PrivacyStatementUrl}
	if kind == store.PasscodeMail {
		return m.Compose.Passcode(mail.Passcode{
			ID: a.id.String(), Language: tags(a.code.Language, preferred), Tenant: org, To: invited.Address.Mailbox(),
			Code: a.fresh.Text(), Validity: m.Saga.CodeValidity(a.set), AskedAt: a.code.AskedAt, Network: a.code.Network,
		})
	}
	language := a.owed.Language
	if !a.owed.Asked {
		guest, err := m.Saga.Guest(ctx, t, invited)
		if err != nil {
			return mail.Message{}, err
		}
		language = guest.Language
	}
	i := mail.Invite{
		ID: a.id.String(), Language: tags(invited.Language, language, preferred), Tenant: org,
		Inviter: invited.Inviter.Name, Sender: mail.FromMember, ReplyTo: invited.Inviter.Mail, To: a.owed.Reader().Mailbox(),
		Message: invited.Message, Host: invited.Redirect.Host(), Block: m.Saga.BlockLink(t, invited.ID, kind == store.CopyMail),
	}
	switch {
	case invited.Inviter.Kind != invitation.ByUser:
		i.Sender = mail.FromApp
	case invited.Inviter.Guest:
		i.Sender = mail.FromGuest
	}
	switch kind {
	case store.CopyMail:
		return m.Compose.Copy(i, invited.Address.Typed())
	case store.NoticeMail:
		i.Link = invited.Redirect.String()
		return m.Compose.Notice(i)
	default:
		i.Link = ticket.Link{Tenant: t, Invitation: invited.ID, Ticket: a.key}.URL(m.Saga.LoginOrigin)
		return m.Compose.Invitation(i)
	}
}

// tags are the readable ones of what was stored, in their order.
func tags(texts ...string) []language.Tag {
	var all []language.Tag
	for _, text := range texts {
		if tag, err := language.Parse(text); err == nil && text != "" {
			all = append(all, tag)
		}
	}
	return all
}

// settle ends mails with their records, as many as there are in one
// transaction. It does not wait for the disk: what a crash takes back is a
// mail that is owed, and sent again under the same message id.
func (m *Mailer) settle(ctx context.Context, t tenant.ID, all []*attempt) error {
	ids := make(map[store.MailState][]uuid.UUID)
	for _, a := range all {
		ids[a.state] = append(ids[a.state], a.id)
	}
	return m.Saga.Store.Write(ctx, t, func(tx store.Tx) error {
		tx.Loosely()
		now := m.Saga.Clock.Now()
		ended := make(map[uuid.UUID]bool)
		for _, s := range []store.MailState{store.Sent, store.Undelivered} {
			if len(ids[s]) == 0 {
				continue
			}
			settled, err := tx.SettleMails(ids[s], s, now)
			if err != nil {
				return err
			}
			maps.Copy(ended, settled)
		}
		for _, a := range all {
			if !ended[a.id] || a.owed.Kind == store.PasscodeMail {
				continue
			}
			if err := m.Saga.RecordMail(ctx, tx, a.owed.Invited, a.state == store.Undelivered); err != nil {
				return err
			}
		}
		return nil
	})
}

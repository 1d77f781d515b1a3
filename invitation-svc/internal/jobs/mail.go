package jobs

import (
	"context"
	"errors"
	"log/slog"
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
// anywhere.
type Mailer struct {
	river.WorkerDefaults[saga.MailJob]
	Saga    *saga.Saga
	Compose *mail.Composer
	Relay   Relay
	Log     *slog.Logger
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

// owed is a mail with what it is about.
type owed struct {
	store.Mail
	invited invitation.Invitation
	code    store.Passcode
	set     invitation.Settings
}

// Deliver makes one attempt at a mail. An error asks for another one.
func (m *Mailer) Deliver(ctx context.Context, t tenant.ID, id uuid.UUID) error {
	facts, err := m.Saga.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: t.String()})
	if err != nil {
		return err
	}
	o, msg, err := m.prepare(ctx, t, id, facts)
	if err != nil || msg == nil {
		return err
	}
	now := m.Saga.Clock.Now()
	err = m.Relay.Send(ctx, *msg, now)
	var permanent smtp.Permanent
	switch {
	case err == nil:
		return m.settle(ctx, t, o, store.Sent, nil)
	case errors.As(err, &permanent), now.Sub(o.CreatedAt) >= mailLife, o.Kind == store.PasscodeMail && now.After(o.code.ExpiresAt):
		// The text of a relay may repeat addresses; the log gets the kind.
		m.Log.WarnContext(ctx, "mail given up", "mail_id", id, "attempts", o.Attempts, "permanent", errors.As(err, &permanent))
		return m.settle(ctx, t, o, store.Undelivered, err)
	default:
		m.Log.WarnContext(ctx, "mail not delivered yet", "mail_id", id, "attempts", o.Attempts)
		return errors.New("the relay did not take the mail")
	}
}

// prepare claims a mail and composes it. A nil message says that nothing is
// to be sent any more.
func (m *Mailer) prepare(ctx context.Context, t tenant.ID, id uuid.UUID, facts *directorypb.TenantFacts) (owed, *mail.Message, error) {
	var o owed
	var key ticket.Ticket
	var code passcode.Code
	var err error
	if key, err = ticket.New(m.Saga.Random); err != nil {
		return o, nil, err
	}
	if code, err = passcode.New(m.Saga.Random); err != nil {
		return o, nil, err
	}
	wanted := true
	err = m.Saga.Store.Write(ctx, t, func(tx store.Tx) error {
		now := m.Saga.Clock.Now()
		var err error
		if o.Mail, err = tx.ClaimMail(id); err != nil {
			return err
		}
		if o.invited, err = tx.Invitation(o.Invitation); err != nil {
			return err
		}
		if o.set, err = tx.Settings(); err != nil {
			return err
		}
		switch o.Kind {
		case store.InvitationMail:
			if wanted = o.invited.At(now) == invitation.Pending; wanted {
				tx.AddTicket(o.Invitation, ticket.Mail, key.Sum(o.Invitation), now)
			}
		case store.CopyMail, store.NoticeMail:
			state := o.invited.At(now)
			wanted = state == invitation.Pending || state == invitation.Redeeming || state == invitation.Completed
		case store.PasscodeMail:
			wanted, err = m.mint(tx, &o, code, now)
		}
		if err != nil {
			return err
		}
		if !wanted {
			return tx.SettleMail(id, store.Undelivered, now)
		}
		return nil
	})
	if errors.Is(err, store.ErrNone) {
		return o, nil, nil // settled already
	}
	if err != nil || !wanted {
		return o, nil, err
	}
	msg, err := m.compose(ctx, t, o, facts, key, code)
	return o, &msg, err
}

// mint stores what is kept of a fresh code. The validity starts now.
func (m *Mailer) mint(tx store.Tx, o *owed, code passcode.Code, now time.Time) (bool, error) {
	var err error
	if o.code, err = tx.Passcode(o.Passcode); err != nil {
		return false, err
	}
	if !o.code.UsedAt.IsZero() || !o.code.VoidedAt.IsZero() || !now.Before(o.code.ExpiresAt) {
		return false, nil
	}
	if o.Attempts == 1 {
		o.code.ExpiresAt = now.Add(m.Saga.CodeValidity(o.set))
	}
	mac := passcode.MAC(m.Saga.Keys.Passcode, code, passcode.Scope{Flow: o.code.Flow, Address: o.code.Address, Purpose: o.code.Purpose})
	if err := tx.MintPasscode(o.code.ID, mac[:], o.code.ExpiresAt); errors.Is(err, store.ErrStale) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, nil
}

func (m *Mailer) compose(ctx context.Context, t tenant.ID, o owed, facts *directorypb.TenantFacts, key ticket.Ticket, code passcode.Code) (mail.Message, error) {
	org := mail.Tenant{Name: facts.DisplayName, Domain: facts.DefaultDomain, Verified: facts.HasCustomDomain, Privacy: facts.PrivacyStatementUrl}
	if o.Kind == store.PasscodeMail {
		return m.Compose.Passcode(mail.Passcode{
			ID: o.ID.String(), Language: tags(o.code.Language, facts.PreferredLanguage), Tenant: org, To: o.invited.Address.Mailbox(),
			Code: code.Text(), Validity: m.Saga.CodeValidity(o.set), AskedAt: o.code.AskedAt, Network: o.code.Network,
		})
	}
	guest, err := m.Saga.Guest(ctx, t, o.invited)
	if err != nil {
		return mail.Message{}, err
	}
	i := mail.Invite{
		ID: o.ID.String(), Language: tags(o.invited.Language, guest.Language, facts.PreferredLanguage), Tenant: org,
		Inviter: o.invited.Inviter.Name, Sender: mail.FromMember, ReplyTo: o.invited.Inviter.Mail, To: o.invited.Address.Mailbox(),
		Message: o.invited.Message, Host: o.invited.Redirect.Host(), Block: m.Saga.BlockLink(t, o.Invitation),
	}
	switch {
	case o.invited.Inviter.Kind != invitation.ByUser:
		i.Sender = mail.FromApp
	case o.invited.Inviter.Guest:
		i.Sender = mail.FromGuest
	}
	switch o.Kind {
	case store.CopyMail:
		i.To = o.invited.CC.Mailbox()
		return m.Compose.Copy(i, o.invited.Address.Typed())
	case store.NoticeMail:
		i.Link = o.invited.Redirect.String()
		return m.Compose.Notice(i)
	default:
		i.Link = ticket.Link{Tenant: t, Invitation: o.Invitation, Ticket: key}.URL(m.Saga.LoginOrigin)
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

func (m *Mailer) settle(ctx context.Context, t tenant.ID, o owed, s store.MailState, failed error) error {
	err := m.Saga.Store.Write(ctx, t, func(tx store.Tx) error {
		if err := tx.SettleMail(o.ID, s, m.Saga.Clock.Now()); err != nil {
			return err
		}
		if o.Kind == store.PasscodeMail {
			return nil
		}
		return m.Saga.RecordMail(ctx, tx, o.invited, failed != nil)
	})
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}

package flow

import (
	"context"
	"errors"

	"entente.dev/invitation-svc/internal/passcode"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
	"entente.dev/invitation-svc/internal/throttle"
	"github.com/google/uuid"
)

// Notices that a page may carry.
const (
	noticeSent      = "code-sent"
	noticeWrong     = "code-wrong"
	noticeTooSoon   = "resend-too-soon"
	noticeExhausted = "sends-exhausted"
)

func (x *session) purpose() passcode.Purpose {
	if x.flow.State == redemption.MailboxProof {
		return passcode.Proof
	}
	return passcode.SignIn
}

// sendCode owes a code to the invited address, if the limits of INV-79 admit
// one more. Counters are serialized, so that parallel clicks send one.
func (x *session) sendCode(ctx context.Context) error {
	id, err := uuid.NewV7FromReader(x.Saga.Random)
	if err != nil {
		return err
	}
	return x.Saga.Store.Write(ctx, x.tenant, func(tx store.Tx) error {
		now := x.Saga.Clock.Now()
		if _, err := tx.LockFlow(x.flow.ID); err != nil {
			return err
		}
		last, err := tx.LatestPasscode(x.flow.ID)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if err == nil && now.Sub(last.AskedAt) < passcode.ResendAfter {
			x.notice = noticeTooSoon
			return nil
		}
		admitted, err := x.spendCode(tx)
		if err != nil {
			return err
		}
		if !admitted {
			x.notice = noticeExhausted
			return nil
		}
		settings, err := tx.Settings()
		if err != nil {
			return err
		}
		p := store.Passcode{
			ID: id, Flow: x.flow.ID, Purpose: x.purpose(), Address: x.invited.Address.Key(),
			Network: throttle.Network(x.browser.IP), Language: x.flow.Language, AskedAt: now,
		}
		p.ExpiresAt = now.Add(x.Saga.CodeValidity(settings))
		tx.AskPasscode(p)
		tx.SetTimer(store.CodeTimer, p.ID, now.Add(saga.CodeMemory))
		if err := x.Saga.OweMail(tx, store.PasscodeMail, x.invited.ID, p.ID, nil); err != nil {
			return err
		}
		x.notice = noticeSent
		return x.Saga.RecordCodeSent(ctx, tx, x.flow)
	})
}

func (x *session) spendCode(tx store.Tx) (bool, error) {
	lim, now := x.Saga.Limits, x.Saga.Clock.Now()
	for _, l := range lim.CodesTo {
		subject := throttle.Subject(x.Saga.Keys.Throttle, "codes to", l, x.tenant.String(), x.invited.Address.Key())
		if ok, _, err := tx.SpendCounter(subject, l, now); err != nil || !ok {
			return false, err
		}
	}
	subject := throttle.Subject(x.Saga.Keys.Throttle, "codes from", lim.CodesFrom, throttle.Network(x.browser.IP))
	ok, _, err := tx.SpendCounter(subject, lim.CodesFrom, now)
	return ok, err
}

// tryCode looks at what was typed. The try is counted before anything is
// compared, and the code is spent in the transaction that moves the flow.
func (x *session) tryCode(ctx context.Context, typed string) error {
	code, wellFormed := passcode.Parse(typed)
	purpose, address := x.purpose(), x.invited.Address.Key()
	var after store.Flow
	right := false
	err := x.Saga.Store.Write(ctx, x.tenant, func(tx store.Tx) error {
		now := x.Saga.Clock.Now()
		right, after = false, x.flow
		lock, err := tx.LockPasscodes(address)
		if err != nil {
			return err
		}
		p, err := tx.TryPasscode(x.flow.ID, purpose, now)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		scope := passcode.Scope{Flow: x.flow.ID, Address: address, Purpose: purpose}
		// The comparison is made in any case, for the time it takes.
		same := p.Right(x.Saga.Keys.Passcode, code, scope)
		if err != nil || !wellFormed || !same || lock.Locked(now) {
			if err == nil && !lock.Locked(now) {
				tx.SavePasscodeLock(address, lock.Fail(now))
			}
			return x.Saga.RecordCodeTried(ctx, tx, x.flow, false)
		}
		if err := tx.UsePasscode(p.ID, now); err != nil {
			return err
		}
		tx.SavePasscodeLock(address, lock.Clear())
		var event redemption.Event = redemption.MailboxShown{}
		if purpose == passcode.SignIn {
			event = redemption.Shown{Identity: redemption.PasscodeIdentity(address)}
		}
		if after.Flow, err = x.flow.On(event, x.rules(x.guest.Keys), now); err != nil {
			return err
		}
		if after, err = tx.SaveFlow(x.flow, after); err != nil {
			return err
		}
		right = true
		return x.Saga.RecordCodeTried(ctx, tx, x.flow, true)
	})
	if err != nil {
		return err
	}
	if x.flow = after; !right {
		x.notice = noticeWrong
	}
	return nil
}

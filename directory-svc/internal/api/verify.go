package api

import (
	"context"
	"strings"
	"sync"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/lockout"
	"entente.dev/directory-svc/internal/password"
	"entente.dev/directory-svc/internal/setting"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Codes of the sign-in log (DIR-92).
const (
	codeBadCredentials = 50126
	codeLocked         = 50053
	codeDisabled       = 50057
	codeExpired        = 50055
	codeNoPassword     = 50056
)

var codeOf = map[pb.VerifyPasswordResponse_Result]int32{
	pb.VerifyPasswordResponse_BadCredentials: codeBadCredentials,
	pb.VerifyPasswordResponse_Locked:         codeLocked,
	pb.VerifyPasswordResponse_Disabled:       codeDisabled,
	pb.VerifyPasswordResponse_Expired:        codeExpired,
	pb.VerifyPasswordResponse_NoPassword:     codeNoPassword,
}

// attempt is one try to prove a password.
type attempt struct {
	name, password, ip string
	find               func(*store.Tx) (*user.User, error) // nil for nobody
	// then follows, in the same transaction, when the password is right and the
	// account could sign in with it or with a new one. It makes the result a
	// success.
	then func(*store.Tx, *user.User) error
}

// check tries a password. Tries for one user follow each other, so that many
// at a time are counted like many in a row. What is counted is for names that
// nobody has as well: neither the answer nor its time tells them apart.
func (s *Credentials) check(ctx context.Context, t *store.Tenant, a attempt) (*pb.VerifyPasswordResponse, error) {
	// Whose turn it is must be known before a transaction begins, since those
	// who wait must hold none.
	id := uuid.NewSHA1(uuid.UUID(t.ID), []byte(address.Fold(strings.TrimSpace(a.name))))
	err := s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		u, err := a.find(tx)
		if u != nil {
			id = u.ID
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &pb.VerifyPasswordResponse{Result: pb.VerifyPasswordResponse_Locked, LockedUntil: timestamppb.New(s.now().Add(time.Second))}
	leave, ok := s.gate.enter(id)
	if ok {
		defer leave()
		err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
			if ok, err = tx.TryLockSignIn(id); err != nil || !ok {
				return err // another process tries at this moment
			}
			u, err := tx.User(store.UserID(id))
			if isNotFound(err) {
				u, err = nil, nil
			}
			if err != nil {
				return err
			}
			out, err = s.try(tx, t, a, id, u)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	out.ErrorCode = codeOf[out.Result]
	return out, nil
}

func (s *Credentials) try(tx *store.Tx, t *store.Tenant, a attempt, id uuid.UUID, u *user.User) (*pb.VerifyPasswordResponse, error) {
	now := s.now()
	location := lockout.Location(a.ip)
	counted, familiar, err := tx.Lockout(id, location, now.Add(-lockout.FamiliarFor))
	if err != nil {
		return nil, err
	}
	if counted.Locked(now) {
		return &pb.VerifyPasswordResponse{Result: pb.VerifyPasswordResponse_Locked, LockedUntil: timestamppb.New(counted.Until)}, nil
	}
	rules, err := tx.Effective(setting.PasswordRule, nil)
	if err != nil {
		return nil, err
	}
	var held *store.Password
	if u != nil {
		// Under the lock: a password that was set while another try went on
		// counts, and the lock keeps no writer waiting.
		if held, err = tx.Password(u.ID); err != nil {
			return nil, err
		}
	}
	right := false
	if held != nil {
		right = s.Verifiers.Verify(password.Scheme(held.Scheme), held.Verifier, a.password)
	}
	if held == nil || held.Scheme != int16(password.Hardened) { // takes as long as the others
		s.Verifiers.Verify(password.Hardened, s.Verifiers.Nobody(), a.password)
	}
	if !right {
		after := counted.Fail(lockoutPolicy(rules), now, s.Verifiers.Fingerprint(id.String(), a.password))
		tx.SaveLockout(id, familiar, after, now)
		if u != nil && held == nil {
			return &pb.VerifyPasswordResponse{Result: pb.VerifyPasswordResponse_NoPassword}, nil
		}
		return &pb.VerifyPasswordResponse{Result: pb.VerifyPasswordResponse_BadCredentials}, nil
	}
	out := &pb.VerifyPasswordResponse{Result: pb.VerifyPasswordResponse_Success, UserId: u.ID.String()}
	_, domain, _ := address.Split(u.UserPrincipalName)
	of, _ := t.Domain(domain)
	switch {
	case !u.AccountEnabled:
		out.Result = pb.VerifyPasswordResponse_Disabled
		return out, nil
	case held.MustChange:
		out.Result = pb.VerifyPasswordResponse_MustChange // however old: DIR-80
	case u.PasswordExpired(of.PasswordValidity, now):
		out.Result = pb.VerifyPasswordResponse_Expired
	}
	tx.EndLockout(id, familiar, location, now)
	if a.then != nil {
		out.Result = pb.VerifyPasswordResponse_Success
		return out, a.then(tx, u)
	}
	return out, nil
}

// waiting is how many tries for one user may wait for each other; a person
// makes one at a time.
const waiting = 4

// gate lets tries for one user in one after the other, and turns away those
// that are too many. Between processes the database does the same. The zero
// value is ready.
type gate struct {
	mu    sync.Mutex
	users map[uuid.UUID]*turn
}

type turn struct {
	sync.Mutex
	inside int
}

func (g *gate) enter(id uuid.UUID) (leave func(), ok bool) {
	g.mu.Lock()
	if g.users == nil {
		g.users = make(map[uuid.UUID]*turn)
	}
	t := g.users[id]
	if t == nil {
		t = &turn{}
		g.users[id] = t
	}
	if t.inside > waiting {
		g.mu.Unlock()
		return nil, false
	}
	t.inside++
	g.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		g.mu.Lock()
		defer g.mu.Unlock()
		if t.inside--; t.inside == 0 {
			delete(g.users, id)
		}
	}, true
}

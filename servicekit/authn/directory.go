package authn

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
)

const (
	// keyLife is how long keys are used without asking again.
	keyLife = 5 * time.Minute
	// keyGap bounds how often unknown key ids make us ask.
	keyGap = time.Second
	// principalLife is how old the state of an account may be (DESIGN.md §3).
	principalLife = time.Second
	lookupLimit   = 3 * time.Second
)

// directoryKeys are the signing keys of directory-svc.
type directoryKeys struct {
	client directorypb.TokenServiceClient
	flight singleflight.Group

	mu      sync.Mutex
	keys    map[string]signingKey
	fetched time.Time
	tried   time.Time
	asking  bool // a fetch is under way; who needs a key waits for it
}

type signingKey struct {
	key      crypto.PublicKey
	alg      string
	notAfter time.Time
}

// KeysFromDirectory asks directory-svc for the signing keys, keeps them for
// minutes and asks again at once for a key id it has not seen.
func KeysFromDirectory(conn grpc.ClientConnInterface) Keys {
	return &directoryKeys{client: directorypb.NewTokenServiceClient(conn)}
}

func (k *directoryKeys) Key(ctx context.Context, kid string) (crypto.PublicKey, string, error) {
	key, ok, due := k.look(kid)
	if due {
		// Concurrent look-ups share one call, which none of them can cancel.
		_, err, _ := k.flight.Do("", func() (any, error) { return nil, k.fetch(ctx) })
		if err != nil && !ok {
			return nil, "", fmt.Errorf("fetch signing keys: %w", err)
		}
		key, ok, _ = k.look(kid)
	}
	if !ok {
		return nil, "", fault.NotFound(errorspb.Reason_NOT_FOUND, "There is no signing key with that id.")
	}
	return key.key, key.alg, nil
}

// look finds a key and says whether it is time to fetch.
func (k *directoryKeys) look(kid string) (key signingKey, ok, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	key, ok = k.keys[kid]
	if ok && !key.notAfter.IsZero() && now.After(key.notAfter.Add(skew)) {
		ok = false
	}
	stale := now.Sub(k.fetched) > keyLife
	return key, ok, !ok && k.asking || (!ok || stale) && now.Sub(k.tried) > keyGap
}

func (k *directoryKeys) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(rpc.AsService(ctx)), lookupLimit)
	defer cancel()
	k.mu.Lock()
	k.tried, k.asking = time.Now(), true
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.asking = false
	}()
	resp, err := k.client.ListSigningKeys(ctx, &directorypb.ListSigningKeysRequest{Refresh: true})
	if err != nil {
		return err
	}
	keys := make(map[string]signingKey, len(resp.Keys))
	for _, pk := range resp.Keys {
		parsed, err := x509.ParsePKIXPublicKey(pk.PublicKey)
		if err != nil {
			return fmt.Errorf("signing key %s: %w", pk.Kid, err)
		}
		key := signingKey{key: parsed, alg: pk.Alg}
		if pk.NotAfter != nil {
			key.notAfter = pk.NotAfter.AsTime()
		}
		keys[pk.Kid] = key
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys, k.fetched = keys, time.Now()
	return nil
}

// directoryPrincipals looks accounts up at directory-svc.
type directoryPrincipals struct {
	client directorypb.PrincipalServiceClient
	flight singleflight.Group
	known  *cache[principalID, *Principal]
	now    func() time.Time
}

type principalID struct {
	tenant tenant.ID
	object uuid.UUID
}

// PrincipalsFromDirectory asks directory-svc, remembers an answer for a second
// and asks once for concurrent look-ups of the same account. That an account
// does not exist is not remembered.
func PrincipalsFromDirectory(conn grpc.ClientConnInterface) Principals {
	return &directoryPrincipals{client: directorypb.NewPrincipalServiceClient(conn),
		known: newCache[principalID, *Principal](20_000), now: time.Now}
}

func (d *directoryPrincipals) Principal(ctx context.Context, t tenant.ID, object uuid.UUID) (*Principal, error) {
	id := principalID{t, object}
	if p, ok := d.known.get(id, d.now()); ok {
		return p, nil
	}
	res := d.flight.DoChan(t.String()+object.String(), func() (any, error) {
		asked := d.now() // the answer is as old as the question
		own, cancel := context.WithTimeout(context.WithoutCancel(rpc.AsService(ctx)), lookupLimit)
		defer cancel()
		resp, err := d.client.GetPrincipal(own, &directorypb.GetPrincipalRequest{TenantId: t.String(), ObjectId: object.String()})
		if err != nil {
			return nil, err
		}
		p, err := principalFromProto(resp)
		if err == nil {
			d.known.put(id, p, asked, asked.Add(principalLife))
		}
		return p, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-res:
		if r.Err != nil {
			return nil, fmt.Errorf("look up caller: %w", r.Err)
		}
		return r.Val.(*Principal), nil
	}
}

func principalFromProto(in *directorypb.Principal) (*Principal, error) {
	p := &Principal{
		Application: in.Type == "servicePrincipal", Enabled: in.Enabled, TenantActive: in.TenantActive, DisplayName: in.DisplayName,
		UserPrincipalName: in.UserPrincipalName, Guest: in.Guest, Permissions: in.Permissions,
	}
	if in.SessionsValidFrom != nil {
		p.SessionsValidFrom = in.SessionsValidFrom.AsTime()
	}
	var err error
	if in.AppId != "" {
		if p.AppID, err = uuid.Parse(in.AppId); err != nil {
			return nil, fmt.Errorf("principal: %w", err)
		}
	}
	for _, r := range in.Roles {
		id, err := uuid.Parse(r.TemplateId)
		if err != nil {
			return nil, fmt.Errorf("principal: role template: %w", err)
		}
		p.Roles = append(p.Roles, caller.Role{Template: r.DisplayName, TemplateID: id, Scope: r.Scope})
	}
	return p, nil
}

package graph

import (
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Claims are what the gateway reads of a token. It verifies none of them: the
// services do, before anything is answered.
type Claims struct {
	ObjectID string `json:"oid"`
	AppID    string `json:"appid"`
	Tenant   string `json:"tid"`
	IDType   string `json:"idtyp"`
	Scopes   string `json:"scp"`
}

// maxToken bounds what is looked at: a longer header is no token of ours.
const maxToken = 16 << 10

// PeekClaims reads the claims in an Authorization header without any trust in
// them. ok is false for what no service would take for a token.
func PeekClaims(authorization string) (c Claims, ok bool) {
	scheme, token, found := strings.Cut(authorization, " ")
	if !found || !strings.EqualFold(scheme, "bearer") || len(token) > maxToken {
		return c, false
	}
	_, rest, found := strings.Cut(token, ".")
	payload, signature, more := strings.Cut(rest, ".")
	if !found || !more || signature == "" || strings.Contains(signature, ".") {
		return c, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return c, false
	}
	return c, json.Unmarshal(raw, &c) == nil
}

// RequireToken refuses a request without a token, or with one that none can
// be. It goes before whatever else may be wrong with a request (DIR-11).
func RequireToken(r *http.Request) error {
	authorization := r.Header.Get("Authorization")
	switch {
	case authorization == "":
		return fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token is empty.")
	case !holderOf(authorization).token:
		return fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token is malformed.")
	}
	return nil
}

// holder is whom a request counts against; token says whether there was one to
// read.
type holder struct {
	tenant, application string
	token               bool
}

// maxHolders bounds what is remembered; whoever sends many different tokens
// makes the reading slower, not the memory larger.
const maxHolders = 4096

// holders remembers what tokens claim by their hash under a secret of the
// process: clients send the same token for an hour.
var holders = struct {
	sync.RWMutex
	seed maphash.Seed
	of   map[uint64]holder
}{seed: maphash.MakeSeed(), of: map[uint64]holder{}}

// Holder names tenant and application that a request counts against, as its
// token claims and without any trust in it.
func Holder(r *http.Request) (tenant, application string) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return "", ""
	}
	h := holderOf(authorization)
	return h.tenant, h.application
}

func holderOf(authorization string) holder {
	key := maphash.String(holders.seed, authorization)
	holders.RLock()
	h, known := holders.of[key]
	holders.RUnlock()
	if known {
		return h
	}
	if c, ok := PeekClaims(authorization); ok {
		h.token = true
		if len(c.Tenant) <= 64 && len(c.AppID) <= 64 {
			h.tenant, h.application = clean(c.Tenant), clean(c.AppID)
		}
	}
	holders.Lock()
	if len(holders.of) >= maxHolders {
		clear(holders.of)
	}
	holders.of[key] = h
	holders.Unlock()
	return h
}

// clean keeps what an id is made of; it goes into a header.
func clean(id string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, id)
}

package route

import (
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// resolveMe turns /me into /users/{id of the signed-in user}. The token is not
// verified here: the service verifies the very same one before anything is
// answered, so what it claims is enough to choose a path.
func (x *exchange) resolveMe() error {
	if !x.path.Graph() || x.first() != "me" || x.path.Segments[0].Call {
		return nil
	}
	claims, ok := peekClaims(x.r.Header.Get("Authorization"))
	if !ok {
		return fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token is missing or malformed.")
	}
	if claims.IDType == "app" || claims.Scopes == "" {
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, "/me request is only valid with delegated authentication flow.")
	}
	if _, err := uuid.Parse(claims.ObjectID); err != nil {
		return fault.Unauthenticated(errorspb.Reason_UNAUTHENTICATED, "Access token is malformed.")
	}
	x.path.Segments = append([]graph.Segment{{Name: "users"}, {Name: claims.ObjectID}}, x.path.Segments[1:]...)
	return nil
}

type claims struct {
	ObjectID string `json:"oid"`
	AppID    string `json:"appid"`
	Tenant   string `json:"tid"`
	IDType   string `json:"idtyp"`
	Scopes   string `json:"scp"`
}

// maxToken bounds what is looked at: a longer header is no token of ours.
const maxToken = 16 << 10

// peekClaims reads claims without any trust in them.
func peekClaims(authorization string) (c claims, ok bool) {
	scheme, token, found := strings.Cut(authorization, " ")
	if !found || !strings.EqualFold(scheme, "bearer") || len(token) > maxToken {
		return c, false
	}
	_, rest, found := strings.Cut(token, ".")
	payload, _, more := strings.Cut(rest, ".")
	if !found || !more {
		return c, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return c, false
	}
	return c, json.Unmarshal(raw, &c) == nil
}

// holder is what a request counts against.
type holder struct{ tenant, application string }

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
	key := maphash.String(holders.seed, authorization)
	holders.RLock()
	h, ok := holders.of[key]
	holders.RUnlock()
	if ok {
		return h.tenant, h.application
	}
	if c, ok := peekClaims(authorization); ok && len(c.Tenant) <= 64 && len(c.AppID) <= 64 {
		h = holder{clean(c.Tenant), clean(c.AppID)}
	}
	holders.Lock()
	if len(holders.of) >= maxHolders {
		clear(holders.of)
	}
	holders.of[key] = h
	holders.Unlock()
	return h.tenant, h.application
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

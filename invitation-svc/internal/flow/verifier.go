package flow

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

var encoding = base64.RawURLEncoding.Strict()

var errGone = fault.NotFound(errorspb.Reason_FLOW_EXPIRED, "This page is no longer valid. Open the link again.")

// handle is what pages call a flow: the tenant and the flow in one word.
func handle(t tenant.ID, id uuid.UUID) string {
	raw := t.UUID()
	return encoding.EncodeToString(append(raw[:], id[:]...))
}

func parseHandle(text string) (tenant.ID, uuid.UUID, bool) {
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != 32 || len(text) != 43 {
		return tenant.ID{}, uuid.Nil, false
	}
	t, id := tenant.ID(raw[:16]), uuid.UUID(raw[16:])
	return t, id, !t.IsZero() && id != uuid.Nil
}

// verifier is the secret in the cookie of a browser.
type verifier [32]byte

func newVerifier(random io.Reader) (verifier, error) {
	var v verifier
	if _, err := io.ReadFull(random, v[:]); err != nil {
		return v, fmt.Errorf("draw verifier: %w", err)
	}
	return v, nil
}

func parseVerifier(text string) (verifier, bool) {
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != 32 || len(text) != 43 {
		return verifier{}, false
	}
	return verifier(raw), true
}

func (v verifier) text() string { return encoding.EncodeToString(v[:]) }

// sum is what is stored of it, bound to the flow.
func (v verifier) sum(flow uuid.UUID) [sha256.Size]byte {
	return sha256.Sum256(append(v[:], flow[:]...))
}

func (v verifier) matches(flow uuid.UUID, stored [sha256.Size]byte) bool {
	given := v.sum(flow)
	return subtle.ConstantTimeCompare(given[:], stored[:]) == 1
}

// formToken ties a form to the browser and the flow, so that no other site
// can post it. Nothing is stored: whoever has the verifier can compute it.
func (v verifier) formToken(flow uuid.UUID) string {
	h := hmac.New(sha256.New, v[:])
	h.Write([]byte("form"))
	h.Write(flow[:])
	return encoding.EncodeToString(h.Sum(nil))
}

package saga

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// blockLife is how long the link of "Block future invitations" works.
const blockLife = 365 * 24 * time.Hour

// BlockLink is the link in a mail by which its reader blocks the organization
// (INV-49). Its token is good for this purpose alone.
func (s *Saga) BlockLink(t tenant.ID, id uuid.UUID) string {
	until := s.Clock.Now().Add(blockLife)
	return s.LoginOrigin + "/unsubscribe?tenant=" + t.String() + "&user=" + id.String() + "&token=" + s.blockToken(t, id, until)
}

func (s *Saga) blockToken(t tenant.ID, id uuid.UUID, until time.Time) string {
	token := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	h := hmac.New(sha256.New, s.Keys.Block)
	tenantID := t.UUID()
	h.Write(tenantID[:])
	h.Write(id[:])
	h.Write(token)
	return base64.RawURLEncoding.EncodeToString(h.Sum(token))
}

// Block keeps invitations of a tenant away from the address of one of them.
func (s *Saga) Block(ctx context.Context, t tenant.ID, id uuid.UUID, token string) error {
	refused := fault.NotFound(errorspb.Reason_TICKET_INVALID, "This link is no longer valid.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 8+sha256.Size {
		return refused
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(raw[:8])), 0)
	if !hmac.Equal([]byte(token), []byte(s.blockToken(t, id, until))) || !s.Clock.Now().Before(until) {
		return refused
	}
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		i, err := tx.Invitation(id)
		if errors.Is(err, store.ErrNone) {
			return refused
		}
		if err != nil {
			return err
		}
		fresh, err := tx.Block(i.Address.Key(), s.Clock.Now())
		if err != nil || !fresh {
			return err
		}
		return s.Record(ctx, tx, event(actUnsubscribed, i.User, nil, detail("InvitationId", id.String())))
	})
}

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
// (INV-49): whoever was invited, or got the copy. Its token is good for this
// purpose and this reader alone.
func (s *Saga) BlockLink(t tenant.ID, id uuid.UUID, copied bool) string {
	until := s.Clock.Now().Add(blockLife)
	return s.LoginOrigin + "/unsubscribe?tenant=" + t.String() + "&user=" + id.String() + "&token=" + s.blockToken(t, id, copied, until)
}

func (s *Saga) blockToken(t tenant.ID, id uuid.UUID, copied bool, until time.Time) string {
	token := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	h := hmac.New(sha256.New, s.Keys.Block)
	tenantID := t.UUID()
	h.Write(tenantID[:])
	h.Write(id[:])
	h.Write(token)
	if copied {
		h.Write([]byte("copy"))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(token))
}

// Block keeps mails of a tenant away from the address that one of its
// invitations, or the copy of it, was sent to.
func (s *Saga) Block(ctx context.Context, t tenant.ID, id uuid.UUID, token string) error {
	refused := fault.NotFound(errorspb.Reason_TICKET_INVALID, "This link is no longer valid.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 8+sha256.Size {
		return refused
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(raw[:8])), 0)
	good := func(copied bool) bool { return hmac.Equal([]byte(token), []byte(s.blockToken(t, id, copied, until))) }
	copied := good(true)
	if !copied && !good(false) || !s.Clock.Now().Before(until) {
		return refused
	}
	return s.Store.Write(ctx, t, func(tx store.Tx) error {
		i, err := tx.Invitation(id)
		reader := i.Address
		if copied {
			reader = i.CC
		}
		if errors.Is(err, store.ErrNone) || err == nil && reader.IsZero() {
			return refused
		}
		if err != nil {
			return err
		}
		fresh, err := tx.Block(reader.Key(), s.Clock.Now())
		if err != nil || !fresh {
			return err
		}
		return s.Record(ctx, tx, aboutReader(actUnsubscribed, copied, i))
	})
}

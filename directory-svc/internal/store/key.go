package store

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"entente.dev/directory-svc/internal/token"
	"entente.dev/directory-svc/internal/vault"
	"entente.dev/servicekit/pg"
)

type signingKeyRow struct {
	Kid        string
	Alg        string
	PublicKey  []byte
	PrivateKey []byte
	CreatedAt  time.Time
	RetiredAt  time.Time
	NotAfter   time.Time
}

func (signingKeyRow) TableName() string { return "signing_keys" }

// keyLock serializes the making of signing keys over all processes.
const keyLock = "select pg_advisory_xact_lock(7003)"

// SigningKeys reads the keys that are not expired at now, ready for use. When
// none can sign, or the one that does retires within ahead, it makes the next
// one first. The private parts are sealed with key.
func (s *Store) SigningKeys(ctx context.Context, key []byte, now time.Time, ahead time.Duration) ([]*token.Key, error) {
	var keys []*token.Key
	err := s.db.Global(ctx, func(tx *pg.Tx) error {
		var err error
		if keys, err = readKeys(tx, key, now); err != nil || token.Active(keys, now.Add(ahead)) != nil {
			return err
		}
		if err := tx.Gorm().Exec(keyLock).Error; err != nil {
			return err
		}
		if keys, err = readKeys(tx, key, now); err != nil || token.Active(keys, now.Add(ahead)) != nil {
			return err
		}
		made, err := token.NewKey(now)
		if err != nil {
			return err
		}
		row, err := keyToRow(made, key)
		if err != nil {
			return err
		}
		keys = append(keys, made)
		return tx.Gorm().Create(row).Error
	})
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	for _, k := range keys {
		if err := k.Prepare(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func readKeys(tx *pg.Tx, key []byte, now time.Time) ([]*token.Key, error) {
	var rows []signingKeyRow
	if err := tx.Gorm().Where("not_after > ?", now).Order("created_at").Find(&rows).Error; err != nil {
		return nil, err
	}
	keys := make([]*token.Key, 0, len(rows))
	for _, r := range rows {
		der, err := vault.Open(key, r.PrivateKey, r.Kid)
		if err != nil {
			return nil, fmt.Errorf("open signing key %s: the master key is another one: %w", r.Kid, err)
		}
		private, err := x509.ParsePKCS1PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("parse signing key %s: %w", r.Kid, err)
		}
		keys = append(keys, &token.Key{ID: r.Kid, Private: private, Public: &private.PublicKey, Created: r.CreatedAt, Retired: r.RetiredAt, NotAfter: r.NotAfter})
	}
	return keys, nil
}

func keyToRow(k *token.Key, key []byte) (*signingKeyRow, error) {
	public, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return nil, err
	}
	sealed, err := vault.Seal(key, x509.MarshalPKCS1PrivateKey(k.Private), k.ID)
	if err != nil {
		return nil, err
	}
	return &signingKeyRow{Kid: k.ID, Alg: token.Algorithm, PublicKey: public, PrivateKey: sealed, CreatedAt: k.Created, RetiredAt: k.Retired, NotAfter: k.NotAfter}, nil
}

package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Vault seals settings under the installation's master key, so that a copy of
// the database alone reveals none.
type Vault struct{ aead cipher.AEAD }

// NewVault derives the key of this purpose from the master key, which has at
// least 32 bytes.
func NewVault(master []byte) (*Vault, error) {
	if len(master) < 32 {
		return nil, errors.New("the master key has fewer than 32 bytes")
	}
	key, err := hkdf.Key(sha256.New, master, nil, "entente sync settings", 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return &Vault{aead}, err
}

// Seal encrypts a value for one place.
func (v *Vault) Seal(value, place string) ([]byte, error) {
	nonce := make([]byte, v.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return v.aead.Seal(nonce, nonce, []byte(value), []byte(place)), nil
}

// Open decrypts what Seal made for the same place; a value moved elsewhere
// does not open.
func (v *Vault) Open(sealed []byte, place string) (string, error) {
	n := v.aead.NonceSize()
	if len(sealed) < n {
		return "", errors.New("open: too short")
	}
	b, err := v.aead.Open(nil, sealed[:n], sealed[n:], []byte(place))
	if err != nil {
		return "", errors.New("open: the value was not sealed here with this master key")
	}
	return string(b), nil
}

package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KeyLength is the length of the master key and of every derived one.
const KeyLength = 32

// Derive makes the key for one purpose from the master key.
func Derive(master []byte, purpose string) ([]byte, error) {
	if len(master) < KeyLength {
		return nil, fmt.Errorf("the master key has %d bytes, fewer than %d", len(master), KeyLength)
	}
	return hkdf.Key(sha256.New, master, nil, "entente directory "+purpose, KeyLength)
}

// Seal encrypts plain under key and binds it to name.
func Seal(key, plain []byte, name string) ([]byte, error) {
	aead, err := open(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	_, _ = rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(name)), nil
}

// Open decrypts what Seal made for the same name.
func Open(key, sealed []byte, name string) ([]byte, error) {
	aead, err := open(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("sealed value is too short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(name))
}

func open(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

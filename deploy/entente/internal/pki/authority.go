package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"entente.dev/deploy/entente/internal/atomicfile"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	// skew lets a certificate hold a moment before it was made: a client's
	// clock may be behind.
	skew = 5 * time.Minute
)

// Authority signs certificates with the key in its folder.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Open loads the authority of the folder or makes one when the folder has
// none. An authority that no longer holds at now is refused, not replaced:
// clients trust it by its file, and losing that trust must be somebody's
// decision.
func Open(dir string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open certificate folder: %w", err)
	}
	a := &Authority{dir: dir}
	cert, key, err := loadPair(a.CAFile(), a.keyFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a, a.create(now)
	case err != nil:
		return nil, fmt.Errorf("load certificate authority: %w", err)
	case now.After(cert.NotAfter):
		return nil, fmt.Errorf("the certificate authority in %s ended at %s: remove the folder to get a new one, and give its ca.pem to the clients",
			dir, cert.NotAfter.Format(time.RFC3339))
	}
	a.cert, a.key = cert, key
	return a, nil
}

// CAFile is the certificate that clients must trust, in PEM.
func (a *Authority) CAFile() string { return filepath.Join(a.dir, "ca.pem") }

func (a *Authority) keyFile() string { return filepath.Join(a.dir, "ca-key.pem") }

func (a *Authority) create(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make certificate authority: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The serial tells the authorities of two data folders apart in a trust store.
		Subject:               pkix.Name{Organization: []string{"Entente"}, CommonName: fmt.Sprintf("Entente private CA %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make certificate authority: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("make certificate authority: %w", err)
	}
	a.key = key
	return savePair(a.CAFile(), a.keyFile(), der, key)
}

func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40 // positive, and of full length
	return new(big.Int).SetBytes(b), nil
}

// savePair writes the key before the certificate: a certificate on disk then
// always has its key.
func savePair(certFile, keyFile string, der []byte, key *ecdsa.PrivateKey) error {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	if err := atomicfile.Write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return atomicfile.Write(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// errMismatch says that a certificate and a key file do not belong together,
// as after a crash between the two writes.
var errMismatch = errors.New("the key does not belong to the certificate")

func loadPair(certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certDER, err := readPEM(certFile, "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := readPEM(keyFile, "PRIVATE KEY")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", certFile, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s: %w", keyFile, errMismatch)
	}
	return cert, key, nil
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no %s in PEM", path, kind)
	}
	return block.Bytes, nil
}

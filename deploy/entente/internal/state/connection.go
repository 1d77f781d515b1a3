package state

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"entente.dev/deploy/entente/internal/atomicfile"
)

// Connection is entente.json: how tools and tests reach a running suite.
type Connection struct {
	// GraphURL is the origin of the Graph facade, over TLS.
	GraphURL string `json:"graphUrl"`
	// LoginURL is the origin of the token endpoints and the pages.
	LoginURL string `json:"loginUrl"`
	// HTTPURL is the same facade on plain HTTP, on loopback only.
	HTTPURL string `json:"httpUrl"`
	// CAFile is the certificate that clients of the TLS addresses must trust.
	CAFile string `json:"caFile"`
	// MailURL is where caught mail is shown.
	MailURL string `json:"mailUrl"`
	// GRPC is host:port of each service by its short name ("directory").
	GRPC map[string]string `json:"grpc"`
	// Tenants are the demo's; empty without --demo.
	Tenants []Tenant `json:"tenants"`
}

// Tenant is a demo tenant with the credentials of its administrators.
type Tenant struct {
	Name         string        `json:"name"`
	TenantID     string        `json:"tenantId"`
	Domain       string        `json:"domain"`
	TenantType   string        `json:"tenantType"`
	ClientID     string        `json:"clientId"`
	ClientSecret string        `json:"clientSecret"`
	Admin        Administrator `json:"admin"`
}

// Administrator is the first user of a demo tenant.
type Administrator struct {
	UserPrincipalName string `json:"userPrincipalName"`
	Password          string `json:"password"`
}

// ConnectionFile is entente.json of the data folder root.
func ConnectionFile(root string) string { return filepath.Join(root, "entente.json") }

// WriteConnection replaces entente.json; only its owner may read it.
func (f *Folder) WriteConnection(c Connection) error {
	if c.GRPC == nil {
		c.GRPC = map[string]string{}
	}
	if c.Tenants == nil {
		c.Tenants = []Tenant{}
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write entente.json: %w", err)
	}
	return atomicfile.Write(ConnectionFile(f.root), append(data, '\n'), 0o600)
}

// ReadConnection reads entente.json of the data folder root. It stays when the
// suite stops, so that the demo's secrets are still known after a restart.
func ReadConnection(root string) (Connection, error) {
	data, err := os.ReadFile(ConnectionFile(root))
	if err != nil {
		return Connection{}, fmt.Errorf("read how to reach the suite: %w", err)
	}
	var c Connection
	if err := json.Unmarshal(data, &c); err != nil {
		return Connection{}, fmt.Errorf("read how to reach the suite: %s: %w", ConnectionFile(root), err)
	}
	return c, nil
}

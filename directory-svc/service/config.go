package service

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"entente.dev/servicekit/clock"
)

// Config are the settings of directory-svc.
type Config struct {
	// DSN logs in as the serving role; OwnerDSN as the owner of the schema,
	// for Migrate alone.
	DSN       string `env:"DSN" secret:"true" help:"database, as the role that serves"`
	OwnerDSN  string `env:"OWNER_DSN" secret:"true" help:"database, as the owner of the schema; for migrate"`
	ServeRole string `env:"SERVE_ROLE" flag:"serve-role" default:"entente_directory" help:"database role that serves; migrate grants it its rights"`
	MaxConns  int32  `env:"MAX_CONNS" flag:"max-conns" default:"16" help:"connections to the database at most"`
	// MasterKey is 32 random bytes in base64. What it encrypts is lost without
	// it: signing keys and the MACs under password verifiers.
	MasterKey string `env:"MASTER_KEY" secret:"true" help:"key of 32 bytes in base64 that protects secrets at rest"`
	Resolver  string `env:"RESOLVER" flag:"resolver" help:"name server for the verification of domains, host:port; the one of the system when empty"`
	Suffix    string `env:"DOMAIN_SUFFIX" flag:"domain-suffix" default:"onentente.example" help:"suffix of the tenants' initial domains"`
	// LoginOrigin begins the issuers of tokens; Origins are the names of Graph,
	// the first of which is the audience of tokens.
	LoginOrigin string   `env:"LOGIN_ORIGIN" flag:"login-origin" help:"origin of token issuers, for instance https://login.entente.example"`
	Origins     []string `env:"ORIGINS" flag:"origins" help:"public origins of Graph, the main one first"`
	// SignInDays is how long the sign-in log is kept (DIR-222).
	SignInDays int `env:"SIGN_IN_DAYS" flag:"sign-in-days" default:"30" help:"days to keep the sign-in log, 7 to 730"`

	// Clock is for tests; nil is the system's.
	Clock clock.Clock
}

// Schema is the schema of the service in the database.
const Schema = "directory"

func (c *Config) validate() ([]byte, error) {
	if c.Clock == nil {
		c.Clock = clock.System()
	}
	c.LoginOrigin = strings.TrimSuffix(c.LoginOrigin, "/")
	c.Suffix = strings.ToLower(c.Suffix)
	for i := range c.Origins {
		c.Origins[i] = strings.TrimSuffix(c.Origins[i], "/")
	}
	switch {
	case c.DSN == "":
		return nil, errors.New("the database is required (DSN)")
	case c.SignInDays == 0:
		c.SignInDays = 30
	case c.SignInDays < 7 || c.SignInDays > 730:
		return nil, errors.New("the sign-in log is kept for 7 to 730 days (SIGN_IN_DAYS)")
	}
	switch {
	case len(c.Origins) == 0:
		return nil, errors.New("the public origins are required (ORIGINS)")
	case c.LoginOrigin == "":
		c.LoginOrigin = c.Origins[0]
	}
	master, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.MasterKey))
	if err != nil {
		return nil, fmt.Errorf("the master key is not base64: %w", err)
	}
	return master, nil
}

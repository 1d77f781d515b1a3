package service

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Config are the settings of policy-svc.
type Config struct {
	// DSN logs in as the serving role, which owns nothing.
	DSN string `env:"DSN" secret:"true" help:"connection string of the serving role"`
	// OwnerDSN logs in as the owner of the schema; only Migrate uses it.
	OwnerDSN  string `env:"OWNER_DSN" secret:"true" help:"connection string of the schema's owner, for migrate"`
	Schema    string `env:"SCHEMA" flag:"schema" default:"policy" help:"schema of this service"`
	ServeRole string `env:"SERVE_ROLE" flag:"serve-role" default:"entente_policy" help:"role that migrate grants the serving rights to"`
	MaxConns  int32  `env:"MAX_CONNS" flag:"max-conns" default:"16" help:"connections to the database"`
	// PageKey seals page tokens; replicas must share it. Empty makes one that
	// lasts as long as the process.
	PageKey string `env:"PAGE_KEY" secret:"true" help:"secret of page tokens, at least 32 bytes, the same in every replica"`
	// Cloud is the endpoint that names this installation to tenants of others.
	Cloud string `env:"CLOUD" flag:"cloud" default:"entente.local" help:"cloud endpoint of this installation"`
	// PeerClouds may be listed in allowedCloudEndpoints beside Microsoft's.
	PeerClouds []string `env:"PEER_CLOUDS" flag:"peer-clouds" help:"cloud endpoints of peer installations"`
	// SuiteApps are the applications that the target Office365 means.
	SuiteApps []string `env:"SUITE_APPS" flag:"suite-apps" help:"application ids that Office365 stands for in access settings"`
	// WriteLimit bounds policy changes per tenant in ten seconds; 0 is no bound.
	WriteLimit int `env:"WRITE_LIMIT" flag:"write-limit" default:"20" help:"policy changes of one tenant in ten seconds; 0 for no limit"`
}

// minPageKey is the least length of a page key in bytes.
const minPageKey = 32

// withDefaults fills what a configuration that was not read by package config
// leaves empty.
func (c Config) withDefaults() Config {
	for _, d := range []struct {
		at    *string
		value string
	}{{&c.Schema, "policy"}, {&c.ServeRole, "entente_policy"}, {&c.Cloud, "entente.local"}} {
		if *d.at == "" {
			*d.at = d.value
		}
	}
	return c
}

// Validate refuses settings that cannot work.
func (c Config) Validate() error {
	var problems []error
	if c.DSN == "" {
		problems = append(problems, errors.New("the connection string of the serving role is required (DSN)"))
	}
	if c.PageKey != "" && len(c.PageKey) < minPageKey {
		problems = append(problems, fmt.Errorf("the key of page tokens needs at least %d bytes", minPageKey))
	}
	if c.WriteLimit < 0 {
		problems = append(problems, errors.New("the write limit cannot be negative"))
	}
	if _, err := c.suite(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (c Config) suite() (map[uuid.UUID]bool, error) {
	out := make(map[uuid.UUID]bool, len(c.SuiteApps))
	for _, text := range c.SuiteApps {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("suite applications: '%s' is not a GUID", text)
		}
		out[id] = true
	}
	return out, nil
}

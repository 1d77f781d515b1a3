package service

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config are the settings of sync-svc.
type Config struct {
	// DSN logs in as the serving role, which owns nothing.
	DSN string `env:"DSN" secret:"true" help:"connection string of the serving role"`
	// OwnerDSN logs in as the owner of the schema; only Migrate uses it.
	OwnerDSN  string `env:"OWNER_DSN" secret:"true" help:"connection string of the schema's owner, for migrate"`
	Schema    string `env:"SCHEMA" flag:"schema" default:"sync" help:"schema of this service"`
	ServeRole string `env:"SERVE_ROLE" flag:"serve-role" default:"entente_sync" help:"role that migrate grants the serving rights to"`
	MaxConns  int32  `env:"MAX_CONNS" flag:"max-conns" default:"16" help:"connections to the database"`
	// MasterKey is 32 random bytes in base64, the same in every replica. What it
	// encrypts is lost without it.
	MasterKey string `env:"MASTER_KEY" secret:"true" help:"key of 32 bytes in base64 that protects settings at rest"`
	// PageKey seals page tokens; replicas must share it. Empty derives one from
	// the master key.
	PageKey string `env:"PAGE_KEY" secret:"true" help:"secret of page tokens, at least 32 bytes, the same in every replica"`
	// Batch is how many objects are read, decided and written together.
	Batch int `env:"BATCH" flag:"batch" default:"250" help:"objects that are read, decided and written together, at most 400"`
	// Poll is how often a followed change feed is read without a hint.
	Poll time.Duration `env:"POLL" flag:"poll" default:"1s" help:"pause between readings of a change feed without a hint"`
	// LeaseLife is how long a job stays with a process that does not answer.
	LeaseLife time.Duration `env:"LEASE_LIFE" flag:"lease-life" default:"60s" help:"time after which another process takes over a job"`
	// LogRetention is how long the provisioning log is kept.
	LogRetention time.Duration `env:"LOG_RETENTION" flag:"log-retention" default:"720h" help:"age at which provisioning log records are removed, 7 to 730 days"`
	// MaxJobs bounds the jobs one process holds.
	MaxJobs int `env:"MAX_JOBS" flag:"max-jobs" default:"256" help:"jobs that one process runs at the same time"`
}

const minPageKey = 32

// withDefaults fills what a configuration that was not read by package config
// leaves empty.
func (c Config) withDefaults() Config {
	for _, d := range []struct {
		at    *string
		value string
	}{{&c.Schema, "sync"}, {&c.ServeRole, "entente_sync"}} {
		if *d.at == "" {
			*d.at = d.value
		}
	}
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&c.Poll, time.Second}, {&c.LeaseLife, time.Minute}, {&c.LogRetention, 30 * 24 * time.Hour}} {
		if *d.at == 0 {
			*d.at = d.value
		}
	}
	if c.Batch == 0 {
		c.Batch = 250
	}
	return c
}

// Validate refuses settings that cannot work.
func (c Config) Validate() error {
	var problems []error
	if c.DSN == "" {
		problems = append(problems, errors.New("the connection string of the serving role is required (DSN)"))
	}
	if _, err := c.master(); err != nil {
		problems = append(problems, err)
	}
	if c.PageKey != "" && len(c.PageKey) < minPageKey {
		problems = append(problems, fmt.Errorf("the key of page tokens needs at least %d bytes", minPageKey))
	}
	if c.Batch < 1 || c.Batch > 400 {
		problems = append(problems, errors.New("the batch must have 1 to 400 objects"))
	}
	if c.LeaseLife < 3*time.Second {
		problems = append(problems, errors.New("a lease must last at least 3 seconds"))
	}
	if day := 24 * time.Hour; c.LogRetention < 7*day || c.LogRetention > 730*day {
		problems = append(problems, errors.New("the provisioning log is kept for 7 to 730 days"))
	}
	return errors.Join(problems...)
}

func (c Config) master() ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.MasterKey))
	if err != nil || len(key) < 32 {
		return nil, errors.New("the master key must be at least 32 bytes in base64 (MASTER_KEY)")
	}
	return key, nil
}

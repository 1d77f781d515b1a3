package service

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/passcode"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/smtp"
	"entente.dev/invitation-svc/internal/throttle"
)

// Config are the settings of invitation-svc.
type Config struct {
	// DSN logs in as the serving role, which owns nothing.
	DSN string `env:"DSN" secret:"true" help:"connection string of the serving role"`
	// OwnerDSN logs in as the owner of the schema; only Migrate uses it.
	OwnerDSN  string `env:"OWNER_DSN" secret:"true" help:"connection string of the schema's owner, for migrate"`
	Schema    string `env:"SCHEMA" flag:"schema" default:"invitation" help:"schema of this service"`
	ServeRole string `env:"SERVE_ROLE" flag:"serve-role" default:"entente_invitation" help:"role that migrate grants the serving rights to"`
	MaxConns  int32  `env:"MAX_CONNS" flag:"max-conns" default:"16" help:"connections to the database"`

	// OneDatabase spares invitations a wait for the disk. It must not be set
	// where a DSN of directory-svc names another server.
	OneDatabase bool `env:"ONE_DATABASE" flag:"one-database" help:"directory-svc keeps its schema in the same database, whose log orders the commits of both"`

	LoginOrigin string `env:"LOGIN_ORIGIN" flag:"login-origin" help:"origin of token issuers and of the pages that links lead to, for instance https://login.example"`
	PanelURL    string `env:"PANEL_URL" flag:"panel-url" help:"page of the applications, where invitees land without a redirect URL; the login origin when empty"`
	Product     string `env:"PRODUCT" flag:"product" default:"Entente" help:"name of the product in mails"`
	MailFrom    string `env:"MAIL_FROM" flag:"mail-from" help:"address that mails come from"`

	SMTPHost     string `env:"SMTP_HOST" flag:"smtp-host" help:"mail relay"`
	SMTPPort     int    `env:"SMTP_PORT" flag:"smtp-port" default:"587" help:"port of the mail relay"`
	SMTPUsername string `env:"SMTP_USERNAME" flag:"smtp-username" help:"user at the mail relay; empty for none"`
	SMTPPassword string `env:"SMTP_PASSWORD" secret:"true" help:"password at the mail relay"`
	SMTPTLS      string `env:"SMTP_TLS" flag:"smtp-tls" default:"required" help:"required, optional, implicit, or none for a relay on loopback"`
	SMTPCAFile   string `env:"SMTP_CA" flag:"smtp-ca" help:"authority of the relay's certificate, PEM; the system's when empty"`
	SMTPHello    string `env:"SMTP_HELLO" flag:"smtp-hello" help:"name given to the relay; the host's when empty"`

	// Key is the secret from which the keys of passcodes, limits, block links
	// and page tokens are derived; give it as a file (KEY_FILE).
	Key string `env:"KEY" secret:"true" help:"at least 32 random bytes, the same on every replica"`

	LinkLifetime     time.Duration `env:"LINK_LIFETIME" flag:"link-lifetime" default:"720h" help:"how long redeem links are valid where a tenant says nothing, 1h to 8760h"`
	PasscodeValidity time.Duration `env:"PASSCODE_VALIDITY" flag:"passcode-validity" default:"10m" help:"how long passcodes are valid where a tenant says nothing, up to 30m"`

	// Limits; -1 switches one off.
	TenantInvites5s int `env:"LIMIT_TENANT_5S" flag:"limit-tenant-5s" default:"150" help:"invitations of a tenant in 5 seconds; -1 for no limit"`
	MemberInvites1h int `env:"LIMIT_MEMBER_HOUR" flag:"limit-member-hour" default:"50" help:"invitations by a member in an hour"`
	MemberInvites1d int `env:"LIMIT_MEMBER_DAY" flag:"limit-member-day" default:"200" help:"invitations by a member in a day"`
	AdminInvites1h  int `env:"LIMIT_ADMIN_HOUR" flag:"limit-admin-hour" default:"600" help:"invitations by an administrator or application in an hour"`
	AdminInvites1d  int `env:"LIMIT_ADMIN_DAY" flag:"limit-admin-day" default:"5000" help:"invitations by an administrator or application in a day"`
	AddressMails1d  int `env:"LIMIT_ADDRESS_DAY" flag:"limit-address-day" default:"5" help:"invitation mails to one address in a day"`
	AddressMails30d int `env:"LIMIT_ADDRESS_MONTH" flag:"limit-address-month" default:"20" help:"invitation mails to one address in 30 days"`
	NetworkOpens1m  int `env:"LIMIT_BAD_OPENS" flag:"limit-bad-opens" default:"10" help:"bad links from one network in a minute"`
	NetworkCodes1h  int `env:"LIMIT_NETWORK_CODES" flag:"limit-network-codes" default:"30" help:"passcodes asked for from one network in an hour"`
}

// withDefaults fills what a configuration that was not read by package config
// leaves empty.
func (c Config) withDefaults() Config {
	for _, d := range []struct {
		at    *string
		value string
	}{{&c.Schema, "invitation"}, {&c.ServeRole, "entente_invitation"}, {&c.Product, "Entente"}, {&c.SMTPTLS, "required"}, {&c.PanelURL, c.LoginOrigin + "/"}} {
		if *d.at == "" {
			*d.at = d.value
		}
	}
	return c
}

// Validate refuses settings that cannot work.
func (c Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if err := origin(c.LoginOrigin); err != nil {
		bad("login origin: %w", err)
	}
	if u, err := url.Parse(c.PanelURL); c.PanelURL != "" && (err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		bad("panel URL %q is not an absolute URL without query", c.PanelURL)
	}
	if _, wrong := invitation.ParseAddress(c.MailFrom, false); wrong != "" {
		bad("sender of mails: %s", wrong)
	}
	if c.SMTPHost == "" {
		bad("the mail relay is not set")
	}
	if ip := net.ParseIP(c.SMTPHost); c.SMTPTLS == "none" && c.SMTPHost != "localhost" && (ip == nil || !ip.IsLoopback()) {
		bad("the mail relay %s is not on loopback and needs TLS", c.SMTPHost)
	}
	if c.DSN == "" {
		bad("the connection string of the serving role is required (DSN)")
	}
	if _, err := saga.DeriveKeys([]byte(c.Key)); err != nil {
		bad("key: %w", err)
	}
	if c.LinkLifetime != 0 && invitation.Lifetime(c.LinkLifetime) != c.LinkLifetime {
		bad("link lifetime %v is not between 1h and 8760h", c.LinkLifetime)
	}
	if c.PasscodeValidity != 0 && passcode.Validity(c.PasscodeValidity) != c.PasscodeValidity {
		bad("passcode validity %v is more than 30m", c.PasscodeValidity)
	}
	return errors.Join(problems...)
}

func origin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("%q is not an origin like https://login.example", text)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q is not on loopback and needs https", text)
	}
	return nil
}

func (c Config) relay() smtp.Config {
	return smtp.Config{Host: c.SMTPHost, Port: c.SMTPPort, Username: c.SMTPUsername, Password: c.SMTPPassword, TLS: c.SMTPTLS, CAFile: c.SMTPCAFile, Hello: c.SMTPHello}
}

// limits are the default ones with the figures of the settings; a figure of 0
// leaves the default, a negative one switches the limit off.
func (c Config) limits() saga.Limits {
	l := saga.DefaultLimits()
	set := func(limit *throttle.Limit, most int) {
		if most != 0 {
			limit.Most = most
		}
	}
	set(&l.PerTenant, c.TenantInvites5s)
	set(&l.PerMember[0], c.MemberInvites1h)
	set(&l.PerMember[1], c.MemberInvites1d)
	set(&l.PerAdmin[0], c.AdminInvites1h)
	set(&l.PerAdmin[1], c.AdminInvites1d)
	set(&l.MailsTo[0], c.AddressMails1d)
	set(&l.MailsTo[1], c.AddressMails30d)
	set(&l.BadOpens, c.NetworkOpens1m)
	set(&l.CodesFrom, c.NetworkCodes1h)
	return l
}

package service

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Config are the settings of the gateway.
type Config struct {
	// HTTPSListen is empty when the caller serves Handler itself.
	HTTPSListen string `env:"HTTPS_LISTEN" flag:"https-listen" default:"127.0.0.1:8443" help:"address of REST and pages"`
	CertFile    string `env:"HTTPS_CERT" flag:"https-cert" help:"certificate of the HTTPS listener, PEM"`
	KeyFile     string `env:"HTTPS_KEY" flag:"https-key" help:"private key of that certificate, PEM"`
	HTTPListen  string `env:"HTTP_LISTEN" flag:"http-listen" help:"loopback address that also serves plain HTTP; empty for none"`
	// Origins are the addresses clients use; links begin with the one a request
	// came to, and with the first where it came to none of them.
	Origins []string `env:"ORIGINS" flag:"origins" required:"true" help:"public origins, for instance https://entente.example; the main one first"`
	// LoginOrigin begins the issuer of tokens and must be the one directory-svc
	// has; empty means the first of Origins.
	LoginOrigin string `env:"LOGIN_ORIGIN" flag:"login-origin" help:"origin of token issuers; default the first of the public origins"`
	Product     string `env:"PRODUCT" flag:"product" default:"Entente" help:"name of the installation on pages and in metadata"`
	// PageKey seals page tokens of merged lists; replicas must share it. Empty
	// makes one that lasts as long as the process.
	PageKey        string   `env:"PAGE_KEY" secret:"true" help:"secret of page tokens, at least 32 bytes, the same in every replica"`
	TrustedProxies []string `env:"TRUSTED_PROXIES" flag:"trusted-proxies" help:"networks whose X-Forwarded-For and traceparent are believed, for instance 10.0.0.0/8"`
	// Rates are requests per second; 0 sets no limit.
	TenantRate       float64 `env:"TENANT_RATE" flag:"tenant-rate" default:"200" help:"requests per second of one tenant; 0 for no limit"`
	TenantBurst      float64 `env:"TENANT_BURST" flag:"tenant-burst" default:"400" help:"requests of one tenant at once"`
	ApplicationRate  float64 `env:"APPLICATION_RATE" flag:"application-rate" default:"200" help:"requests per second of one application in a tenant; 0 for no limit"`
	ApplicationBurst float64 `env:"APPLICATION_BURST" flag:"application-burst" default:"400" help:"requests of one application at once"`
	// AddressRate is for requests whose token no service has accepted, SignInRate
	// for the token endpoint and the pages (DIR-15).
	AddressRate  float64 `env:"ADDRESS_RATE" flag:"address-rate" default:"200" help:"requests per second of one address without a token that is accepted; 0 for no limit"`
	AddressBurst float64 `env:"ADDRESS_BURST" flag:"address-burst" default:"400" help:"such requests of one address at once"`
	SignInRate   float64 `env:"SIGN_IN_RATE" flag:"sign-in-rate" default:"20" help:"requests per second of one address to the token endpoint and the pages; 0 for no limit"`
	SignInBurst  float64 `env:"SIGN_IN_BURST" flag:"sign-in-burst" default:"20" help:"such requests of one address at once"`
}

func (c Config) validate() error {
	var problems []error
	if c.HTTPSListen != "" && (c.CertFile == "" || c.KeyFile == "") {
		problems = append(problems, errors.New("the HTTPS listener needs a certificate and its key"))
	}
	if c.HTTPListen != "" {
		host, _, err := net.SplitHostPort(c.HTTPListen)
		ip, ipErr := netip.ParseAddr(host)
		if err != nil || host != "localhost" && (ipErr != nil || !ip.IsLoopback()) {
			problems = append(problems, fmt.Errorf("plain HTTP on %s: only a loopback address may be served without TLS", c.HTTPListen))
		}
	}
	if c.PageKey != "" && len(c.PageKey) < 32 {
		problems = append(problems, errors.New("the key of page tokens needs at least 32 bytes"))
	}
	if min(c.TenantRate, c.TenantBurst, c.ApplicationRate, c.ApplicationBurst, c.AddressRate, c.AddressBurst, c.SignInRate, c.SignInBurst) < 0 {
		problems = append(problems, errors.New("rates cannot be negative"))
	}
	return errors.Join(problems...)
}

func (c Config) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, s := range c.TrustedProxies {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("trusted proxies: %w", err)
		}
		list = append(list, p)
	}
	return list, nil
}

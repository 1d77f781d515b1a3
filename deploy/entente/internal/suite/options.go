package suite

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"entente.dev/deploy/entente/internal/state"
	"entente.dev/servicekit/config"
)

// Options are the settings of `entente up`, from flags and ENTENTE_ variables.
type Options struct {
	DataDir      string `env:"DATA_DIR" flag:"data-dir" help:"folder of everything the installation keeps; default /var/lib/entente for root, else the user's data folder"`
	Listen       string `env:"LISTEN" flag:"listen" default:"127.0.0.1:8080" help:"REST and pages on plain HTTP, on loopback only; port 0 picks a free one"`
	TLSListen    string `env:"TLS_LISTEN" flag:"tls-listen" default:"127.0.0.1:8443" help:"REST and pages on HTTPS; port 0 picks a free one"`
	MailListen   string `env:"MAIL_LISTEN" flag:"mail-listen" default:"127.0.0.1:0" help:"pages and API of the mail catcher"`
	GRPCListen   string `env:"GRPC_LISTEN" flag:"grpc-listen" default:"127.0.0.1:0" help:"gRPC of the services with mutual TLS; with a port the services take it and the following three"`
	AdminListen  string `env:"ADMIN_LISTEN" flag:"admin-listen" default:"127.0.0.1:0" help:"metrics and profiles, on loopback only"`
	PublicURL    string `env:"PUBLIC_URL" flag:"public-url" help:"origin under which clients reach the HTTPS address; default that address"`
	Demo         bool   `env:"DEMO" flag:"demo" help:"make the demo tenants and run the main job once; only in an empty installation"`
	DSN          string `env:"DSN" flag:"dsn" help:"database of a running PostgreSQL, as a role that may create roles; default a private server in the data folder"`
	PostgresBin  string `env:"POSTGRES_BIN" flag:"postgres-bin" help:"folder of initdb and postgres for the private server; default searches"`
	Suffix       string `env:"DOMAIN_SUFFIX" flag:"domain-suffix" default:"example" help:"suffix of the tenants' initial domains"`
	Resolver     string `env:"RESOLVER" flag:"resolver" help:"name server for the verification of domains, host:port; the one of the system when empty"`
	Reflection   bool   `env:"REFLECTION" flag:"reflection" default:"true" help:"let grpcurl list the services"`
	LogLevel     string `env:"LOG_LEVEL" flag:"log-level" default:"warn" help:"debug, info, warn or error"`
	Rate         string `env:"TENANT_RATE" flag:"tenant-rate" help:"REST requests per second of one tenant, 0 for no limit; default 200, with --demo no limit so that it can be measured"`
	SignInRate   string `env:"SIGN_IN_RATE" flag:"sign-in-rate" help:"requests per second of one address to the token endpoint and the pages, 0 for no limit; default 20, with --demo no limit"`
	SMTP         string `env:"SMTP" flag:"smtp" help:"host:port of a real mail server; default the mail catcher"`
	SMTPUsername string `env:"SMTP_USERNAME" flag:"smtp-username" help:"user at the mail server; empty for none"`
	SMTPPassword string `env:"SMTP_PASSWORD" secret:"true" help:"password at the mail server"`
	SMTPTLS      string `env:"SMTP_TLS" flag:"smtp-tls" default:"required" help:"TLS with the mail server: required, optional or implicit"`
	MailFrom     string `env:"MAIL_FROM" flag:"mail-from" default:"invitations@entente.example" help:"address that mails come from"`
}

// ParseOptions reads the options and checks them.
func ParseOptions(args, environ []string) (Options, error) {
	var o Options
	if err := config.Load("", &o, args, environ); err != nil {
		return Options{}, err
	}
	if o.DataDir == "" {
		root, err := state.DefaultRoot()
		if err != nil {
			return Options{}, err
		}
		o.DataDir = root
	}
	for flag, text := range map[string]string{"tenant-rate": o.Rate, "sign-in-rate": o.SignInRate} {
		if rate, err := strconv.ParseFloat(text, 64); text != "" && (err != nil || rate < 0) {
			return Options{}, fmt.Errorf("--%s %s: write a number of requests per second", flag, text)
		}
	}
	for flag, address := range map[string]string{"listen": o.Listen, "admin-listen": o.AdminListen} {
		if err := onLoopback(address); err != nil {
			return Options{}, fmt.Errorf("--%s %s: %w", flag, address, err)
		}
	}
	return o, nil
}

// rate is the limit of one tenant at the gateway, and that of an address whose
// requests no service accepts; 0 for none.
func (o Options) rate() float64 { return o.rateOr(o.Rate, defaultRate) }

// signInRate is the limit of one address at the endpoints of sign-in, 0 for
// none.
func (o Options) signInRate() float64 { return o.rateOr(o.SignInRate, defaultSignInRate) }

// rateOr reads a rate that ParseOptions has checked.
func (o Options) rateOr(text string, otherwise float64) float64 {
	switch {
	case text == "" && o.Demo:
		return 0
	case text == "":
		return otherwise
	}
	rate, _ := strconv.ParseFloat(text, 64)
	return rate
}

// The published limits (DIR-15).
const (
	defaultRate       = 200
	defaultSignInRate = 20
)

// onLoopback refuses addresses that others than this machine reach: what is
// served there has no encryption of its own.
func onLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("write host:port")
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("only a loopback address may be served without TLS")
	}
	return nil
}

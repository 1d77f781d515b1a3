package process

import (
	"fmt"
	"net"
	"time"
)

// Config are the settings that every process has. Services embed it as a
// named or embedded field of their own settings.
type Config struct {
	Listen       string        `env:"LISTEN" flag:"listen" default:"127.0.0.1:7443" help:"address of the gRPC listener, always TLS"`
	AdminListen  string        `env:"ADMIN_LISTEN" flag:"admin-listen" help:"loopback address of metrics, pprof and health; empty for none"`
	CertFile     string        `env:"TLS_CERT" flag:"tls-cert" help:"certificate of this service, PEM"`
	KeyFile      string        `env:"TLS_KEY" flag:"tls-key" help:"private key of the certificate, PEM"`
	CAFile       string        `env:"TLS_CA" flag:"tls-ca" help:"authority of the suite's certificates, PEM"`
	Reflection   bool          `env:"REFLECTION" flag:"reflection" help:"list the services to grpcurl and ghz"`
	LogLevel     string        `env:"LOG_LEVEL" flag:"log-level" default:"info" help:"debug, info, warn or error"`
	OTLPEndpoint string        `env:"OTLP_ENDPOINT" flag:"otlp-endpoint" help:"URL that traces are sent to, http://host:4317; empty for none"`
	TraceRatio   float64       `env:"TRACE_RATIO" flag:"trace-ratio" default:"0.01" help:"share of calls that are traced when the client does not say"`
	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" flag:"drain-timeout" default:"15s" help:"time that running calls have to finish at the end"`
}

// Validate refuses settings that cannot work or that open what must stay
// closed.
func (c Config) Validate() error {
	if c.AdminListen != "" {
		host, _, err := net.SplitHostPort(c.AdminListen)
		if err != nil {
			return fmt.Errorf("admin listener: %w", err)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("admin listener %s is not on loopback; it shows memory and metrics to whoever reaches it", c.AdminListen)
		}
	}
	if c.CertFile == "" || c.KeyFile == "" || c.CAFile == "" {
		return fmt.Errorf("certificate, key and authority are required (TLS_CERT, TLS_KEY, TLS_CA): there is no insecure mode")
	}
	if c.TraceRatio < 0 || c.TraceRatio > 1 {
		return fmt.Errorf("trace ratio %v is not between 0 and 1", c.TraceRatio)
	}
	return nil
}

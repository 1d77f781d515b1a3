package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	"entente.dev/deploy/entente/internal/database"
	"entente.dev/deploy/entente/internal/keys"
	"entente.dev/deploy/entente/internal/pki"
	"entente.dev/deploy/entente/internal/progress"
	"entente.dev/deploy/entente/internal/state"
	"entente.dev/servicekit/lifecycle"
	"entente.dev/servicekit/process"
	"github.com/prometheus/client_golang/prometheus"
)

// installation is what the parts of a running suite share.
type installation struct {
	options  Options
	folder   *state.Folder
	keys     *keys.Ring
	pki      *pki.Authority
	database *database.Database
	network  *network
	metrics  *prometheus.Registry
	out      *progress.Printer
	log      io.Writer
	graphURL string // the public origin
}

// Up starts the suite, prints `ready` when it serves, and ends it when ctx
// ends. It answers nil after an orderly end. Progress goes to out, the log of
// the parts to log.
func Up(ctx context.Context, o Options, out *progress.Printer, log io.Writer) (err error) {
	folder, err := state.Open(o.DataDir)
	if err != nil {
		return err
	}
	s := &installation{options: o, folder: folder, metrics: prometheus.NewRegistry(), out: out, log: log}
	defer func() { err = errors.Join(err, folder.Close()) }()
	out.Line("data folder %s", folder.Root())
	if err := s.prepare(); err != nil {
		return err
	}
	defer s.network.close()
	if err := s.startDatabase(ctx); err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, s.database.Stop()) }()
	if err := s.migrate(ctx); err != nil {
		return interrupted(ctx, err)
	}
	parts, closeParts, err := s.parts(ctx)
	defer closeParts()
	if err != nil {
		return interrupted(ctx, err)
	}
	return s.serve(ctx, parts)
}

// interrupted turns the consequence of Ctrl-C into the orderly end it is.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// prepare opens the secrets, the certificates and the ports.
func (s *installation) prepare() error {
	var err error
	if s.keys, err = keys.Open(s.folder.Keys()); err != nil {
		return err
	}
	if s.pki, err = pki.Open(s.folder.Certificates(), time.Now()); err != nil {
		return err
	}
	if s.network, err = listen(s.folder, s.options); err != nil {
		return err
	}
	s.graphURL = s.options.PublicURL
	if s.graphURL == "" {
		s.graphURL = "https://" + reachable(s.network.tls.Addr())
	}
	if err := s.renewCertificates(context.Background()); err != nil {
		s.network.close()
		return err
	}
	return nil
}

// renewCertificates ensures every certificate; servers take new files up.
func (s *installation) renewCertificates(context.Context) error {
	now := time.Now()
	for _, service := range services {
		if _, err := s.pki.Service(identity(service), now); err != nil {
			return err
		}
	}
	if _, err := s.pki.Service(gatewayIdentity, now); err != nil {
		return err
	}
	_, err := s.pki.Web(s.webHosts(), now)
	return err
}

// webHosts are the names under which clients reach the HTTPS address.
func (s *installation) webHosts() []string {
	var hosts []string
	for _, address := range []string{s.graphURL, "https://" + s.network.tls.Addr().String()} {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

func (s *installation) startDatabase(ctx context.Context) error {
	title := "start PostgreSQL"
	if s.options.DSN != "" {
		title = "prepare the given PostgreSQL"
	}
	return s.out.Step(title, func(func(string, ...any)) (string, error) {
		d, err := database.Open(ctx, database.Config{
			DSN: s.options.DSN, Dir: s.folder.Postgres(), Binaries: s.options.PostgresBin, Key: s.keys.DatabaseKey(),
			InstallationFile: filepath.Join(s.folder.Root(), "installation"), Say: s.out.Line,
		})
		if err != nil {
			return "", err
		}
		s.database = d
		if pid := d.PID(); pid != 0 {
			return fmt.Sprintf("process %d in the data folder", pid), nil
		}
		return "roles and schemas are there", nil
	})
}

// serve runs the parts, brings the demo in and waits for the end.
func (s *installation) serve(ctx context.Context, parts []lifecycle.Part) error {
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		err := lifecycle.Group(running, parts...)
		ended <- err
		// Whatever waits for an answer of the parts need not wait any longer.
		cancel(errors.Join(errEnded, err))
	}()
	err := s.becomeReady(running)
	if err != nil {
		cancel(err)
		if ctx.Err() != nil {
			err = nil // Ctrl-C during the start
		} else if cause := context.Cause(running); errors.Is(cause, errEnded) {
			err = cause
		}
	}
	endErr := <-ended
	s.out.Line("stopped")
	if err != nil {
		return err
	}
	return endErr
}

// errEnded says that a part ended by itself.
var errEnded = errors.New("the suite ended by itself")

// becomeReady writes entente.json, lets the demo in and says `ready`.
func (s *installation) becomeReady(ctx context.Context) error {
	connection := s.connection()
	if previous, err := state.ReadConnection(s.folder.Root()); err == nil {
		connection.Tenants = previous.Tenants
	}
	if err := s.awaitServing(ctx); err != nil {
		return err
	}
	if s.options.Demo {
		if err := s.demonstrate(ctx, &connection); err != nil {
			return err
		}
	}
	if err := s.folder.WriteConnection(connection); err != nil {
		return err
	}
	s.out.Line("Graph    %s  (trust %s)", connection.GraphURL, connection.CAFile)
	s.out.Line("HTTP     %s", connection.HTTPURL)
	s.out.Line("mail     %s/mail", connection.MailURL)
	s.out.Line("metrics  http://%s/metrics", s.network.admin.Addr())
	s.out.Line("details  %s", state.ConnectionFile(s.folder.Root()))
	s.out.Line("ready")
	return nil
}

func (s *installation) connection() state.Connection {
	return state.Connection{
		GraphURL: s.graphURL,
		LoginURL: s.graphURL,
		HTTPURL:  "http://" + s.network.http.Addr().String(),
		CAFile:   s.pki.CAFile(),
		MailURL:  "http://" + reachable(s.network.mail.Addr()),
		GRPC:     s.network.grpcAddresses(),
	}
}

// logger is the log of one part.
func (s *installation) logger(service string) (*slog.Logger, error) {
	return process.NewLog(s.log, service, s.options.LogLevel)
}

package suite

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"entente.dev/invitation-svc/service"
	"entente.dev/servicekit/pg/cluster"
)

func (s *installation) invitationConfig(login cluster.Service) (service.Config, error) {
	c, err := defaults[service.Config]()
	if err != nil {
		return c, err
	}
	c.DSN, c.OwnerDSN, c.ServeRole, c.OneDatabase = login.DSN, login.OwnerDSN, login.Role, true
	c.LoginOrigin, c.MailFrom, c.Key = s.graphURL, s.options.MailFrom, s.keys.InvitationKey()
	c.SMTPUsername, c.SMTPPassword, c.SMTPTLS = s.options.SMTPUsername, s.options.SMTPPassword, s.options.SMTPTLS
	relay := s.options.SMTP
	if relay == "" { // the mail catcher speaks no TLS and is on loopback
		relay, c.SMTPTLS = s.network.smtp.Addr().String(), "none"
		c.SMTPUsername, c.SMTPPassword, c.SMTPHello = "", "", "localhost"
	}
	host, port, err := net.SplitHostPort(relay)
	if err != nil {
		return c, fmt.Errorf("mail server %s: write host:port", relay)
	}
	c.SMTPHost = host
	if c.SMTPPort, err = strconv.Atoi(port); err != nil {
		return c, fmt.Errorf("mail server %s: the port is a number", relay)
	}
	if s.options.Demo { // so that it can be measured; limits per address and network stay
		c.TenantInvites5s, c.AdminInvites1h, c.AdminInvites1d = noLimit, noLimit, noLimit
	}
	return c, nil
}

// noLimit switches a limit of invitation-svc off.
const noLimit = -1

func migrateInvitation(ctx context.Context, s *installation, login cluster.Service) error {
	c, err := s.invitationConfig(login)
	if err != nil {
		return err
	}
	return service.Migrate(ctx, c)
}

func makeInvitation(ctx context.Context, s *installation, login cluster.Service, h *host, to siblings) (made, error) {
	c, err := s.invitationConfig(login)
	if err != nil {
		return nil, err
	}
	return service.New(ctx, c, service.Deps{Directory: to["directory"], Policy: to["policy"], Log: h.log, Registry: s.metrics})
}

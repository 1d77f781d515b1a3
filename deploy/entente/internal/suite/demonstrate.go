package suite

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"entente.dev/deploy/entente/internal/demo"
	"entente.dev/deploy/entente/internal/operator"
	"entente.dev/deploy/entente/internal/state"
)

// demonstrate makes the demo's tenants and data and runs the main job, as far
// as an earlier run has not done so. The credentials go into c, and into
// entente.json as soon as there are some.
func (s *installation) demonstrate(ctx context.Context, c *state.Connection) error {
	op, err := operator.New(c.HTTPURL, "", s.keys.Operator())
	if err != nil {
		return err
	}
	done, err := s.database.Progress(ctx)
	if err != nil {
		return err
	}
	if !done.Demo {
		if err := demo.CheckEmpty(ctx, op); err != nil {
			return err
		}
		done.Demo = true
		if err := s.database.SetProgress(ctx, done); err != nil {
			return err
		}
	}
	at, err := s.address(*c)
	if err != nil {
		return err
	}
	if !done.Seeded || !complete(c.Tenants) {
		if err := s.seed(ctx, op, at, c); err != nil {
			return err
		}
		done.Seeded = true
		if err := s.database.SetProgress(ctx, done); err != nil {
			return err
		}
	}
	if done.TourDone {
		s.out.Line("the demo is in place; its main job was run at the first start")
		return nil
	}
	if err := demo.Tour(ctx, at, c.LoginURL, c.Tenants, s.out.Step); err != nil {
		return fmt.Errorf("the main job failed: %w", err)
	}
	done.TourDone = true
	return s.database.SetProgress(ctx, done)
}

func (s *installation) seed(ctx context.Context, op *operator.Client, at demo.Address, c *state.Connection) error {
	err := s.out.Step("create the demo tenants", func(func(string, ...any)) (string, error) {
		tenants, err := demo.Tenants(ctx, op, at, c.Tenants, func(tenants []state.Tenant) error {
			c.Tenants = tenants
			return s.folder.WriteConnection(*c)
		})
		if err != nil {
			return "", err
		}
		names := ""
		for _, t := range tenants {
			names += " " + t.Domain
		}
		return names[1:], nil
	})
	if err != nil {
		return err
	}
	return s.out.Step("fill "+c.Tenants[0].Domain, func(say func(string, ...any)) (string, error) {
		return demo.Seed(ctx, demo.NewGraph(at, c.Tenants[0]), say)
	})
}

// complete says whether the credentials of every demo tenant are known.
func complete(tenants []state.Tenant) bool {
	for _, t := range tenants {
		if t.TenantID == "" || t.ClientID == "" || t.ClientSecret == "" {
			return false
		}
	}
	return len(tenants) == demo.TenantCount
}

// address is how the demo reaches the suite: as a client outside would.
func (s *installation) address(c state.Connection) (demo.Address, error) {
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return demo.Address{}, fmt.Errorf("read certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return demo.Address{
		HTTP: c.HTTPURL, Resource: c.GraphURL, Mail: c.MailURL,
		Client: &http.Client{
			Timeout: time.Minute,
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
			},
		},
	}, nil
}

// awaitServing waits until the facade answers, which it does once every part
// is running.
func (s *installation) awaitServing(ctx context.Context) error {
	url := "http://" + s.network.http.Addr().String() + "/metadata/endpoints?api-version=2022-09-01"
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("make request: %w", err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the suite to serve: %w", context.Cause(ctx))
		case <-again.C:
		}
	}
}

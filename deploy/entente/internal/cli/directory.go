package cli

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"entente.dev/deploy/entente/internal/graph"
	"entente.dev/deploy/entente/internal/state"
)

// answerLimit bounds one request; a CSV of 20 MB is the longest.
const answerLimit = 5 * time.Minute

// directory is which tenant's directory a command works on, and as which
// application: by default the first tenant of the data folder's suite.
type directory struct {
	dataDir, tenant                  string
	url, caFile                      string
	tenantID, clientID, clientSecret string
}

func (d *directory) flags(fs *flag.FlagSet) {
	dataDirFlag(fs, &d.dataDir)
	fs.StringVar(&d.tenant, "tenant", "", "name, domain or id of a tenant in the data folder's entente.json (default: the first)")
	fs.StringVar(&d.url, "url", "", "origin of the suite, such as https://graph.example (default: the data folder's suite)")
	fs.StringVar(&d.caFile, "ca-file", "", "certificate authority to trust with --url (default: the system's)")
	fs.StringVar(&d.tenantID, "tenant-id", "", "id or domain of the tenant, with --client-id")
	fs.StringVar(&d.clientID, "client-id", "", "application to act as (default: the one in entente.json)")
	fs.StringVar(&d.clientSecret, "client-secret-file", "", "file of the application's secret")
}

// client answers who speaks to the directory.
func (d *directory) client() (*graph.Client, error) {
	if d.caFile != "" && d.url == "" {
		return nil, usagef("--ca-file goes with --url")
	}
	own := d.tenantID != "" || d.clientID != "" || d.clientSecret != ""
	if own && (d.tenantID == "" || d.clientID == "" || d.clientSecret == "") {
		return nil, usagef("--tenant-id, --client-id and --client-secret-file go together")
	}
	if own && d.tenant != "" {
		return nil, usagef("--tenant names credentials of entente.json; --client-id brings others")
	}
	if d.url != "" && !own {
		return nil, usagef("--url needs --tenant-id, --client-id and --client-secret-file")
	}
	c, known, caFile := graph.Config{Origin: strings.TrimSuffix(d.url, "/")}, []state.Tenant(nil), d.caFile
	if d.url == "" {
		at, err := d.connection()
		if err != nil {
			return nil, err
		}
		c.Origin, c.Login, known, caFile = strings.TrimSuffix(at.GraphURL, "/"), strings.TrimSuffix(at.LoginURL, "/"), at.Tenants, at.CAFile
	}
	if own {
		secret, err := os.ReadFile(d.clientSecret)
		if err != nil {
			return nil, fmt.Errorf("read client secret: %w", err)
		}
		c.TenantID, c.ClientID, c.ClientSecret = d.tenantID, d.clientID, strings.TrimSpace(string(secret))
	} else {
		t, err := choose(known, d.tenant)
		if err != nil {
			return nil, err
		}
		c.TenantID, c.ClientID, c.ClientSecret = t.TenantID, t.ClientID, t.ClientSecret
	}
	var err error
	if c.HTTP, err = graph.Trusting(caFile, answerLimit); err != nil {
		return nil, err
	}
	return graph.New(c), nil
}

func (d *directory) connection() (state.Connection, error) {
	root := d.dataDir
	if root == "" {
		var err error
		if root, err = state.DefaultRoot(); err != nil {
			return state.Connection{}, err
		}
	}
	at, err := state.ReadConnection(root)
	if errors.Is(err, fs.ErrNotExist) {
		return at, fmt.Errorf("%s is no data folder of a suite (start one with `entente up`), and no --url was given", root)
	}
	return at, err
}

// choose finds a tenant by its name, domain or id; "" is the first one.
func choose(known []state.Tenant, name string) (state.Tenant, error) {
	if len(known) == 0 {
		return state.Tenant{}, errors.New("entente.json holds no credentials, as only a demo's does: make some with `entente tenant application`, " +
			"and give --tenant-id, --client-id and --client-secret-file")
	}
	if name == "" {
		return known[0], nil
	}
	names := make([]string, 0, len(known))
	for _, t := range known {
		if strings.EqualFold(name, t.Name) || strings.EqualFold(name, t.Domain) || strings.EqualFold(name, t.TenantID) {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return state.Tenant{}, usagef("entente.json knows no tenant %q, only %s", name, strings.Join(names, ", "))
}

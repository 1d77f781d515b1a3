package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"entente.dev/deploy/entente/internal/graph"
	"entente.dev/deploy/entente/internal/operator"
	"entente.dev/deploy/entente/internal/state"
	"github.com/google/uuid"
)

// Suffix is the installation suffix under which the demo's domains lie.
const Suffix = "example"

// Contoso invites and synchronizes, Fabrikam receives, Woodgrove has customers.
var organizations = []operator.NewTenant{
	{DisplayName: "Contoso", TenantType: "workforce", InitialDomainPrefix: "contoso", CountryLetterCode: "NL"},
	{DisplayName: "Fabrikam", TenantType: "workforce", InitialDomainPrefix: "fabrikam", CountryLetterCode: "DE"},
	{DisplayName: "Woodgrove", TenantType: "external", InitialDomainPrefix: "woodgrove", CountryLetterCode: "US"},
}

// TenantCount is how many tenants the demo has.
const TenantCount = 3

// ErrNotEmpty refuses to put demo data among other data.
var ErrNotEmpty = errors.New("this installation has tenants that are not the demo's: the demo is only for an empty one (use another --data-dir, or leave --demo out)")

// CheckEmpty answers ErrNotEmpty when there is any tenant.
func CheckEmpty(ctx context.Context, op *operator.Client) error {
	tenants, err := op.Tenants(ctx, "")
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	if len(tenants) > 0 {
		return ErrNotEmpty
	}
	return nil
}

// Tenants makes the demo's tenants with their administrators and administrator
// applications, as far as they are missing. known is what an earlier run made;
// its secrets are kept while they work. save is called after each secret that
// was made, before the next step, so that none is lost on the way.
func Tenants(ctx context.Context, op *operator.Client, at Address, known []state.Tenant, save func([]state.Tenant) error) ([]state.Tenant, error) {
	existing, err := op.Tenants(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	out := make([]state.Tenant, len(organizations))
	for i, org := range organizations {
		out[i] = state.Tenant{Name: org.InitialDomainPrefix, Domain: org.InitialDomainPrefix + "." + Suffix, TenantType: org.TenantType}
		for _, k := range known {
			if k.Domain == out[i].Domain {
				out[i] = k
			}
		}
	}
	for i, org := range organizations {
		t := &out[i]
		if err := ensureTenant(ctx, op, existing, org, t, func() error { return save(out) }); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Domain, err)
		}
		if err := ensureApplication(ctx, op, at, t); err != nil {
			return nil, fmt.Errorf("administrator application of %s: %w", t.Domain, err)
		}
		if err := save(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ensureTenant makes the tenant unless it exists. The password is chosen and
// saved before the tenant is made: a crash in between must not lose it.
func ensureTenant(ctx context.Context, op *operator.Client, existing []operator.Tenant, org operator.NewTenant, t *state.Tenant, save func() error) error {
	for _, e := range existing {
		if e.InitialDomain == t.Domain {
			t.TenantID = e.TenantID
			return nil
		}
	}
	t.Admin = state.Administrator{UserPrincipalName: "admin@" + t.Domain, Password: newPassword()}
	if err := save(); err != nil {
		return err
	}
	org.Administrator = &operator.Administrator{DisplayName: org.DisplayName + " Administrator", UserNamePrefix: "admin", Password: t.Admin.Password}
	created, err := op.CreateTenant(ctx, uuid.NewString(), org)
	if err != nil {
		return err
	}
	if created.InitialDomain != t.Domain {
		return fmt.Errorf("was made as %s: the installation's domain suffix is not %q", created.InitialDomain, Suffix)
	}
	t.TenantID = created.TenantID
	return nil
}

// ensureApplication keeps the known application while its secret earns a
// token and makes a new one otherwise.
func ensureApplication(ctx context.Context, op *operator.Client, at Address, t *state.Tenant) error {
	if t.ClientSecret != "" {
		_, err := NewGraph(at, *t).Token(ctx)
		var refused *graph.Error
		if err == nil || !errors.As(err, &refused) || (refused.Status != http.StatusBadRequest && refused.Status != http.StatusUnauthorized) {
			return err
		}
	}
	app, err := op.CreateAdministratorApplication(ctx, t.TenantID, "Demo administration")
	if err != nil {
		return err
	}
	t.ClientID, t.ClientSecret = app.AppID, app.ClientSecret
	return nil
}

// newPassword makes a password of all kinds of characters, as any password
// profile asks for.
func newPassword() string { return "aA1!" + rand.Text() }

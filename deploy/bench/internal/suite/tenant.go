package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
)

// NewTenant makes a workforce tenant with an administrator application, as the
// operator. prefix is the first label of its domain.
func (s *Suite) NewTenant(ctx context.Context, prefix string) (Tenant, error) {
	operator, err := exec.CommandContext(ctx, s.binary, "token", "--data-dir", s.Dir).Output()
	if err != nil {
		return Tenant{}, fmt.Errorf("get an operator token: %w", err)
	}
	token := strings.TrimSpace(string(operator))
	var made struct{ TenantID, InitialDomain string }
	if err := s.administer(ctx, token, http.MethodPost, "/admin/v1/tenants", map[string]any{
		"displayName": prefix, "tenantType": "workforce", "initialDomainPrefix": prefix, "countryLetterCode": "NL",
		"administrator": map[string]any{"displayName": "Administrator", "userNamePrefix": "admin"},
	}, &made); err != nil {
		return Tenant{}, err
	}
	// As many objects as any measurement makes; a tenant without a domain of its
	// own may have 50 000.
	if err := s.administer(ctx, token, http.MethodPatch, "/admin/v1/tenants/"+made.TenantID, map[string]any{
		"limits": map[string]any{"directoryObjects": 20_000_000},
	}, nil); err != nil {
		return Tenant{}, err
	}
	var app struct{ AppID, ClientSecret string }
	if err := s.administer(ctx, token, http.MethodPost, "/admin/v1/tenants/"+made.TenantID+"/administratorApplication",
		map[string]any{"displayName": "Bench"}, &app); err != nil {
		return Tenant{}, err
	}
	return Tenant{Name: prefix, TenantID: made.TenantID, Domain: made.InitialDomain, TenantType: "workforce",
		ClientID: app.AppID, ClientSecret: app.ClientSecret}, nil
}

func (s *Suite) administer(ctx context.Context, token, method, path string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.HTTPURL+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return s.do(req, out)
}

// Path takes the origin off a link of the suite, for Call.
func Path(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// NewTenant is what creating a tenant takes.
type NewTenant struct {
	DisplayName         string         `json:"displayName"`
	TenantType          string         `json:"tenantType"`
	InitialDomainPrefix string         `json:"initialDomainPrefix"`
	CountryLetterCode   string         `json:"countryLetterCode"`
	Administrator       *Administrator `json:"administrator,omitempty"`
}

// Administrator is the first user of a new tenant. Without a password the
// installation makes one and answers it once.
type Administrator struct {
	DisplayName    string `json:"displayName"`
	UserNamePrefix string `json:"userNamePrefix"`
	Password       string `json:"password,omitempty"`
}

// CreatedTenant is the answer to creating a tenant.
type CreatedTenant struct {
	TenantID      string `json:"tenantId"`
	InitialDomain string `json:"initialDomain"`
	State         string `json:"state"`
	Administrator struct {
		ID                string `json:"id"`
		UserPrincipalName string `json:"userPrincipalName"`
		TemporaryPassword string `json:"temporaryPassword"`
	} `json:"administrator"`
}

// Tenant is a tenant as the operator sees it.
type Tenant struct {
	TenantID      string `json:"tenantId"`
	DisplayName   string `json:"displayName"`
	TenantType    string `json:"tenantType"`
	InitialDomain string `json:"initialDomain"`
	State         string `json:"state"`
}

// CreateTenant makes a tenant with its first administrator.
func (c *Client) CreateTenant(ctx context.Context, idempotencyKey string, t NewTenant) (CreatedTenant, error) {
	var out CreatedTenant
	err := c.Do(ctx, http.MethodPost, "/admin/v1/tenants", idempotencyKey, t, &out)
	return out, err
}

// Tenants lists all tenants whose initial domain begins with prefix ("" for all).
func (c *Client) Tenants(ctx context.Context, prefix string) ([]Tenant, error) {
	query := url.Values{}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	var all []Tenant
	for {
		at := "/admin/v1/tenants"
		if len(query) > 0 {
			at += "?" + query.Encode()
		}
		var page struct {
			Value    []Tenant `json:"value"`
			NextLink string   `json:"@odata.nextLink"`
		}
		if err := c.Do(ctx, http.MethodGet, at, "", nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.NextLink == "" {
			return all, nil
		}
		next, err := url.Parse(page.NextLink)
		if err != nil {
			return nil, fmt.Errorf("follow the list of tenants: %w", err)
		}
		query = next.Query()
	}
}

// Tenant answers everything the API says about one tenant.
func (c *Client) Tenant(ctx context.Context, id string) (json.RawMessage, error) {
	var out json.RawMessage
	err := c.Do(ctx, http.MethodGet, "/admin/v1/tenants/"+url.PathEscape(id), "", nil, &out)
	return out, err
}

// SetState makes a tenant "active" or "suspended".
func (c *Client) SetState(ctx context.Context, id, state string) error {
	return c.Do(ctx, http.MethodPatch, "/admin/v1/tenants/"+url.PathEscape(id), "", map[string]string{"state": state}, nil)
}

// DeleteTenant schedules a tenant for deletion; until it is purged, restoring
// it is possible.
func (c *Client) DeleteTenant(ctx context.Context, id string) error {
	return c.Do(ctx, http.MethodDelete, "/admin/v1/tenants/"+url.PathEscape(id), "", nil, nil)
}

// RestoreTenant takes a scheduled deletion back.
func (c *Client) RestoreTenant(ctx context.Context, id string) error {
	return c.Do(ctx, http.MethodPost, "/admin/v1/tenants/"+url.PathEscape(id)+"/restore", "", struct{}{}, nil)
}

// AdministratorApplication is an application that holds every application
// permission in its tenant.
type AdministratorApplication struct {
	AppID              string `json:"appId"`
	ApplicationID      string `json:"applicationId"`
	ServicePrincipalID string `json:"servicePrincipalId"`
	ClientSecret       string `json:"clientSecret,omitempty"`
}

// CreateAdministratorApplication makes such an application. Its secret is
// answered this once.
func (c *Client) CreateAdministratorApplication(ctx context.Context, id, displayName string) (AdministratorApplication, error) {
	var out AdministratorApplication
	err := c.Do(ctx, http.MethodPost, "/admin/v1/tenants/"+url.PathEscape(id)+"/administratorApplication", "",
		map[string]string{"displayName": displayName}, &out)
	return out, err
}

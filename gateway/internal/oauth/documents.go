package oauth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"strings"

	"entente.dev/gateway/internal/graph"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
)

// multiTenant names authorities that stand for more than one tenant.
func multiTenant(authority string) bool {
	switch strings.ToLower(authority) {
	case "common", "organizations", "consumers":
		return true
	}
	return false
}

// discovery writes the OpenID configuration of a tenant. Issuer and addresses
// share one origin, which clients insist on (WIRE-17).
func (h *Handler) discovery(w http.ResponseWriter, r *http.Request, authority string) {
	// Of a multi-tenant authority the tenant in the issuer stays open.
	tenant := "{tenantid}"
	if !multiTenant(authority) {
		res, err := h.Tokens.ResolveAuthority(outgoing(r), &directorypb.ResolveAuthorityRequest{Authority: authority})
		if err != nil {
			h.fail(w, r, err)
			return
		}
		tenant = res.GetTenantId()
		authority = tenant
	}
	base := h.LoginOrigin + "/" + url.PathEscape(authority)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                h.LoginOrigin + "/" + tenant + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		"grant_types_supported":                 []string{"client_credentials"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nbf", "tid", "oid", "ver"},
		"code_challenge_methods_supported":      []string{"S256"},
		"tenant_region_scope":                   nil,
		"cloud_instance_name":                   host(h.LoginOrigin),
	})
}

// key is one signing key as a JSON Web Key.
type key struct {
	Type   string `json:"kty"`
	Use    string `json:"use"`
	ID     string `json:"kid"`
	Alg    string `json:"alg"`
	N      string `json:"n"`
	E      string `json:"e"`
	Issuer string `json:"issuer"`
}

func (h *Handler) keys(w http.ResponseWriter, r *http.Request) {
	res, err := h.Tokens.ListSigningKeys(outgoing(r), &directorypb.ListSigningKeysRequest{})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	list := make([]key, 0, len(res.GetKeys()))
	for _, k := range res.GetKeys() {
		public, err := x509.ParsePKIXPublicKey(k.GetPublicKey())
		if err != nil {
			continue // written by another release; the others still serve
		}
		rsaKey, ok := public.(*rsa.PublicKey)
		if !ok {
			continue
		}
		list = append(list, key{
			Type: "RSA", Use: "sig", ID: k.GetKid(), Alg: k.GetAlg(), Issuer: h.LoginOrigin + "/{tenantid}/v2.0",
			N: base64.RawURLEncoding.EncodeToString(rsaKey.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(rsaKey.E)).Bytes()),
		})
	}
	w.Header().Set("Cache-Control", "public, max-age=60")
	writeJSON(w, http.StatusOK, map[string]any{"keys": list})
}

// instance answers instance discovery (WIRE-18): this installation is its own
// cloud.
func (h *Handler) instance(w http.ResponseWriter, r *http.Request) {
	tenant := "common"
	if u, err := url.Parse(r.URL.Query().Get("authorization_endpoint")); err == nil {
		if first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); plain(first) {
			tenant = first
		}
	}
	name := host(h.LoginOrigin)
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": h.LoginOrigin + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": name, "preferred_cache": name, "aliases": []string{name}}},
	})
}

// plain admits ids and domain names.
func plain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}) < 0
}

// metadata tells Terraform's provider where everything is (WIRE-11).
func (h *Handler) metadata(w http.ResponseWriter, r *http.Request) {
	b := graph.CallFrom(r.Context()).Origin
	writeJSON(w, http.StatusOK, map[string]any{
		"name": h.Name, "resourceManager": b, "microsoftGraphResourceId": b, "portal": b, "graph": b, "graphAudience": b,
		"authentication": map[string]any{"loginEndpoint": b, "audiences": []string{b}, "tenant": "common", "identityProvider": "AAD"},
		"suffixes":       map[string]any{},
	})
}

func host(origin string) string {
	_, name, _ := strings.Cut(origin, "://")
	return name
}

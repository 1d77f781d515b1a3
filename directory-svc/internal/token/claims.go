package token

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Lifetime is how long an access token is good.
const Lifetime = time.Hour

// GraphAppID is the client id of Graph itself, as a resource.
const GraphAppID = "00000003-0000-0000-c000-000000000000"

// Client is an application that proved itself in a tenant.
type Client struct {
	AppID          uuid.UUID
	ObjectID       uuid.UUID // service principal
	AppDisplayName string
	// Permissions are the application permissions on the resource, by value.
	Permissions []string
}

// Resources are the names under which this installation is asked for.
type Resources struct {
	// Origins are the public origins; the first is the audience of tokens.
	Origins []string
}

// microsoftGraph is what unmodified clients ask for.
const microsoftGraph = "https://graph.microsoft.com"

// Audience reads the scope of a client credentials request,
// `{resource}/.default`, and answers the audience of the token. Clients
// append openid, profile and offline_access, which mean nothing here
// (WIRE-13).
func (r Resources) Audience(scope string) (string, error) {
	resource := ""
	for part := range strings.FieldsSeq(scope) {
		switch part {
		case "openid", "profile", "offline_access", "email":
			continue
		}
		name, ok := strings.CutSuffix(part, "/.default")
		if !ok || resource != "" {
			return "", fault.Invalid(errorspb.Reason_OAUTH_INVALID_SCOPE,
				"AADSTS70011: The provided request must include a 'scope' input parameter of the form {resource}/.default.")
		}
		resource = strings.TrimSuffix(name, "/")
	}
	switch {
	case resource == "":
		return "", fault.Invalid(errorspb.Reason_OAUTH_INVALID_REQUEST,
			"AADSTS900144: The request body must contain the following parameter: 'scope'.")
	case strings.EqualFold(resource, GraphAppID):
		return GraphAppID, nil
	case strings.EqualFold(resource, microsoftGraph), slices.ContainsFunc(r.Origins, func(o string) bool { return strings.EqualFold(o, resource) }):
		return r.Origins[0], nil
	}
	return "", fault.Invalid(errorspb.Reason_OAUTH_UNKNOWN_RESOURCE,
		"AADSTS500011: The resource principal named %s was not found in the tenant.", resource)
}

// Issuer is the iss claim of a tenant's tokens.
func Issuer(loginOrigin string, t tenant.ID) string { return loginOrigin + "/" + t.String() + "/v2.0" }

// claims are those of an application's access token, in WIRE-15's spelling.
type claims struct {
	Audience  string   `json:"aud"`
	Issuer    string   `json:"iss"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	AppName   string   `json:"app_displayname"`
	AppID     string   `json:"appid"`
	AZP       string   `json:"azp"`
	AppACR    string   `json:"appidacr"`
	IDType    string   `json:"idtyp"`
	ObjectID  string   `json:"oid"`
	Roles     []string `json:"roles,omitempty"`
	Subject   string   `json:"sub"`
	Tenant    string   `json:"tid"`
	TokenID   string   `json:"uti"`
	Version   string   `json:"ver"`
}

// Application makes the payload of an access token for an application. id
// must be unique; authentication is 1 for a secret, 2 for a certificate.
func Application(c Client, t tenant.ID, issuer, audience, id string, authentication string, now time.Time) ([]byte, error) {
	app, object := c.AppID.String(), c.ObjectID.String()
	return json.Marshal(claims{
		Audience: audience, Issuer: issuer, IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(Lifetime).Unix(),
		AppName: c.AppDisplayName, AppID: app, AZP: app, AppACR: authentication, IDType: "app", ObjectID: object,
		Roles: c.Permissions, Subject: object, Tenant: t.String(), TokenID: id, Version: "2.0",
	})
}

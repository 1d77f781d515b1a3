package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/user"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// UserColumns says where the properties of users are stored, for queries.
var UserColumns = buildUserQuery()

func keyed(column string) odata.Column {
	return odata.Column{SQL: "users." + column, Key: "users." + column + "_key"}
}

// folded is a collection of text in an array column.
func folded(array string) *odata.Items {
	return &odata.Items{From: "unnest(" + array + ") as item(v)", Columns: odata.Columns{"": {SQL: "item.v", Key: "lower(item.v)", Type: odata.TypeText, NotNull: true}}}
}

func buildUserQuery() odata.Columns {
	c := odata.Columns{
		"id":                              {SQL: "users.id", Type: odata.TypeUUID, NotNull: true},
		"displayName":                     keyed("display_name"),
		"userPrincipalName":               keyed("user_principal_name"),
		"accountEnabled":                  {SQL: "users.account_enabled", NotNull: true},
		"onPremisesSyncEnabled":           {SQL: "users.on_premises_sync_enabled"},
		"showInAddressList":               {SQL: "users.show_in_address_list"},
		"userType":                        {SQL: "users.user_type", NotNull: true},
		"creationType":                    {SQL: "users.creation_type"},
		"externalUserState":               {SQL: "users.external_user_state"},
		"externalUserStateChangeDateTime": {SQL: "users.external_user_state_changed_at"},
		"createdDateTime":                 {SQL: "users.created_at", NotNull: true},
		"deletedDateTime":                 {SQL: "users.deleted_at"},
		"employeeHireDate":                {SQL: "users.employee_hire_date"},
		"otherMails":                      {SQL: "users.other_mails", Items: folded("users.other_mails")},
		"proxyAddresses":                  {SQL: "users.proxy_addresses", Items: folded("users.proxy_addresses")},
		"businessPhones":                  {SQL: "users.business_phones", Items: folded("users.business_phones")},
		"imAddresses":                     {SQL: "users.im_addresses", Items: folded("users.im_addresses")},
		"signInActivity/lastSignInDateTime": {SQL: "(select interactive_at from sign_in_activity a where a.tenant_id = users.tenant_id and a.user_id = users.id)",
			Support: &optionspb.Property{Eq: optionspb.Property_supportDefault, Range: optionspb.Property_supportDefault, Ne: optionspb.Property_supportAdvanced}},
		"identities": {SQL: "users.identities", Items: &odata.Items{From: "user_identities i",
			On: "i.tenant_id = users.tenant_id and i.user_id = users.id", Compile: identityFilter}},
	}
	for _, t := range user.Texts {
		c[t.Name] = keyed(t.Field)
	}
	for _, name := range []string{"displayName", "userPrincipalName"} {
		column := c[name]
		column.NotNull = true
		c[name] = column
	}
	words := c["displayName"]
	words.Words = &odata.Items{From: "user_words word", On: "word.tenant_id = users.tenant_id and word.user_id = users.id", Columns: odata.Columns{"": {SQL: "word.word"}}}
	c["displayName"] = words
	for i := range 15 {
		column := "users.extension_attributes[" + itoa(i+1) + "]"
		c["onPremisesExtensionAttributes/extensionAttribute"+itoa(i+1)] = odata.Column{SQL: column, Key: "lower(" + column + ")"}
	}
	return c
}

func itoa(n int) string {
	if n >= 10 {
		return "1" + string(rune('0'+n-10))
	}
	return string(rune('0' + n))
}

// socialIssuers may be asked for without an assigned id (DIR-199).
var socialIssuers = []string{"google.com", "facebook.com", identity.IssuerMail, "phone"}

// identityFilter compiles what an item of identities must meet (DIR-199): both
// the issuer and the assigned id, except for social issuers. Rows of local
// accounts do not compare the issuer, and the user's own name never matches.
func identityFilter(where odata.Expr) (odata.SQL, error) {
	issuer, assigned, ok := "", "", where != nil
	for _, e := range conjuncts(where) {
		c, isCompare := e.(odata.Compare)
		if !isCompare || c.Op != odata.Eq || c.Value.Kind != odata.Text {
			ok = false
			break
		}
		switch name := strings.ToLower(c.Path.String()); {
		case name == "issuer" && issuer == "":
			issuer = c.Value.Text
		case name == "issuerassignedid" && assigned == "":
			assigned = c.Value.Text
		default:
			ok = false
		}
	}
	if !ok || issuer == "" || assigned == "" && !slices.ContainsFunc(socialIssuers, func(s string) bool { return strings.EqualFold(s, issuer) }) {
		return odata.SQL{}, fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY,
			"Unsupported or invalid query filter clause specified for property 'identities' of resource 'User'.")
	}
	if assigned == "" {
		return odata.SQL{Text: "i.issuer_key = ?", Args: []any{odata.Fold(issuer)}}, nil
	}
	// A subject of a federated issuer compares exactly, everything else without case.
	return odata.SQL{Text: "(i.issuer_assigned_id_key in (?, ?) and (i.sign_in_type <> 2 or i.issuer_key = ?) and (i.sign_in_type <> 2 or i.issuer_key = 'mail' or i.issuer_assigned_id = ?))",
		Args: []any{odata.Fold(assigned), assigned, odata.Fold(issuer), assigned}}, nil
}

func conjuncts(e odata.Expr) []odata.Expr {
	if and, ok := e.(odata.And); ok {
		return append(conjuncts(and.X), conjuncts(and.Y)...)
	}
	return []odata.Expr{e}
}

func (sel userSelection) source(where string, args ...any) source[*user.User] {
	return source[*user.User]{columns: sel.sql, from: "users", where: where, args: args,
		scan: func(row scanner, key **string) (*user.User, uuid.UUID, error) {
			u, err := sel.scan(row, key)
			if err != nil {
				return nil, uuid.Nil, err
			}
			return u, u.ID, nil
		}}
}

const (
	liveUsers    = "users.tenant_id = ? and users.deleted_at is null"
	deletedUsers = "users.tenant_id = ? and users.deleted_at > ?"
)

// ListUsers reads a page of live users; properties as in GetUser.
func (s *Store) ListUsers(ctx context.Context, t tenant.ID, l Listing, properties []string) (Page[*user.User], error) {
	return page(ctx, s, t, userProperties(properties).source(liveUsers), l)
}

// CountUsers counts the live users that match.
func (s *Store) CountUsers(ctx context.Context, t tenant.ID, conditions []odata.SQL) (int32, error) {
	return count(ctx, s, t, "users", liveUsers, nil, conditions)
}

// ListDeletedUsers reads a page of the users deleted after a time.
func (s *Store) ListDeletedUsers(ctx context.Context, t tenant.ID, l Listing, after time.Time) (Page[*user.User], error) {
	return page(ctx, s, t, wholeUser.source(deletedUsers, after), l)
}

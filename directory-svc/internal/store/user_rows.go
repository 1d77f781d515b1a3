package store

import (
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/pg"
)

// identityColumns are the columns of user_identities behind the tenant.
var identityColumns = []pg.Column{{Name: "user_id", Type: "uuid"}, {Name: "ordinal", Type: "smallint"}, {Name: "sign_in_type", Type: "smallint"},
	{Name: "issuer", Type: "text"}, {Name: "issuer_assigned_id", Type: "text"}, {Name: "issuer_assigned_id_key", Type: "text"}, {Name: "live", Type: "boolean"}}

// InsertUsers is InsertUser for many users without passwords: their rows travel
// together, in the columns that any of them fills.
func (tx *Tx) InsertUsers(list []*user.User) {
	if len(list) == 0 {
		return
	}
	if len(list) <= few {
		for _, u := range list {
			tx.InsertUser(u, nil)
		}
		return
	}
	tx.made += len(list)
	rows := make([][]any, len(list))
	var columns []pg.Column
	for i := range userColumns {
		c := &userColumns[i]
		filled := pg.Column{Name: c.name}
		for k, u := range list {
			v := c.arg(u)
			if v != nil && filled.Type == "" {
				filled.Type = typeOf(c.name, v)
				for j := range k {
					rows[j] = append(rows[j], nil)
				}
			}
			if filled.Type != "" {
				rows[k] = append(rows[k], v)
			}
		}
		if filled.Type != "" {
			columns = append(columns, filled)
		}
	}
	tx.QueueRows("users", columns, rows)
	var identities [][]any
	for _, u := range list {
		identities = append(identities, identityRows(u)...)
	}
	tx.QueueRows("user_identities", identityColumns, identities)
	var words [][]any
	for _, u := range list {
		for _, w := range searchWords(u) {
			words = append(words, []any{[16]byte(u.ID), w})
		}
	}
	tx.QueueRows("user_words", wordColumns, words)
	for _, u := range list {
		tx.insertAddresses(object.User, u.ID, u.Proxies, u.Deleted == nil)
		tx.saveMailKeys(nil, u)
	}
}

var wordColumns = []pg.Column{{Name: "user_id", Type: "uuid"}, {Name: "word", Type: "text"}}

// typeOf is the SQL type of a column of users by what is stored in it.
func typeOf(name string, v any) string {
	switch v.(type) {
	case [16]byte:
		return "uuid"
	case bool:
		return "boolean"
	case time.Time:
		return "timestamptz"
	case int16:
		return "smallint"
	case int64:
		return "bigint"
	case []string, []*string:
		return "text[]"
	case [][16]byte:
		return "uuid[]"
	}
	if name == "identities" {
		return "jsonb"
	}
	return "text"
}

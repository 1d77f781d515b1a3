package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

var userActions = []action{
	{"list", "the users of the tenant", listUsers},
	{"get <user>", "one user, by id or user principal name", users.get},
	{"create", "make a member, or any user with --body", createUser},
	{"update <user>", "change properties", users.update},
	{"delete <user>", "delete; for 30 days this can be taken back", users.remove},
	{"restore <user-id>", "take a deletion back", users.restore},
}

func listUsers(ctx context.Context, args []string, s Streams) error {
	var deleted bool
	l := newLister("users list", s, column{"id", "id"}, column{"user principal name", "userPrincipalName"},
		column{"name", "displayName"}, column{"type", "userType"}, column{"enabled", "accountEnabled"}).queried()
	l.fs.BoolVar(&deleted, "deleted", false, "those that can be restored")
	if _, err := l.open(args); err != nil {
		return err
	}
	return l.print(ctx, users.listPath(deleted))
}

// createUser makes a user. Without --body it is a member who gets a password
// here, shown once, and changes it at the first sign-in.
func createUser(ctx context.Context, args []string, s Streams) error {
	var (
		properties                           properties
		upn, name, nickname, password, given string
		asJSON                               bool
	)
	f := newForm("users create", s)
	properties.flags(f)
	f.fs.StringVar(&upn, "upn", "", "user principal name, such as ada@contoso.example")
	f.fs.StringVar(&name, "name", "", "name shown to people")
	f.fs.StringVar(&nickname, "nickname", "", "mail nickname (default: what is before the at sign)")
	f.fs.StringVar(&password, "password-file", "", "file of the first password (default: a random one, printed once)")
	f.fs.BoolVar(&asJSON, "json", false, "print the user as JSON")
	if _, err := f.open(args); err != nil {
		return err
	}
	object, err := properties.object(s)
	if err != nil {
		return err
	}
	if properties.body == "" {
		if upn == "" || name == "" {
			return usagef("users create needs --upn and --name, or --body")
		}
		if nickname == "" {
			nickname, _, _ = strings.Cut(upn, "@")
		}
		if given, err = firstPassword(password, object); err != nil {
			return err
		}
		if _, ok := object["accountEnabled"]; !ok {
			object["accountEnabled"] = true
		}
	}
	for property, value := range map[string]string{"userPrincipalName": upn, "displayName": name, "mailNickname": nickname} {
		if value != "" {
			object[property] = value
		}
	}
	var answer json.RawMessage
	if err := f.client.Do(ctx, http.MethodPost, "/users", object, &answer); err != nil {
		return err
	}
	return printUser(s, answer, given, asJSON)
}

// firstPassword puts a password in, unless one was set, and answers it when it
// was made here.
func firstPassword(file string, object map[string]any) (made string, err error) {
	if _, ok := object["passwordProfile"]; ok {
		return "", nil
	}
	var password string
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		password = strings.TrimRight(string(data), "\r\n")
	} else {
		made = "aA1!" + rand.Text() // all kinds of characters, as password rules ask
		password = made
	}
	object["passwordProfile"] = map[string]any{"password": password, "forceChangePasswordNextSignIn": true}
	return made, nil
}

// printUser shows a new user, and its password if nobody else knows it: the
// one made here, or the one that the directory made for a customer account.
func printUser(s Streams, answer json.RawMessage, password string, asJSON bool) error {
	var user struct {
		ID      string `json:"id"`
		UPN     string `json:"userPrincipalName"`
		Profile struct {
			Password string `json:"password"`
		} `json:"passwordProfile"`
	}
	if err := json.Unmarshal(answer, &user); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if password == "" {
		password = user.Profile.Password
	}
	out := s.Out
	if asJSON {
		if err := printJSON(s.Out, answer); err != nil {
			return err
		}
		out = s.Err
	} else {
		fmt.Fprintf(out, "id                   %s\nuser principal name  %s\n", user.ID, user.UPN)
	}
	if password != "" {
		_, err := fmt.Fprintf(out, "password             %s   (shown once; to be changed at the first sign-in)\n", password)
		return err
	}
	return nil
}

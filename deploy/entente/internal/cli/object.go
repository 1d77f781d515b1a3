package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// kind is a kind of objects that are shown, changed, deleted and restored in
// the same way.
type kind struct {
	noun  string // of the command, "users"
	one   string // "user"
	takes string // what names one of them
}

var (
	users  = kind{"users", "user", "user"}
	groups = kind{"groups", "group", "group-id"}
)

// path is the path of one object; parts go on from there.
func (k kind) path(id string, parts ...string) string {
	return "/" + k.noun + "/" + url.PathEscape(id) + strings.Join(parts, "")
}

// get prints one object.
func (k kind) get(ctx context.Context, args []string, s Streams) error {
	var fields string
	f := newForm(k.noun+" get", s)
	f.fs.StringVar(&fields, "select", "", "properties to show, parted by commas (default: those Graph shows unasked)")
	values, err := f.open(args, k.takes)
	if err != nil {
		return err
	}
	path := k.path(values[0])
	if fields != "" {
		path += "?$select=" + url.QueryEscape(fields)
	}
	var object json.RawMessage
	if err := f.client.Do(ctx, http.MethodGet, path, nil, &object); err != nil {
		return err
	}
	return printJSON(s.Out, object)
}

// update changes properties of one object.
func (k kind) update(ctx context.Context, args []string, s Streams) error {
	var properties properties
	f := newForm(k.noun+" update", s)
	properties.flags(f)
	values, err := f.open(args, k.takes)
	if err != nil {
		return err
	}
	object, err := properties.object(s)
	if err != nil {
		return err
	}
	if len(object) == 0 {
		return usagef("%s update needs --set or --body", k.noun)
	}
	if err := f.client.Do(ctx, http.MethodPatch, k.path(values[0]), object, nil); err != nil {
		return err
	}
	return f.say("%s is changed", values[0])
}

// remove deletes one object.
func (k kind) remove(ctx context.Context, args []string, s Streams) error {
	f := newForm(k.noun+" delete", s)
	values, err := f.open(args, k.takes)
	if err != nil {
		return err
	}
	if err := f.client.Do(ctx, http.MethodDelete, k.path(values[0]), nil, nil); err != nil {
		return err
	}
	return f.say("%s is deleted", values[0])
}

// restore takes a deletion back.
func (k kind) restore(ctx context.Context, args []string, s Streams) error {
	f := newForm(k.noun+" restore", s)
	values, err := f.open(args, k.one+"-id")
	if err != nil {
		return err
	}
	if err := f.client.Do(ctx, http.MethodPost, "/directory/deletedItems/"+url.PathEscape(values[0])+"/restore", struct{}{}, nil); err != nil {
		return err
	}
	return f.say("%s is restored", values[0])
}

// listPath is where objects are listed, or the deleted ones among them.
func (k kind) listPath(deleted bool) string {
	if deleted {
		return "/directory/deletedItems/microsoft.graph." + k.one
	}
	return "/" + k.noun
}

// properties are what a command sets: a body, and single properties over it.
type properties struct {
	body string
	set  setting
}

func (p *properties) flags(f *form) {
	f.fs.Var(&p.set, "set", "`property=value`; true, false, null, {…}, […] and \"…\" are JSON, all else is text; may be repeated")
	f.fs.StringVar(&p.body, "body", "", "the properties as JSON, in a file, or - for the standard input")
}

func (p *properties) object(s Streams) (map[string]any, error) {
	object := map[string]any{}
	if p.body != "" {
		data, err := readBody(p.body, s.In)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, usagef("--body is no JSON object: %v", err)
		}
	}
	for _, text := range p.set {
		name, value, _ := strings.Cut(text, "=")
		parsed, err := parseValue(value)
		if err != nil {
			return nil, usagef("--set %s: %v", name, err)
		}
		object[name] = parsed
	}
	return object, nil
}

// parseValue reads the value of one property. Digits are text: most properties
// made of digits are, such as postal codes.
func parseValue(text string) (any, error) {
	isJSON := text == "true" || text == "false" || text == "null"
	if !isJSON && (text == "" || !strings.Contains(`{["`, text[:1])) {
		return text, nil
	}
	if !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("%s is no JSON", text)
	}
	return json.RawMessage(text), nil
}

// principal answers the object id of whoever is named by an id or by a user
// principal name.
func (f *form) principal(ctx context.Context, name string) (string, error) {
	if !strings.Contains(name, "@") {
		return name, nil
	}
	var user struct {
		ID string `json:"id"`
	}
	if err := f.client.Do(ctx, http.MethodGet, users.path(name, "?$select=id"), nil, &user); err != nil {
		return "", err
	}
	return user.ID, nil
}

// reference is the body that links to an object.
func (f *form) reference(id string) map[string]string {
	return map[string]string{"@odata.id": f.client.Link(id)}
}

// create makes an object and prints its id, or all of it.
func (f *form) create(ctx context.Context, path string, object any, asJSON bool) error {
	var answer json.RawMessage
	if err := f.client.Do(ctx, http.MethodPost, path, object, &answer); err != nil {
		return err
	}
	if asJSON {
		return printJSON(f.s.Out, answer)
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return f.say("%s", made.ID)
}

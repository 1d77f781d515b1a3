package api

import (
	"errors"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/rule"
	"entente.dev/directory-svc/internal/store"
)

// checkRule refuses a membership rule that cannot be understood or that asks
// about an extension the tenant does not have (DIR-142).
func (c *Core) checkRule(tx *store.Tx, text *string) error {
	if text == nil {
		return nil
	}
	r, err := rule.Parse(*text)
	if err != nil {
		var wrong *rule.SyntaxError
		if !errors.As(err, &wrong) {
			return err
		}
		return badRule(wrong.Error())
	}
	for _, name := range r.Extensions() {
		ok, err := tx.HasExtension(name)
		if err != nil {
			return err
		}
		if !ok {
			return badRule("the property user." + name + " is unknown")
		}
	}
	return nil
}

func badRule(problem string) error {
	f := property.Refused("membershipRule", "The membership rule is not valid: %s.", problem)
	return f.WithViolation("membershipRule", f.Message, "InvalidMembershipRule")
}

package saga

import (
	"context"
	"net/http"
	"strings"

	"entente.dev/invitation-svc/internal/invitation"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

// InviterOf is the caller as the rules see one.
func InviterOf(c caller.Caller) invitation.Inviter {
	by := invitation.Inviter{Kind: invitation.ByUser, ID: c.ObjectID, Name: c.DisplayName, Guest: c.Guest, Permissions: c.Permissions}
	if c.Kind == caller.Application {
		by.Kind, by.Name = invitation.ByApp, c.AppDisplayName
	}
	for _, r := range c.Roles {
		if r.Scope == "/" {
			by.Roles = append(by.Roles, r.Template)
		}
	}
	return by
}

// Inviter completes a caller by what the directory knows of a person.
func (s *Saga) Inviter(ctx context.Context, t tenant.ID, by invitation.Inviter) (invitation.Inviter, error) {
	if by.Kind != invitation.ByUser {
		return by, nil
	}
	p, err := s.People.GetPrincipal(ctx, &directorypb.GetPrincipalRequest{TenantId: t.String(), ObjectId: by.ID.String()})
	if err != nil {
		return by, err
	}
	by.Guest = p.Guest
	if name := strings.TrimSpace(p.DisplayName); name != "" {
		by.Name = name
	}
	if a, wrong := invitation.ParseAddress(p.Mail, false); wrong == "" {
		by.Mail = a.Mailbox()
	}
	return by, nil
}

// Public says a fault as the envelope of errors does. Clients are told nothing
// about a fault of ours but the words given.
func Public(err error, ours string) (code, message string) {
	f := fault.From(err)
	status, code, _ := f.Graph()
	if status == http.StatusInternalServerError || f.Message == "" {
		_, code, _ = fault.Internal(errorspb.Reason_INTERNAL, "").Graph()
		return code, ours
	}
	return code, f.Message
}

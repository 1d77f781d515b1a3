package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"entente.dev/deploy/entente/internal/state"
)

// Step runs one named step of the tour and prints its result.
type Step func(title string, fn func(say func(format string, args ...any)) (string, error)) error

// Tour runs the product's main job once: it invites a guest into Contoso,
// redeems the invitation as the guest would, and synchronizes a group of
// Contoso's users to Fabrikam. It stops at the first step that fails. It may
// be run again: what exists is found, not made twice.
func Tour(ctx context.Context, at Address, login string, tenants []state.Tenant, step Step) error {
	contoso, err := named(tenants, "contoso")
	if err != nil {
		return err
	}
	fabrikam, err := named(tenants, "fabrikam")
	if err != nil {
		return err
	}
	source, target := NewGraph(at, contoso), NewGraph(at, fabrikam)
	if err := step("get a token for Contoso's application", func(func(string, ...any)) (string, error) {
		token, err := source.Token(ctx)
		return fmt.Sprintf("client credentials earned a JWT of %d characters", len(token)), err
	}); err != nil {
		return err
	}
	if err := inviteAndRedeem(ctx, at, login, source, step); err != nil {
		return err
	}
	return synchronize(ctx, source, target, step)
}

func named(tenants []state.Tenant, name string) (state.Tenant, error) {
	for _, t := range tenants {
		if t.Name == name {
			return t, nil
		}
	}
	return state.Tenant{}, fmt.Errorf("the demo has no tenant %s", name)
}

const (
	guestAddress = "alice@partner.example"
	landing      = "https://app.contoso.example/welcome"
	// maxPages bounds the walk: more pages than the longest way has.
	maxPages = 12
)

var (
	linkPattern = regexp.MustCompile(`(https?://[^\s"'<>]+/redeem\?[^\s"'<>]+)`)
	codePattern = regexp.MustCompile(`(?:^|\D)(\d{4}[ -]?\d{4})(?:\D|$)`)
)

type invitation struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	InvitedUser struct {
		ID string `json:"id"`
	} `json:"invitedUser"`
}

func inviteAndRedeem(ctx context.Context, at Address, login string, contoso *Graph, step Step) error {
	mail, err := openMailbox(ctx, at, guestAddress)
	if err != nil {
		return err
	}
	var invited invitation
	var link string
	if err := step("invite "+guestAddress+" to Contoso", func(func(string, ...any)) (string, error) {
		err := contoso.Do(ctx, http.MethodPost, "/v1.0/invitations", map[string]any{
			"invitedUserEmailAddress": guestAddress, "invitedUserDisplayName": "Alice of Partner", "inviteRedirectUrl": landing,
			"sendInvitationMessage":  true,
			"invitedUserMessageInfo": map[string]any{"customizedMessageBody": "Welcome to the Contoso workspace."},
		}, &invited)
		return fmt.Sprintf("invitation %s, %s", invited.ID, invited.Status), err
	}); err != nil {
		return err
	}
	if invited.Status == "Completed" { // by an earlier run that was cut off later
		return confirmGuest(ctx, contoso, invited.InvitedUser.ID, step)
	}
	if err := step("receive the invitation mail", func(func(string, ...any)) (string, error) {
		found, in, err := mail.await(ctx, linkPattern)
		link = found
		return fmt.Sprintf("%q", in.Subject), err
	}); err != nil {
		return err
	}
	if err := step("redeem by passcode in the pages", func(say func(string, ...any)) (string, error) {
		pages, err := redeem(ctx, at, login, link, mail, say)
		return fmt.Sprintf("%d pages, then on to %s", pages, landing), err
	}); err != nil {
		return err
	}
	return confirmGuest(ctx, contoso, invited.InvitedUser.ID, step)
}

func confirmGuest(ctx context.Context, contoso *Graph, id string, step Step) error {
	return step("read the guest back", func(func(string, ...any)) (string, error) {
		var guest struct {
			UPN      string `json:"userPrincipalName"`
			UserType string `json:"userType"`
			State    string `json:"externalUserState"`
		}
		if err := contoso.Do(ctx, http.MethodGet, "/v1.0/users/"+id+"?$select=userPrincipalName,userType,externalUserState", nil, &guest); err != nil {
			return "", err
		}
		if guest.State != "Accepted" {
			return "", fmt.Errorf("the guest is %q, not Accepted", guest.State)
		}
		return fmt.Sprintf("%s %s, %s", guest.UserType, guest.UPN, guest.State), nil
	})
}

// redeem walks from the link to the redirect and answers how many pages lay
// between. Each page is left by the one thing that leads on: the passcode from
// the mail, or the affirmative button.
func redeem(ctx context.Context, at Address, login, link string, mail *mailbox, say func(string, ...any)) (int, error) {
	b, err := newBrowser(at.Client.Transport, login)
	if err != nil {
		return 0, err
	}
	if err := b.open(ctx, link); err != nil {
		return 0, err
	}
	for page := 1; page <= maxPages; page++ {
		if b.left != "" {
			if _, err := url.Parse(b.left); err != nil || !isLanding(b.left) {
				return page, fmt.Errorf("the pages lead to %s, not to %s", b.left, landing)
			}
			return page - 1, nil
		}
		say("page %q", b.title)
		if err := leavePage(ctx, b, mail); err != nil {
			return page, fmt.Errorf("page %q: %w", b.title, err)
		}
	}
	return maxPages, fmt.Errorf("after %d pages the way has no end; the last is %q", maxPages, b.title)
}

func isLanding(address string) bool {
	u, err := url.Parse(address)
	want, _ := url.Parse(landing)
	return err == nil && u.Scheme == want.Scheme && u.Host == want.Host && u.Path == want.Path
}

func leavePage(ctx context.Context, b *browser, mail *mailbox) error {
	for _, f := range b.forms {
		if len(f.inputs) == 1 && len(f.buttons) > 0 {
			code, _, err := mail.await(ctx, codePattern)
			if err != nil {
				return err
			}
			return b.press(ctx, f, f.buttons[0], url.Values{f.inputs[0]: {code}})
		}
	}
	for _, label := range []string{"accept", "send", "continue", "next"} {
		if f, press, ok := b.find(label); ok {
			return b.press(ctx, f, press, nil)
		}
	}
	for _, l := range b.links {
		if strings.HasPrefix(strings.ToLower(l.label), "continue") {
			return b.follow(ctx, l)
		}
	}
	return errors.New("nothing on it leads on")
}

// pollEvery is how often a job's state is asked for.
const pollEvery = 100 * time.Millisecond

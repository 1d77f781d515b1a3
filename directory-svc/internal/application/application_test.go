package application_test

import (
	"testing"

	"entente.dev/directory-svc/internal/application"
	"entente.dev/directory-svc/internal/object"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

func TestCheckRoles(t *testing.T) {
	t.Parallel()
	on := application.Role{ID: uuid.New(), Value: "a", Enabled: true}
	off, renamed, renamedOff := on, on, on
	off.Enabled, renamed.Value = false, "b"
	renamedOff.Enabled, renamedOff.Value = false, "b"
	other := application.Role{ID: uuid.New(), Value: "a", Enabled: true}
	for _, c := range []struct {
		name     string
		old, now []application.Role
		ok       bool
	}{
		{"nothing changes", []application.Role{on}, []application.Role{on}, true},
		{"an enabled role is removed", []application.Role{on}, nil, false},
		{"an enabled role is renamed", []application.Role{on}, []application.Role{renamed}, false},
		{"it is disabled first", []application.Role{on}, []application.Role{off}, true},
		{"then it is removed", []application.Role{off}, nil, true},
		{"or renamed", []application.Role{off}, []application.Role{renamedOff}, true},
		{"two roles with one value", nil, []application.Role{on, other}, false},
		{"one id twice", nil, []application.Role{on, renamed}, false},
	} {
		if err := application.CheckRoles(c.old, c.now); c.ok != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := application.CheckRoles([]application.Role{on}, nil); !fault.Is(err, errorspb.Reason_APP_ROLE_IN_USE) {
		t.Error(err)
	}
}

func TestCheckAssignment(t *testing.T) {
	t.Parallel()
	users := application.Role{ID: uuid.New(), Enabled: true, Members: []string{"User"}}
	apps := application.Role{ID: uuid.New(), Enabled: true, Members: []string{"Application"}}
	off := application.Role{ID: uuid.New(), Members: []string{"User"}}
	roles := []application.Role{users, apps, off}
	for _, c := range []struct {
		name string
		id   uuid.UUID
		to   object.Type
		ok   bool
	}{
		{"a role for users to a user", users.ID, object.User, true},
		{"a role for users to a group", users.ID, object.Group, true},
		{"a role for users to an application", users.ID, object.ServicePrincipal, false},
		{"a role for applications to an application", apps.ID, object.ServicePrincipal, true},
		{"a disabled role", off.ID, object.User, false},
		{"an unknown role", uuid.New(), object.User, false},
		{"default access beside a role for users", uuid.Nil, object.User, false},
	} {
		if err := application.CheckAssignment(roles, c.id, c.to); c.ok != (err == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := application.CheckAssignment(nil, uuid.Nil, object.User); err != nil {
		t.Errorf("default access without roles: %v", err)
	}
}

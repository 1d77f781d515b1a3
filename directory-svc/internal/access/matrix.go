package access

import (
	"slices"

	"entente.dev/directory-svc/internal/role"
)

// row is a line of the matrices DIR-178 and DIR-179: what a target holds.
type row int

const (
	plain      row = iota // no role, or one of the harmless ones
	helpdesk              // Helpdesk Administrator
	readers               // readers of reports and messages
	authn                 // Authentication Administrator
	directory             // Groups Administrator, User Administrator
	privileged            // everything else
)

var rowOf = map[string]row{
	role.DirectoryReaders:            plain,
	role.GuestInviter:                plain,
	role.PasswordAdministrator:       plain,
	role.HelpdeskAdministrator:       helpdesk,
	role.MessageCenterReader:         readers,
	role.ReportsReader:               readers,
	role.UsageSummaryReportsReader:   readers,
	role.AuthenticationAdministrator: authn,
	role.GroupsAdministrator:         directory,
	role.UserAdministrator:           directory,
}

// matrix names, per row, the roles that reach a target.
type matrix map[row][]string

const (
	pwa = role.PasswordAdministrator
	hda = role.HelpdeskAdministrator
	aa  = role.AuthenticationAdministrator
	ua  = role.UserAdministrator
	paa = role.PrivilegedAuthenticationAdministrator
	ga  = role.GlobalAdministrator
)

// passwords is DIR-178: reset a password, revoke sessions, change phones and
// other mails.
var passwords = matrix{
	plain:      {pwa, hda, aa, ua, paa, ga},
	helpdesk:   {hda, ua, paa, ga},
	readers:    {hda, aa, ua, paa, ga},
	authn:      {aa, paa, ga},
	directory:  {ua, paa, ga},
	privileged: {paa, ga},
}

// sensitive is DIR-179: enable and disable, rename, delete, restore.
var sensitive = matrix{
	plain:      {aa, ua, paa, ga},
	readers:    {aa, ua, paa, ga},
	helpdesk:   {ua, paa, ga},
	directory:  {ua, paa, ga},
	authn:      {aa, paa, ga},
	privileged: {paa, ga},
}

// reaches reports whether the roles of a caller cover every role of a target.
func (m matrix) reaches(caller, target []string) bool {
	covers := func(r row) bool {
		return slices.ContainsFunc(caller, func(name string) bool { return slices.Contains(m[r], name) })
	}
	if len(target) == 0 {
		return covers(plain)
	}
	for _, name := range target {
		r, known := rowOf[name]
		if !known {
			r = privileged
		}
		if !covers(r) {
			return false
		}
	}
	return true
}

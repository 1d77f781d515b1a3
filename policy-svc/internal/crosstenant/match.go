package crosstenant

import "github.com/google/uuid"

// User is the person asked about, by what is known in the home tenant. Ids and
// groups of the resource tenant never belong here (POL-46).
type User struct {
	// ID is the object id in the home tenant; the zero id means not known yet.
	ID uuid.UUID
	// Groups are all groups that hold the user directly or through others.
	Groups []uuid.UUID
	// GroupsKnown tells that Groups is complete. Unknown membership counts
	// against the user: no match in an allowed half, a match in a blocked one
	// (POL-50).
	GroupsKnown bool
}

// Application is what the user wants to reach.
type Application struct {
	// Client and Resource are the application ids of the request; either
	// matches a target.
	Client, Resource uuid.UUID
	// InSuite tells that the operator counts one of them as Office365.
	InSuite bool
	// DirectConnect tells that the application accepts direct connect.
	DirectConnect bool
	// BuiltIn marks the redemption, consent and account pages, which are
	// exempt from the application half (POL-58).
	BuiltIn bool
}

// Rules is a completed setting in the form that decides fast: look-ups cost
// the same for one target and for a thousand.
type Rules struct {
	usersBlocked, appsBlocked bool
	everybody, everything     bool
	users, groups, apps       map[uuid.UUID]struct{}
	suite                     bool
}

// Compile completes a setting and prepares it for decisions.
func Compile(s Setting) *Rules {
	c := s.Complete()
	r := &Rules{usersBlocked: c.UsersAndGroups.Access == Blocked, appsBlocked: c.Applications.Access == Blocked}
	for _, t := range c.UsersAndGroups.Targets {
		switch {
		case t.Target == AllUsers:
			r.everybody = true
		case t.Type == TargetGroup:
			add(&r.groups, t.Target)
		default:
			add(&r.users, t.Target)
		}
	}
	for _, t := range c.Applications.Targets {
		switch t.Target {
		case AllApplications:
			r.everything = true
		case Office365:
			r.suite = true
		default:
			add(&r.apps, t.Target)
		}
	}
	return r
}

// add keeps an id that validation has already found well formed.
func add(set *map[uuid.UUID]struct{}, text string) {
	id, err := uuid.Parse(text)
	if err != nil {
		return
	}
	if *set == nil {
		*set = make(map[uuid.UUID]struct{})
	}
	(*set)[id] = struct{}{}
}

// NeedsGroups reports whether the answer for this user depends on group
// membership, so that it is looked up only then.
func (r *Rules) NeedsGroups(id uuid.UUID) bool {
	if r.everybody || len(r.groups) == 0 {
		return false
	}
	_, named := r.users[id]
	return !named
}

// userMatch applies POL-46; where membership or identity is unknown it takes
// the side that denies (POL-50).
func (r *Rules) userMatch(u User) bool {
	if r.everybody {
		return true
	}
	unknown := u.ID == uuid.Nil && len(r.users) > 0 || !u.GroupsKnown && len(r.groups) > 0
	if _, ok := r.users[u.ID]; ok && u.ID != uuid.Nil {
		return true
	}
	if len(r.groups) > 0 {
		for _, g := range u.Groups {
			if _, ok := r.groups[g]; ok {
				return true
			}
		}
	}
	return unknown && r.usersBlocked
}

// appMatch applies POL-47.
func (r *Rules) appMatch(a Application) bool {
	if r.everything || r.suite && a.InSuite {
		return true
	}
	if len(r.apps) == 0 {
		return false
	}
	if _, ok := r.apps[a.Client]; ok {
		return true
	}
	_, ok := r.apps[a.Resource]
	return ok
}

// Permits is the four-cell rule (POL-48). Blocking both halves stops only
// those who match both.
func (r *Rules) Permits(u User, a Application) bool {
	if a.BuiltIn {
		return r.PermitsAny(u)
	}
	user, app := r.userMatch(u), r.appMatch(a)
	switch {
	case r.usersBlocked && r.appsBlocked:
		return !(user && app)
	case r.usersBlocked:
		return !user && app
	case r.appsBlocked:
		return user && !app
	default:
		return user && app
	}
}

// PermitsAny tells whether some application is open to the user (POL-49). It
// decides where no application is known: invitation, redemption, sync.
func (r *Rules) PermitsAny(u User) bool {
	user := r.userMatch(u)
	switch {
	case !r.usersBlocked:
		return user && !(r.appsBlocked && r.everything)
	case r.appsBlocked && !r.everything:
		return true
	default:
		return !user
	}
}

// Widens reports whether a completed setting of the partner lets in somebody
// whom the tenant's default keeps out (POL-21).
func (p Partner) Widens(d Default) bool {
	shown, _ := d.Shown()
	for _, pair := range [][2]*Setting{
		{p.Settings.CollaborationInbound, shown.CollaborationInbound},
		{p.Settings.CollaborationOutbound, shown.CollaborationOutbound},
		{p.Settings.DirectConnectInbound, shown.DirectConnectInbound},
		{p.Settings.DirectConnectOutbound, shown.DirectConnectOutbound},
	} {
		if pair[0] != nil && widens(*pair[0], *pair[1]) {
			return true
		}
	}
	return false
}

func widens(partner, dflt Setting) bool {
	if partner.empty() || partner.UsersAndGroups != nil && partner.Applications != nil {
		return false
	}
	p, d := Compile(partner), Compile(dflt)
	// Somebody named nowhere stands for everyone else.
	people := []User{{ID: uuid.Max, GroupsKnown: true}}
	for _, r := range []*Rules{p, d} {
		for id := range r.users {
			people = append(people, User{ID: id, GroupsKnown: true})
		}
		for g := range r.groups {
			people = append(people, User{ID: uuid.Max, Groups: []uuid.UUID{g}, GroupsKnown: true})
		}
	}
	for _, u := range people {
		if p.PermitsAny(u) && !d.PermitsAny(u) {
			return true
		}
	}
	return false
}

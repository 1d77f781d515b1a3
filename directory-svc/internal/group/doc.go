// Package group holds the rules of groups and their links (DIR-123 to
// DIR-140): which kinds of group exist, who may be a member or owner of which,
// and what never changes.
package group

// Package application holds the rules of applications and their service
// principals (DIR-180 to DIR-188): names, app roles that must be disabled
// before they go, who may be assigned which role, and the built-in service
// principal of Graph. Sub-objects that no rule looks at travel as an opaque
// document.
package application

// Package guestsettings knows a tenant's external collaboration settings: the
// authorization policy with who may invite (POL-70 to POL-74), and the list of
// allowed or blocked domains (POL-75 to POL-77). Pure, like package
// crosstenant.
package guestsettings

// Package guestsettings knows a tenant's external collaboration settings: the
// authorization policy with who may invite (POL-70 to POL-74), the list of
// allowed or blocked domains (POL-75 to POL-77), and whether external users may
// leave (POL-78). Pure, like package crosstenant.
package guestsettings

// Package setting knows the settings of tenants and groups: the templates with
// their defaults, and what values are valid (DIR-90, DIR-135). Who obeys a
// setting is not known here.
package setting

package store

import (
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"github.com/jackc/pgx/v5"
)

const settingsSQL = `select link_lifetime_hours, passcode_validity_minutes, strict_address, redirect_hosts from settings where tenant_id = $1`

// Settings are the tenant's; a tenant without any has the default.
func (tx Tx) Settings() (invitation.Settings, error) {
	return scanSettings(tx.Pgx().QueryRow(tx.Context(), settingsSQL, tx.Tenant))
}

func scanSettings(row pgx.Row) (invitation.Settings, error) {
	var hours, minutes *int32
	var strict *bool
	var s invitation.Settings
	err := none(row.Scan(&hours, &minutes, &strict, &s.RedirectHosts))
	if errors.Is(err, ErrNone) {
		return invitation.Settings{}, nil
	}
	s.LinkLifetime = time.Duration(plain(hours)) * time.Hour
	s.PasscodeValidity = time.Duration(plain(minutes)) * time.Minute
	s.Strict = plain(strict)
	return s, err
}

// SaveSettings queues the tenant's settings.
func (tx Tx) SaveSettings(s invitation.Settings) {
	var hours, minutes *int32
	if h := int32(s.LinkLifetime / time.Hour); h > 0 {
		hours = &h
	}
	if m := int32(s.PasscodeValidity / time.Minute); m > 0 {
		minutes = &m
	}
	hosts := append([]string{}, s.RedirectHosts...)
	tx.Queue(`insert into settings (tenant_id, link_lifetime_hours, passcode_validity_minutes, strict_address, redirect_hosts)
		values ($1, $2, $3, $4, $5) on conflict (tenant_id) do update set link_lifetime_hours = excluded.link_lifetime_hours,
		passcode_validity_minutes = excluded.passcode_validity_minutes, strict_address = excluded.strict_address, redirect_hosts = excluded.redirect_hosts`,
		tx.Tenant, hours, minutes, s.Strict, hosts)
}

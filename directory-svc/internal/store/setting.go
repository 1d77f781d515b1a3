package store

import (
	"encoding/json"
	"errors"

	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/setting"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Setting is a settings object: the values that were set of a template, for
// the tenant or for one group.
type Setting struct {
	ID, TemplateID uuid.UUID
	GroupID        *uuid.UUID
	Values         map[string]string
}

// InsertSetting queues a new settings object.
func (tx *Tx) InsertSetting(s Setting) error {
	values, err := json.Marshal(s.Values)
	if err != nil {
		return err
	}
	tx.Queue("insert into group_settings (tenant_id, id, template_id, group_id, settings) values ($1, $2, $3, $4, $5)",
		[16]byte(tx.Tenant), [16]byte(s.ID), [16]byte(s.TemplateID), idOf(s.GroupID), string(values))
	return nil
}

// SaveSetting queues new values of a settings object.
func (tx *Tx) SaveSetting(s Setting) error {
	values, err := json.Marshal(s.Values)
	if err != nil {
		return err
	}
	tx.Queue("update group_settings set settings = $3 where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(s.ID), string(values))
	return nil
}

// DeleteSetting queues the end of a settings object.
func (tx *Tx) DeleteSetting(id uuid.UUID) {
	tx.Queue("delete from group_settings where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

const settingColumns = "select id, template_id, group_id, settings from group_settings where tenant_id = $1 and "

func (tx *Tx) settings(where string, args ...any) ([]Setting, error) {
	rows, err := tx.Pgx().Query(tx.Context(), settingColumns+where, append([]any{[16]byte(tx.Tenant)}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Setting, error) {
		var s Setting
		return s, row.Scan((*[16]byte)(&s.ID), (*[16]byte)(&s.TemplateID), &s.GroupID, &s.Values)
	})
}

// Settings lists those of the tenant, or of a group.
func (tx *Tx) Settings(group *uuid.UUID) ([]Setting, error) {
	if group == nil {
		return tx.settings("group_id is null order by id")
	}
	return tx.settings("group_id = $2 order by id", [16]byte(*group))
}

// Setting finds one settings object of a scope.
func (tx *Tx) Setting(id uuid.UUID, group *uuid.UUID) (*Setting, error) {
	found, err := tx.settings("id = $2 and group_id is not distinct from $3", [16]byte(id), idOf(group))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, property.NotFound(id.String())
	}
	return &found[0], nil
}

// Effective reads the values of a template that hold for a scope.
func (tx *Tx) Effective(t setting.Template, group *uuid.UUID) (setting.Settings, error) {
	var stored map[string]string
	err := tx.Pgx().QueryRow(tx.Context(), "select settings from group_settings where tenant_id = $1 and template_id = $2 and group_id is not distinct from $3",
		[16]byte(tx.Tenant), [16]byte(t.ID), idOf(group)).Scan(&stored)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	return t.In(stored), nil
}

package store

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func (tx *Tx) place(servicePrincipal uuid.UUID, key string) string {
	return tx.Tenant.String() + "/" + servicePrincipal.String() + "/" + key
}

// Secrets loads the settings of a configuration, decrypted.
func (tx *Tx) Secrets(servicePrincipal uuid.UUID) (map[string]string, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select key, sealed from secrets where tenant_id = $1 and service_principal_id = $2`, tx.Tenant, servicePrincipal)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	var key string
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&key, &sealed}, func() error {
		value, err := tx.store.vault.Open(sealed, tx.place(servicePrincipal, key))
		values[key] = value
		return err
	})
	return values, err
}

// SaveSecrets replaces the settings of a configuration.
func (tx *Tx) SaveSecrets(servicePrincipal uuid.UUID, values map[string]string) error {
	tx.Queue(`delete from secrets where tenant_id = $1 and service_principal_id = $2`, tx.Tenant, servicePrincipal)
	for key, value := range values {
		sealed, err := tx.store.vault.Seal(value, tx.place(servicePrincipal, key))
		if err != nil {
			return err
		}
		tx.Queue(`insert into secrets (tenant_id, service_principal_id, key, sealed) values ($1, $2, $3, $4)`, tx.Tenant, servicePrincipal, key, sealed)
	}
	return nil
}

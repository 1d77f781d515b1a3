package store

// HasExtension reports whether a directory extension of that whole name is
// defined in the tenant (DIR-190).
func (tx *Tx) HasExtension(name string) (bool, error) {
	var found bool
	err := tx.Pgx().QueryRow(tx.Context(), "select exists (select from extension_properties where tenant_id = $1 and name_key = lower($2))",
		[16]byte(tx.Tenant), name).Scan(&found)
	return found, err
}

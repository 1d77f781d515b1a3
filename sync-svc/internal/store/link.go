package store

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// LinkState is the state of a connection. The numbers are stored.
type LinkState int16

// The states.
const (
	Linked   LinkState = 1 // connected to a live target user
	Deleted  LinkState = 2 // the job soft-deleted the target user
	Released LinkState = 3 // no longer managed; the target user stays
	Skipped  LinkState = 4 // no connection; the reason is known
	Gone     LinkState = 5 // ended
)

// ManagerState tells how far the manager of a linked user is.
type ManagerState int16

// The states of a manager.
const (
	NoManager       ManagerState = 0
	ManagerSet      ManagerState = 1
	ManagerPending  ManagerState = 2
	ManagerReported ManagerState = 3 // pending, and logged as such
)

// Link is what a job knows about one source object.
type Link struct {
	Source       uuid.UUID    `json:"s"`
	Target       uuid.UUID    `json:"t,omitzero"` // Nil for none
	State        LinkState    `json:"st,omitzero"`
	Reason       string       `json:"r,omitzero"`   // of a skip
	HomeUPN      string       `json:"upn,omitzero"` // the sign-in name last written
	DisplayName  string       `json:"n,omitzero"`
	Disabled     bool         `json:"d,omitzero"`
	Manager      uuid.UUID    `json:"m,omitzero"` // source id, Nil for none
	ManagerState ManagerState `json:"ms,omitzero"`
}

// Managed reports whether the job holds the target object, live or deleted by it.
func (l Link) Managed() bool { return l.State == Linked || l.State == Deleted }

const linkColumns = `source_id, target_id, state, reason, home_upn, display_name, disabled, manager_source_id, manager_state`

func scanLinks(rows pgx.Rows, err error) (map[uuid.UUID]Link, error) {
	if err != nil {
		return nil, err
	}
	links := map[uuid.UUID]Link{}
	var l Link
	var target, manager *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&l.Source, &target, &l.State, &l.Reason, &l.HomeUPN, &l.DisplayName, &l.Disabled, &manager, &l.ManagerState}, func() error {
		l.Target, l.Manager = deref(target), deref(manager)
		links[l.Source] = l
		return nil
	})
	return links, err
}

func deref(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

func ref(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// Links loads the links of the named source objects.
func (tx *Tx) Links(key uuid.UUID, sources []uuid.UUID) (map[uuid.UUID]Link, error) {
	return scanLinks(tx.Pgx().Query(tx.Context(), `select `+linkColumns+` from links where tenant_id = $1 and job_key = $2 and source_id = any($3)`, tx.Tenant, key, sources))
}

// Between loads the links and the escrows of the source objects after one id
// up to another, in one round trip.
func (tx *Tx) Between(key, after, last uuid.UUID) (links map[uuid.UUID]Link, escrows map[uuid.UUID]Escrow, err error) {
	const objects = ` where tenant_id = $1 and job_key = $2 and source_id > $3 and source_id <= $4`
	batch := &pgx.Batch{}
	batch.Queue(`select `+linkColumns+` from links`+objects, tx.Tenant, key, after, last).Query(func(rows pgx.Rows) (err error) {
		links, err = scanLinks(rows, nil)
		return err
	})
	batch.Queue(`select `+escrowColumns+` from escrows`+objects, tx.Tenant, key, after, last).Query(func(rows pgx.Rows) (err error) {
		escrows, err = scanEscrows(rows, nil)
		return err
	})
	err = tx.Pgx().SendBatch(tx.Context(), batch).Close()
	return links, escrows, err
}

// LinkedSources lists, in order, source ids after one whose target is live and
// managed.
func (tx *Tx) LinkedSources(key, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select source_id from links
		where tenant_id = $1 and job_key = $2 and source_id > $3 and state = 1 order by source_id limit $4`, tx.Tenant, key, after, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// CountLinked counts the live managed targets of a job.
func (tx *Tx) CountLinked(key uuid.UUID) (n int, err error) {
	err = tx.Pgx().QueryRow(tx.Context(), `select count(*) from links where tenant_id = $1 and job_key = $2 and state = 1`, tx.Tenant, key).Scan(&n)
	return n, err
}

// ResolvableManagers lists linked users whose pending manager is linked by now.
func (tx *Tx) ResolvableManagers(key uuid.UUID, limit int) ([]Link, error) {
	return collectLinks(tx.Pgx().Query(tx.Context(), `select `+prefixed("r")+` from links r join links m
			on m.tenant_id = r.tenant_id and m.job_key = r.job_key and m.source_id = r.manager_source_id and m.state = 1
		where r.tenant_id = $1 and r.job_key = $2 and r.manager_state in (2, 3) and r.state = 1 order by r.source_id limit $3`, tx.Tenant, key, limit))
}

// UnreportedManagers lists linked users whose manager is pending and not yet
// logged as such.
func (tx *Tx) UnreportedManagers(key uuid.UUID, limit int) ([]Link, error) {
	return collectLinks(tx.Pgx().Query(tx.Context(), `select `+linkColumns+` from links
		where tenant_id = $1 and job_key = $2 and manager_source_id is not null and manager_state = 2 and state = 1 order by source_id limit $3`, tx.Tenant, key, limit))
}

func prefixed(alias string) string {
	return alias + ".source_id, " + alias + ".target_id, " + alias + ".state, " + alias + ".reason, " + alias + ".home_upn, " + alias + ".display_name, " +
		alias + ".disabled, " + alias + ".manager_source_id, " + alias + ".manager_state"
}

func collectLinks(rows pgx.Rows, err error) ([]Link, error) {
	if err != nil {
		return nil, err
	}
	var list []Link
	var l Link
	var target, manager *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&l.Source, &target, &l.State, &l.Reason, &l.HomeUPN, &l.DisplayName, &l.Disabled, &manager, &l.ManagerState}, func() error {
		l.Target, l.Manager = deref(target), deref(manager)
		list = append(list, l)
		return nil
	})
	return list, err
}

// SaveLinks writes links in one statement: rows of many columns travel as
// arrays, since PostgreSQL does not COPY into tables with row-level security.
func (tx *Tx) SaveLinks(key uuid.UUID, links []Link, now time.Time) {
	if len(links) == 0 {
		return
	}
	n := len(links)
	sources, targets, states, reasons := make([]uuid.UUID, n), make([]*uuid.UUID, n), make([]int16, n), make([]string, n)
	upns, names, disabled := make([]string, n), make([]string, n), make([]bool, n)
	managers, managerStates := make([]*uuid.UUID, n), make([]int16, n)
	for i, l := range links {
		sources[i], targets[i], states[i], reasons[i] = l.Source, ref(l.Target), int16(l.State), l.Reason
		upns[i], names[i], disabled[i] = l.HomeUPN, l.DisplayName, l.Disabled
		managers[i], managerStates[i] = ref(l.Manager), int16(l.ManagerState)
	}
	tx.Queue(`insert into links (tenant_id, job_key, `+linkColumns+`, changed_at)
		select $1, $2, s, t, st, r, u, n, d, m, ms, $12
		from unnest($3::uuid[], $4::uuid[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::boolean[], $10::uuid[], $11::smallint[])
			as x(s, t, st, r, u, n, d, m, ms)
		on conflict (tenant_id, job_key, source_id) do update set target_id = excluded.target_id, state = excluded.state, reason = excluded.reason,
			home_upn = excluded.home_upn, display_name = excluded.display_name, disabled = excluded.disabled,
			manager_source_id = excluded.manager_source_id, manager_state = excluded.manager_state, changed_at = excluded.changed_at`,
		tx.Tenant, key, sources, targets, states, reasons, upns, names, disabled, managers, managerStates, now)
}

// DropLinks removes every link of a job, with what hangs on them.
func (tx *Tx) DropLinks(key uuid.UUID) {
	tx.Queue(`delete from links where tenant_id = $1 and job_key = $2`, tx.Tenant, key)
	tx.DropBatches(key)
	tx.DropStaged(key)
}

// LinkOf finds a link by its source id, or else by its target id.
func (tx *Tx) LinkOf(key, object uuid.UUID) (Link, bool, error) {
	links, err := collectLinks(tx.Pgx().Query(tx.Context(), `select `+linkColumns+` from links
		where tenant_id = $1 and job_key = $2 and (source_id = $3 or target_id = $3) and state in (1, 2) order by source_id = $3 desc limit 1`, tx.Tenant, key, object))
	if err != nil || len(links) == 0 {
		return Link{}, false, err
	}
	return links[0], true, nil
}

// SourcesOf lists the source objects that are connected to the given targets.
func (tx *Tx) SourcesOf(key uuid.UUID, targets []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `select source_id from links where tenant_id = $1 and job_key = $2 and target_id = any($3) and state in (1, 2)`,
		tx.Tenant, key, targets)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// DropLink removes one link.
func (tx *Tx) DropLink(key, source uuid.UUID) {
	tx.Queue(`delete from links where tenant_id = $1 and job_key = $2 and source_id = $3`, tx.Tenant, key, source)
}

package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/user"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// DynamicObject is a live group or administrative unit with a membership rule.
type DynamicObject struct {
	ID   uuid.UUID
	Type object.Type
	Name string
	Rule string
	// On is false while evaluation is paused.
	On bool
	// Unified tells a Microsoft 365 group, Restricted a restricted unit.
	Unified, Restricted bool
}

const dynamicGroups = `select id, 2::smallint, display_name, membership_rule, membership_rule_processing_state is distinct from 'Paused', unified, false
		from groups where tenant_id = $1 and dynamic and deleted_at is null`

const dynamicUnits = `select id, 7::smallint, display_name, membership_rule, membership_rule_processing_state is distinct from 'Paused', false, restricted
		from administrative_units where tenant_id = $1 and dynamic and deleted_at is null`

func collectDynamic(rows pgx.Rows) ([]DynamicObject, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (DynamicObject, error) {
		var o DynamicObject
		err := row.Scan((*[16]byte)(&o.ID), (*int16)(&o.Type), &o.Name, &o.Rule, &o.On, &o.Unified, &o.Restricted)
		return o, err
	})
}

// DynamicObjects lists all groups and units with a rule.
func (tx *Tx) DynamicObjects() ([]DynamicObject, error) {
	rows, err := tx.Pgx().Query(tx.Context(), dynamicGroups+" union all "+dynamicUnits, [16]byte(tx.Tenant))
	if err != nil {
		return nil, err
	}
	return collectDynamic(rows)
}

// KeepDynamicObjects reads those of the objects that still have a rule, and
// keeps rule and state as they are until the transaction ends.
func (tx *Tx) KeepDynamicObjects(list []uuid.UUID) ([]DynamicObject, error) {
	var out []DynamicObject
	for _, query := range []string{dynamicGroups, dynamicUnits} {
		rows, err := tx.Pgx().Query(tx.Context(), query+" and id = any($2) order by id for share", [16]byte(tx.Tenant), ids(list))
		if err != nil {
			return nil, err
		}
		found, err := collectDynamic(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// CountDynamicObjects counts groups and units with a rule. It also keeps
// others from adding one until the transaction ends.
func (tx *Tx) CountDynamicObjects(except uuid.UUID) (int, error) {
	if err := tx.lockDynamic(); err != nil {
		return 0, err
	}
	var n int
	err := tx.Pgx().QueryRow(tx.Context(), `select (select count(*) from groups where tenant_id = $1 and dynamic and deleted_at is null and id <> $2)
		+ (select count(*) from administrative_units where tenant_id = $1 and dynamic and deleted_at is null and id <> $2)`,
		[16]byte(tx.Tenant), [16]byte(except)).Scan(&n)
	return n, err
}

func (tx *Tx) lockDynamic() error {
	_, err := tx.Pgx().Exec(tx.Context(), "select pg_advisory_xact_lock(hashtextextended($1, 155))", tx.Tenant.String())
	return err
}

// RuleSources tells what decides on a memberOf rule of an object: how many
// others have one, whether one of the groups it names has one, and whether the
// object is named by one.
func (tx *Tx) RuleSources(id uuid.UUID, groups []uuid.UUID) (present int, chained, named bool, err error) {
	if err := tx.lockDynamic(); err != nil {
		return 0, false, false, err
	}
	err = tx.Pgx().QueryRow(tx.Context(), `select (select count(distinct object_id) from dynamic_sources where tenant_id = $1 and object_id <> $2),
		exists (select from dynamic_sources where tenant_id = $1 and object_id = any($3)),
		exists (select from dynamic_sources where tenant_id = $1 and source_id = $2)`, [16]byte(tx.Tenant), [16]byte(id), ids(groups)).Scan(&present, &chained, &named)
	return present, chained, named, err
}

// SetRuleSources queues which groups the rule of an object names.
func (tx *Tx) SetRuleSources(id uuid.UUID, groups []uuid.UUID) {
	tx.Queue("delete from dynamic_sources where tenant_id = $1 and object_id = $2", [16]byte(tx.Tenant), [16]byte(id))
	if len(groups) > 0 {
		tx.Queue("insert into dynamic_sources (tenant_id, object_id, source_id) select distinct $1::uuid, $2::uuid, id from unnest($3::uuid[]) id",
			[16]byte(tx.Tenant), [16]byte(id), ids(groups))
	}
}

// DynamicState is where the evaluation of the rules of a tenant stands.
type DynamicState struct {
	// Rules says that there are groups or units with a rule.
	Rules bool
	// Known says that the feed is being followed.
	Known bool
	At    Position
	// Evaluated is the day for which rules about time were evaluated last.
	Evaluated time.Time
}

const dynamicState = `select exists (select from groups where tenant_id = $1 and dynamic) or exists (select from administrative_units where tenant_id = $1 and dynamic),
	p.tenant_id is not null, coalesce(p.position, ''), coalesce(p.evaluated_on, '0001-01-01'::date)
	from (values (1)) one left join dynamic_positions p on p.tenant_id = $1`

// DynamicState reads where the evaluation stands.
func (s *Store) DynamicState(ctx context.Context, t tenant.ID) (DynamicState, error) {
	var st DynamicState
	var at string
	batch := &pgx.Batch{}
	batch.Queue(dynamicState, [16]byte(t)).QueryRow(func(row pgx.Row) error { return row.Scan(&st.Rules, &st.Known, &at, &st.Evaluated) })
	if err := s.db.ReadBatch(ctx, t, batch); err != nil {
		return st, err
	}
	var err error
	st.At, err = ParsePosition(at)
	return st, err
}

// LockDynamicState makes the transaction the one that evaluates rules of the
// tenant; ok is false while another does.
func (tx *Tx) LockDynamicState() (st DynamicState, ok bool, err error) {
	var at string
	err = tx.Pgx().QueryRow(tx.Context(), "select position, coalesce(evaluated_on, '0001-01-01'::date) from dynamic_positions where tenant_id = $1 for update skip locked",
		[16]byte(tx.Tenant)).Scan(&at, &st.Evaluated)
	if errors.Is(err, pgx.ErrNoRows) {
		return st, false, nil
	}
	if err != nil {
		return st, false, err
	}
	st.Known, st.Rules = true, true
	st.At, err = ParsePosition(at)
	tx.Queue("select set_config('app.evaluator', 'on', true)")
	return st, true, err
}

// StartDynamicState begins to follow the feed at its present end; it answers
// false when another transaction has begun.
func (tx *Tx) StartDynamicState(today time.Time) (bool, error) {
	tag, err := tx.Pgx().Exec(tx.Context(), `insert into dynamic_positions (tenant_id, position, evaluated_on)
		select $1, generation || '.' || pg_snapshot_xmin(pg_current_snapshot()) || '.0', $2 from feed_generation on conflict do nothing`, [16]byte(tx.Tenant), today)
	return tag.RowsAffected() > 0, err
}

// EndDynamicState forgets the position of a tenant that has no rules any more.
func (tx *Tx) EndDynamicState() {
	tx.Queue("delete from dynamic_evaluations where tenant_id = $1", [16]byte(tx.Tenant))
	tx.Queue("delete from dynamic_positions where tenant_id = $1", [16]byte(tx.Tenant))
}

// SaveDynamicState queues how far the evaluation has come.
func (tx *Tx) SaveDynamicState(at Position, evaluated time.Time) {
	tx.Queue("update dynamic_positions set position = $2, evaluated_on = $3 where tenant_id = $1", [16]byte(tx.Tenant), at.String(), evaluated)
}

// ChangesAfter reads the feed as Store.Changes does, inside a transaction.
// behind tells that there are changes which cannot be read yet, because an
// older transaction is still running.
func (tx *Tx) ChangesAfter(from Position, limit int) (entries []Entry, at Position, behind bool, err error) {
	var generation uuid.UUID
	tx.Queue(inOrder)
	err = tx.Pgx().QueryRow(tx.Context(), `select generation, exists (select from change_log where tenant_id = $1 and xid >= pg_snapshot_xmin(pg_current_snapshot()))
		from feed_generation`, [16]byte(tx.Tenant)).Scan((*[16]byte)(&generation), &behind)
	if err != nil {
		return nil, from, false, err
	}
	if from.Generation != generation { // transaction numbers began anew: all there is comes again
		from = Position{XID: "0"}
	}
	rows, err := tx.Pgx().Query(tx.Context(), feedQuery+" order by change_log.xid, change_log.seq limit $4", [16]byte(tx.Tenant), from.XID, from.Seq, limit)
	if err != nil {
		return nil, from, false, err
	}
	var e Entry
	_, err = pgx.ForEachRow(rows, []any{&e.At.XID, &e.At.Seq, (*int16)(&e.Type), (*[16]byte)(&e.ID), (*int16)(&e.Kind), &e.Properties, &e.Related, &e.Time}, func() error {
		entries = append(entries, e)
		e.Properties, e.Related = nil, nil
		return nil
	})
	at = from
	if n := len(entries); n > 0 {
		at = entries[n-1].At
	}
	at.Generation = generation
	return entries, at, behind || len(entries) == limit, err
}

// UsersPage reads live users behind an id, in order, with the columns behind
// the properties.
func (tx *Tx) UsersPage(after uuid.UUID, limit int, properties []string) ([]*user.User, error) {
	selection := userProperties(append(slices.Clone(properties), "id"))
	rows, err := tx.Pgx().Query(tx.Context(), "select "+selection.sql+" from users where tenant_id = $1 and id > $2 and deleted_at is null order by id limit $3",
		[16]byte(tx.Tenant), [16]byte(after), limit)
	if err != nil {
		return nil, err
	}
	return collectUsers(rows, selection)
}

// Look-ups of many users at once, each a descent of its own: see batch.go.
const (
	membershipsOf = ` from unnest($2::uuid[]) wanted (id)
		cross join lateral (select group_id, member_id, dormant from group_members where tenant_id = $1 and member_id >= wanted.id and member_id <= wanted.id
			order by member_id offset 0) m
		cross join lateral (select id, deleted_at, dynamic from groups where tenant_id = $1 and groups.id >= m.group_id and groups.id <= m.group_id order by groups.id limit 1) g `
	groupsHolding = "select m.member_id, m.group_id" + membershipsOf + "where m.group_id = any($3) and not m.dormant and g.deleted_at is null"
	ruleLinks     = "select m.group_id, m.member_id" + membershipsOf + `where g.dynamic
		union all select m.unit_id, m.member_id from unnest($2::uuid[]) wanted (id)
			cross join lateral (select unit_id, member_id from unit_members where tenant_id = $1 and member_id >= wanted.id and member_id <= wanted.id order by member_id offset 0) m
			cross join lateral (select dynamic from administrative_units u where tenant_id = $1 and u.id >= m.unit_id and u.id <= m.unit_id order by u.id limit 1) u
			where u.dynamic`
)

// GroupsHolding tells which of the groups hold each of the users directly.
func (tx *Tx) GroupsHolding(users, groups []uuid.UUID) (map[uuid.UUID][]uuid.UUID, error) {
	out := make(map[uuid.UUID][]uuid.UUID)
	if len(users) == 0 || len(groups) == 0 {
		return out, nil
	}
	rows, err := tx.Pgx().Query(tx.Context(), groupsHolding, [16]byte(tx.Tenant), ids(users), ids(groups))
	if err != nil {
		return nil, err
	}
	var member, group [16]byte
	_, err = pgx.ForEachRow(rows, []any{&member, &group}, func() error {
		out[member] = append(out[member], group)
		return nil
	})
	return out, err
}

// ExtensionTexts reads what users have in single text extensions, by the
// folded whole names.
func (tx *Tx) ExtensionTexts(users []uuid.UUID, names []string) (map[uuid.UUID]map[string]string, error) {
	if len(users) == 0 || len(names) == 0 {
		return nil, nil
	}
	definitions, err := tx.ExtensionsNamed(names)
	if err != nil {
		return nil, err
	}
	nameOf, list := make(map[uuid.UUID]string, len(definitions)), make([]uuid.UUID, 0, len(definitions))
	for _, d := range definitions {
		if d.DataType == "String" && !d.MultiValued {
			nameOf[d.ID] = odata.Fold(d.Name)
			list = append(list, d.ID)
		}
	}
	values, err := tx.ExtensionValues(users, list)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]map[string]string, len(values))
	for id, held := range values {
		out[id] = make(map[string]string, len(held))
		for definition, v := range held {
			if text, ok := v[0].(string); ok {
				out[id][nameOf[definition]] = text
			}
		}
	}
	return out, nil
}

// RuleLink is a membership that follows from a rule.
type RuleLink struct{ Holder, Member uuid.UUID }

// RuleLinks lists the memberships of users in groups and units with a rule.
func (tx *Tx) RuleLinks(users []uuid.UUID) (map[RuleLink]bool, error) {
	rows, err := tx.Pgx().Query(tx.Context(), ruleLinks, [16]byte(tx.Tenant), ids(users))
	if err != nil {
		return nil, err
	}
	out := make(map[RuleLink]bool)
	var holder, member [16]byte
	_, err = pgx.ForEachRow(rows, []any{&holder, &member}, func() error {
		out[RuleLink{holder, member}] = true
		return nil
	})
	return out, err
}

// ruleTables are where memberships of groups and of units are kept. An object
// is in at most thirty units (INV-17); a rule adds no more.
var ruleTables = map[object.Type]struct{ table, holder, room string }{
	object.Group: {"group_members", "group_id", "true"},
	object.Unit:  {"unit_members", "unit_id", "(select count(*) from unit_members n where n.tenant_id = $1 and n.member_id = wanted.id) < 30"},
}

// AddRuleMembers adds users to a group or unit with a rule and answers those
// that were not in it.
func (tx *Tx) AddRuleMembers(t object.Type, holder uuid.UUID, users []uuid.UUID, at time.Time) ([]uuid.UUID, error) {
	if len(users) == 0 {
		return nil, nil
	}
	in := ruleTables[t]
	rows, err := tx.Pgx().Query(tx.Context(), "insert into "+in.table+" (tenant_id, "+in.holder+`, member_id, member_type, added_at)
		select $1, $2, wanted.id, 1, $4 from unnest($3::uuid[]) wanted (id)
		cross join lateral (select from users where tenant_id = $1 and users.id >= wanted.id and users.id <= wanted.id and deleted_at is null order by users.id limit 1) live
		where `+in.room+`
		on conflict do nothing returning member_id`, [16]byte(tx.Tenant), [16]byte(holder), ids(users), at)
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// RemoveRuleMembers removes users from a group or unit with a rule and
// answers those that were in it.
func (tx *Tx) RemoveRuleMembers(t object.Type, holder uuid.UUID, users []uuid.UUID) ([]uuid.UUID, error) {
	if len(users) == 0 {
		return nil, nil
	}
	in := ruleTables[t]
	rows, err := tx.Pgx().Query(tx.Context(), "delete from "+in.table+" m using (select id from unnest($3::uuid[]) id offset 0) gone where m.tenant_id = $1 and m."+in.holder+` = $2
		and m.member_id >= gone.id and m.member_id <= gone.id returning m.member_id`,
		[16]byte(tx.Tenant), [16]byte(holder), ids(users))
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// KeepRuleMembers removes every member of a group or unit whose id is behind
// after and up to last, and who is not among keep; it answers whom it removed.
func (tx *Tx) KeepRuleMembers(t object.Type, holder, after, last uuid.UUID, keep []uuid.UUID) ([]Link, error) {
	in := ruleTables[t]
	rows, err := tx.Pgx().Query(tx.Context(), "delete from "+in.table+" m where m.tenant_id = $1 and m."+in.holder+` = $2 and m.member_id > $3 and m.member_id <= $4
		and m.member_id <> all($5::uuid[]) returning m.member_id, m.member_type`,
		[16]byte(tx.Tenant), [16]byte(holder), [16]byte(after), [16]byte(last), ids(keep))
	if err != nil {
		return nil, err
	}
	return collectLinks(rows)
}

// Evaluation is how far a rule has been evaluated over all users.
type Evaluation struct {
	ID               uuid.UUID
	Type             object.Type
	Rule             string
	After            *uuid.UUID // nil when all users have been looked at
	Evaluated, Total int
	Updated          *time.Time
}

const evaluationColumns = "object_id, object_type, rule, after_id, evaluated, total, updated_at"

func collectEvaluations(rows pgx.Rows) ([]Evaluation, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Evaluation, error) {
		var e Evaluation
		err := row.Scan((*[16]byte)(&e.ID), (*int16)(&e.Type), &e.Rule, &e.After, &e.Evaluated, &e.Total, &e.Updated)
		return e, err
	})
}

// StartEvaluations queues the evaluation over all users, from the beginning,
// of the rules of objects.
func (tx *Tx) StartEvaluations(list []DynamicObject) {
	if len(list) == 0 {
		return
	}
	keys, kinds, rules := make([][16]byte, len(list)), make([]int16, len(list)), make([]string, len(list))
	for i, o := range list {
		keys[i], kinds[i], rules[i] = o.ID, int16(o.Type), o.Rule
	}
	tx.Queue(`insert into dynamic_evaluations (tenant_id, object_id, object_type, rule, after_id, evaluated, total)
		select $1, o.id, o.type, o.rule, '00000000-0000-0000-0000-000000000000', 0, (select count(*) from users where tenant_id = $1 and deleted_at is null)
		from unnest($2::uuid[], $3::smallint[], $4::text[]) o (id, type, rule)
		on conflict (tenant_id, object_id) do update set rule = excluded.rule, after_id = excluded.after_id, evaluated = 0, total = excluded.total`,
		[16]byte(tx.Tenant), keys, kinds, rules)
}

// StopEvaluations queues the end of evaluations.
func (tx *Tx) StopEvaluations(list []uuid.UUID) {
	if len(list) > 0 {
		tx.Queue("delete from dynamic_evaluations where tenant_id = $1 and object_id = any($2)", [16]byte(tx.Tenant), ids(list))
	}
}

// PendingEvaluations reads evaluations that have come equally far and least
// far of all.
func (tx *Tx) PendingEvaluations(limit int) ([]Evaluation, error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select "+evaluationColumns+` from dynamic_evaluations where tenant_id = $1
		and after_id = (select after_id from dynamic_evaluations where tenant_id = $1 and after_id is not null order by after_id limit 1) order by object_id limit $2`,
		[16]byte(tx.Tenant), limit)
	if err != nil {
		return nil, err
	}
	return collectEvaluations(rows)
}

// AdvanceEvaluation queues that users up to an id, nil for all, have been
// looked at.
func (tx *Tx) AdvanceEvaluation(id uuid.UUID, after *uuid.UUID, looked int, at time.Time) {
	tx.Queue(`update dynamic_evaluations set after_id = $3, evaluated = evaluated + $4, total = greatest(total, evaluated + $4), updated_at = case when $3::uuid is null then $5 else updated_at end
		where tenant_id = $1 and object_id = $2`, [16]byte(tx.Tenant), [16]byte(id), idOf(after), looked, at)
}

// TouchEvaluations queues that the memberships of objects are of now.
func (tx *Tx) TouchEvaluations(list []uuid.UUID, at time.Time) {
	tx.Queue("update dynamic_evaluations set updated_at = $3 where tenant_id = $1 and object_id = any($2) and after_id is null", [16]byte(tx.Tenant), ids(list), at)
}

// Evaluation reads how far the rule of an object has been evaluated; ok is
// false when it has not begun.
func (tx *Tx) Evaluation(id uuid.UUID) (e Evaluation, ok bool, err error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select "+evaluationColumns+" from dynamic_evaluations where tenant_id = $1 and object_id = $2", [16]byte(tx.Tenant), [16]byte(id))
	if err != nil {
		return e, false, err
	}
	found, err := collectEvaluations(rows)
	if err != nil || len(found) == 0 {
		return e, false, err
	}
	return found[0], true, nil
}

const insertLinks = `insert into change_log (tenant_id, object_type, object_id, kind, properties, related_id, changed_at)
	select $1, $2, $3, $4, '{members}', id, $6 from unnest($5::uuid[]) id`

// ChangeLinks queues the rows of the feed for members of one object that came
// or went.
func (tx *Tx) ChangeLinks(t object.Type, holder uuid.UUID, kind ChangeKind, members []uuid.UUID) {
	if len(members) == 0 {
		return
	}
	tx.Queue(insertLinks, [16]byte(tx.Tenant), int16(t), [16]byte(holder), int16(kind), ids(members), tx.store.clock.Now())
	name := tx.Tenant.String()
	tx.AfterCommit(func() { tx.store.db.Notify(ChangesChannel, name) })
}

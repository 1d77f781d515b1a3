package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

type groupRow struct {
	TenantID                      uuid.UUID `gorm:"primaryKey"`
	ID                            uuid.UUID `gorm:"primaryKey"`
	DisplayName                   string
	DisplayNameWords              textArray
	Description                   *string
	DescriptionWords              textArray
	MailNickname                  string
	Mail                          *string
	UniqueName                    *string
	Unified                       bool
	Dynamic                       bool
	MailEnabled                   bool
	SecurityEnabled               bool
	Visibility                    *string
	MembershipRule                *string
	MembershipRuleProcessingState *string
	IsAssignableToRole            bool
	Classification                *string
	Theme                         *string
	PreferredLanguage             *string
	PreferredDataLocation         *string
	GroupTypes                    textArray
	ResourceBehaviorOptions       textArray
	ResourceProvisioningOptions   textArray
	AllowExternalSenders          bool
	AutoSubscribeNewMembers       bool
	HideFromAddressLists          bool
	HideFromOutlookClients        bool
	ManagementRestricted          bool
	ProxyAddresses                textArray
	CreatedAt                     time.Time `gorm:"autoCreateTime:false"`
	RenewedAt                     *time.Time
	DeletedAt                     *time.Time
	Version                       int64 `gorm:"default:1"`
}

func (groupRow) TableName() string { return "groups" }

func (tx *Tx) groupRow(g *group.Group) groupRow {
	r := groupRow{TenantID: tx.Tenant.UUID(), ID: g.ID, DisplayName: g.DisplayName, DisplayNameWords: odata.SearchTokens(g.DisplayName), Description: g.Description,
		MailNickname: g.MailNickname, Mail: g.Mail, UniqueName: g.UniqueName, Unified: g.Unified, Dynamic: g.Dynamic, MailEnabled: g.MailEnabled,
		SecurityEnabled: g.SecurityEnabled, Visibility: g.Visibility, MembershipRule: g.Rule, MembershipRuleProcessingState: g.RuleState,
		IsAssignableToRole: g.RoleAssignable, Classification: g.Classification, Theme: g.Theme, PreferredLanguage: g.PreferredLanguage,
		PreferredDataLocation: g.PreferredDataLocation, GroupTypes: listOrNull(g.Types()), ResourceBehaviorOptions: listOrNull(g.Behaviors),
		ResourceProvisioningOptions: listOrNull(g.Provisioning), AllowExternalSenders: g.AllowExternalSenders, AutoSubscribeNewMembers: g.AutoSubscribeNewMembers,
		HideFromAddressLists: g.HideFromAddressLists, HideFromOutlookClients: g.HideFromOutlookClients, CreatedAt: g.Created, RenewedAt: g.Renewed,
		DeletedAt: g.Deleted, Version: 1}
	if g.Description != nil {
		r.DescriptionWords = odata.SearchTokens(*g.Description)
	}
	for _, p := range g.Proxies {
		r.ProxyAddresses = append(r.ProxyAddresses, p.String())
	}
	return r
}

func groupFromRow(r *groupRow) *group.Group {
	g := &group.Group{ID: r.ID, DisplayName: r.DisplayName, Description: r.Description, MailNickname: r.MailNickname, Mail: r.Mail, UniqueName: r.UniqueName,
		Unified: r.Unified, Dynamic: r.Dynamic, MailEnabled: r.MailEnabled, SecurityEnabled: r.SecurityEnabled, Visibility: r.Visibility,
		Rule: r.MembershipRule, RuleState: r.MembershipRuleProcessingState, RoleAssignable: r.IsAssignableToRole, Classification: r.Classification,
		Theme: r.Theme, PreferredLanguage: r.PreferredLanguage, PreferredDataLocation: r.PreferredDataLocation, Behaviors: r.ResourceBehaviorOptions,
		Provisioning: r.ResourceProvisioningOptions, AllowExternalSenders: r.AllowExternalSenders, AutoSubscribeNewMembers: r.AutoSubscribeNewMembers,
		HideFromAddressLists: r.HideFromAddressLists, HideFromOutlookClients: r.HideFromOutlookClients, Restricted: r.ManagementRestricted, Created: r.CreatedAt, Renewed: r.RenewedAt, Deleted: r.DeletedAt}
	for _, p := range r.ProxyAddresses {
		kind, addr, _ := strings.Cut(p, ":")
		g.Proxies = append(g.Proxies, address.Proxy{Kind: strings.ToLower(kind), Address: addr, Primary: kind == "SMTP"})
	}
	return g
}

// InsertGroup queues a new group with its addresses.
func (tx *Tx) InsertGroup(g *group.Group) error {
	tx.made++
	row := tx.groupRow(g)
	if err := tx.QueueCreate(&row); err != nil {
		return err
	}
	tx.insertAddresses(object.Group, g.ID, g.Proxies, true)
	return nil
}

// Group finds one group, locked for a change where asked.
func (tx *Tx) Group(id uuid.UUID, st State, lock bool) (*group.Group, error) {
	var row groupRow
	if err := locked(st.where(tx.own()).Where("id = ?", id), lock).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(id.String())
		}
		return nil, err
	}
	return groupFromRow(&row), nil
}

// SaveGroup writes what may change of a group.
func (tx *Tx) SaveGroup(old, g *group.Group) error {
	row := tx.groupRow(g)
	err := tx.own().Model(&groupRow{}).Where("id = ?", g.ID).Select("*").Omit("tenant_id", "id", "created_at", "version", "management_restricted").Updates(&row).Error
	if err != nil {
		return err
	}
	tx.Queue("update groups set version = version + 1 where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(g.ID))
	tx.Queue("delete from addresses where tenant_id = $1 and owner_id = $2", [16]byte(tx.Tenant), [16]byte(g.ID))
	tx.insertAddresses(object.Group, g.ID, g.Proxies, g.Deleted == nil)
	if (old.Deleted == nil) != (g.Deleted == nil) {
		tx.sleep(g.ID, g.Deleted != nil)
	}
	return nil
}

// PurgeGroup ends a group with all links of and to it.
func (tx *Tx) PurgeGroup(id uuid.UUID) {
	tx.leave(id)
	tx.purgeLinks(id)
	tx.Queue("delete from groups where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// GroupColumns says where the properties of groups are stored, for queries.
var GroupColumns = buildGroupQuery()

func buildGroupQuery() odata.Columns {
	c := odata.Columns{
		"id":                    {SQL: "groups.id", Type: odata.TypeUUID, NotNull: true},
		"mailEnabled":           {SQL: "groups.mail_enabled", NotNull: true},
		"securityEnabled":       {SQL: "groups.security_enabled", NotNull: true},
		"isAssignableToRole":    {SQL: "groups.is_assignable_to_role", NotNull: true},
		"createdDateTime":       {SQL: "groups.created_at", NotNull: true},
		"onPremisesSyncEnabled": {SQL: "null::boolean"},
		"groupTypes":            {SQL: "groups.group_types", Items: folded("groups.group_types")},
		"proxyAddresses":        {SQL: "groups.proxy_addresses", Items: folded("groups.proxy_addresses")},
	}
	for name, column := range map[string]string{"displayName": "display_name", "description": "description", "mailNickname": "mail_nickname", "mail": "mail",
		"uniqueName": "unique_name", "membershipRuleProcessingState": "membership_rule_processing_state"} {
		c[name] = odata.Column{SQL: "groups." + column, Key: "groups." + column + "_key", NotNull: name == "displayName" || name == "mailNickname"}
	}
	for name, column := range map[string]string{"displayName": "display_name", "description": "description"} {
		words := c[name]
		words.Words = wordsOf("groups." + column)
		c[name] = words
	}
	return c
}

// wordsOf are the search tokens of a column, which stand beside it.
func wordsOf(column string) *odata.Items {
	return &odata.Items{From: "unnest(" + column + "_words) as word(v)", Columns: odata.Columns{"": {SQL: "word.v"}}}
}

// list pages through ids with the help of src and reads the objects behind
// them by load, which GORM maps.
func listIDs(ctx context.Context, s *Store, t tenant.ID, table, where string, args []any, l Listing) (Page[uuid.UUID], error) {
	return page(ctx, s, t, source[uuid.UUID]{columns: table + ".id", from: table, where: where, args: args,
		scan: func(row scanner, key **string) (uuid.UUID, uuid.UUID, error) {
			var id [16]byte
			err := row.Scan(&id, key)
			return id, id, err
		}}, l)
}

// byID reads rows by their ids and brings them into the order of the ids. The
// objects may have gone since the ids were read; those are left out.
func byID[R any](tx *Tx, list []uuid.UUID, id func(*R) uuid.UUID) ([]*R, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var rows []R
	if err := tx.own().Where("id in ?", list).Find(&rows).Error; err != nil {
		return nil, err
	}
	found := make(map[uuid.UUID]*R, len(rows))
	for i := range rows {
		found[id(&rows[i])] = &rows[i]
	}
	out := make([]*R, 0, len(rows))
	for _, key := range list {
		if r := found[key]; r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// ListGroups reads a page of groups, live ones or those deleted after a time.
func (s *Store) ListGroups(ctx context.Context, t tenant.ID, l Listing, deletedAfter *time.Time) (Page[*group.Group], error) {
	where, args := "groups.tenant_id = ? and groups.deleted_at is null", []any(nil)
	if deletedAfter != nil {
		where, args = "groups.tenant_id = ? and groups.deleted_at > ?", []any{*deletedAfter}
	}
	found, err := listIDs(ctx, s, t, "groups", where, args, l)
	out := Page[*group.Group]{Last: found.Last, Count: found.Count}
	if err != nil {
		return out, err
	}
	return out, s.Read(ctx, t, func(tx *Tx) error {
		out.Items, err = tx.Groups(found.Items)
		return err
	})
}

// Groups reads groups by id, in the order of the ids.
func (tx *Tx) Groups(list []uuid.UUID) ([]*group.Group, error) {
	rows, err := byID(tx, list, func(r *groupRow) uuid.UUID { return r.ID })
	out := make([]*group.Group, len(rows))
	for i, r := range rows {
		out[i] = groupFromRow(r)
	}
	return out, err
}

// CountGroups counts the live groups that match.
func (s *Store) CountGroups(ctx context.Context, t tenant.ID, conditions []odata.SQL) (int32, error) {
	return count(ctx, s, t, "groups", "groups.tenant_id = ? and groups.deleted_at is null", nil, conditions)
}

// Link is one end of a relation.
type Link struct {
	ID   uuid.UUID
	Type object.Type
}

// Relation is a table of links from an object to others.
type Relation struct{ table, from, to, kind, awake string }

// awake is the condition on links whose objects are live.
const awake = "not link.dormant"

// The relations that can be listed.
var (
	Members       = Relation{"group_members", "group_id", "member_id", "link.member_type", awake}
	Owners        = Relation{"object_owners", "object_id", "owner_id", "link.owner_type", awake}
	OwnedObjects  = Relation{"object_owners", "owner_id", "object_id", "link.object_type", awake}
	DirectReports = Relation{"users", "manager_id", "id", "1::smallint", "link.deleted_at is null"}
	// MemberOf are the groups, administrative units and roles over the tenant
	// that hold an object directly (DIR-50, DIR-136).
	MemberOf = Relation{`(
		select tenant_id, member_id, group_id as holder_id, 2::smallint as type, dormant from group_members
		union all select tenant_id, member_id, unit_id, 7::smallint, dormant from unit_members
		union all select a.tenant_id, a.principal_id, r.id, 6::smallint, a.dormant from role_assignments a
			join directory_roles r on r.tenant_id = a.tenant_id and r.template_id = a.role_id where a.scope = '/')`, "member_id", "holder_id", "link.type",
		awake + ` and (link.type <> 2 or exists (select from groups g where g.tenant_id = link.tenant_id and g.id = link.holder_id and g.deleted_at is null))
		and (link.type <> 7 or exists (select from administrative_units u where u.tenant_id = link.tenant_id and u.id = link.holder_id and u.deleted_at is null))`}
)

// LinkColumns are the columns that filters on relations may use.
func (r Relation) LinkColumns() odata.Columns {
	return odata.Columns{"id": {SQL: "link." + r.to, Type: odata.TypeUUID, NotNull: true}}
}

// ListLinks reads a page of the objects an object is related to, by id. types
// restricts them; none means all.
func (s *Store) ListLinks(ctx context.Context, t tenant.ID, r Relation, from uuid.UUID, types []object.Type, l Listing) (Page[Link], error) {
	where, args := "link.tenant_id = ? and link."+r.from+" = ? and "+r.awake, []any{[16]byte(from)}
	if len(types) > 0 {
		where, args = where+" and "+r.kind+" = any(?)", append(args, numbersOf(types))
	}
	return page(ctx, s, t, source[Link]{columns: "link." + r.to + ", " + r.kind, from: r.table + " link", where: where, args: args,
		scan: func(row scanner, key **string) (Link, uuid.UUID, error) {
			var out Link
			err := row.Scan((*[16]byte)(&out.ID), (*int16)(&out.Type), key)
			return out, out.ID, err
		}}, l)
}

// numbersOf makes a query argument of types, null for none.
func numbersOf(types []object.Type) []int16 {
	if len(types) == 0 {
		return nil
	}
	numbers := make([]int16, len(types))
	for i, t := range types {
		numbers[i] = int16(t)
	}
	return numbers
}

// inside finds a group, $2, and every group inside it whose members the viewer,
// $3, may see; nested groups have an index of their own, so that a group of
// many users costs nothing here.
var inside = `with recursive inside (id) as (
		select $2::uuid
		union
		select m.member_id from inside i join group_members m on m.tenant_id = $1 and m.group_id = i.id and m.member_type = 2 and not m.dormant
			and ($3::uuid is null or not ` + hidesGroup("$1", "m.member_id", "$3") + `)
	) `

// A page reads at most its size from each group, wherever it begins.
var (
	transitiveMembers = inside + `select distinct m.member_id, m.member_type from inside cross join lateral (
		select member_id, member_type from group_members where tenant_id = $1 and group_id = inside.id and member_id > $4 and not dormant
			and ($6::smallint[] is null or member_type = any($6)) order by member_id limit $5) m
		order by m.member_id limit $5`
	transitiveMemberCount = inside + `select count(distinct m.member_id) from inside join group_members m on m.tenant_id = $1 and m.group_id = inside.id and not m.dormant
		where $4::smallint[] is null or m.member_type = any($4)`
)

// CountTransitiveMembers counts everything inside a group that the viewer may
// see; types restricts it.
func (tx *Tx) CountTransitiveMembers(v *Viewer, id uuid.UUID, types []object.Type) (int32, error) {
	var n int32
	err := tx.Pgx().QueryRow(tx.Context(), transitiveMemberCount, [16]byte(tx.Tenant), [16]byte(id), v.id(), numbersOf(types)).Scan(&n)
	return n, err
}

// TransitiveMembers reads a page of everything inside a group that the viewer
// may see, by id; types restricts it.
func (tx *Tx) TransitiveMembers(v *Viewer, id, after uuid.UUID, types []object.Type, limit int) ([]Link, error) {
	rows, err := tx.Pgx().Query(tx.Context(), transitiveMembers, [16]byte(tx.Tenant), [16]byte(id), v.id(), [16]byte(after), limit, numbersOf(types))
	if err != nil {
		return nil, err
	}
	return collectLinks(rows)
}

func collectLinks(rows pgx.Rows) ([]Link, error) {
	var out []Link
	var link Link
	_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&link.ID), (*int16)(&link.Type)}, func() error {
		out = append(out, link)
		return nil
	})
	return out, err
}

// GroupsOf lists the live groups an object is in, directly or also by
// nesting, at most limit.
func (tx *Tx) GroupsOf(id uuid.UUID, transitive, securityOnly bool, limit int) ([]uuid.UUID, error) {
	return tx.GroupsShown(nil, id, transitive, securityOnly, limit)
}

// groupsShown climbs from a member, $2, to the groups above it, past none that
// hides its members from the viewer, $6.
var groupsShown = `with recursive above (id) as (
		select m.group_id from group_members m where m.tenant_id = $1 and m.member_id = $2 and ($6::uuid is null or not ` + hidesGroup("$1", "m.group_id", "$6") + `)
		union
		select m.group_id from above a join group_members m on m.tenant_id = $1 and m.member_id = a.id where $3::boolean
			and ($6::uuid is null or not ` + hidesGroup("$1", "m.group_id", "$6") + `)
	) select g.id from above a join groups g on g.tenant_id = $1 and g.id = a.id and g.deleted_at is null
	where g.security_enabled or not $4::boolean order by g.id limit $5`

// GroupsShown is GroupsOf with the groups alone that let the viewer know.
func (tx *Tx) GroupsShown(v *Viewer, id uuid.UUID, transitive, securityOnly bool, limit int) ([]uuid.UUID, error) {
	rows, err := tx.Pgx().Query(tx.Context(), groupsShown, [16]byte(tx.Tenant), [16]byte(id), transitive, securityOnly, limit, v.id())
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

func collectIDs(rows pgx.Rows) ([]uuid.UUID, error) {
	var out []uuid.UUID
	var id [16]byte
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		out = append(out, id)
		return nil
	})
	return out, err
}

// AddMember queues a membership.
func (tx *Tx) AddMember(groupID uuid.UUID, m Link, at time.Time) {
	tx.Queue("insert into group_members (tenant_id, group_id, member_id, member_type, added_at) values ($1, $2, $3, $4, $5)",
		[16]byte(tx.Tenant), [16]byte(groupID), [16]byte(m.ID), int16(m.Type), at)
}

// AddOwner queues an ownership.
func (tx *Tx) AddOwner(id uuid.UUID, t object.Type, owner Link, at time.Time) {
	tx.Queue("insert into object_owners (tenant_id, object_id, object_type, owner_id, owner_type, added_at) values ($1, $2, $3, $4, $5, $6)",
		[16]byte(tx.Tenant), [16]byte(id), int16(t), [16]byte(owner.ID), int16(owner.Type), at)
}

// RemoveLink ends a link; ok is false when there was none.
func (tx *Tx) RemoveLink(r Relation, from, to uuid.UUID) (ok bool, err error) {
	tag, err := tx.Pgx().Exec(tx.Context(), "delete from "+r.table+" where tenant_id = $1 and "+r.from+" = $2 and "+r.to+" = $3 and not dormant",
		[16]byte(tx.Tenant), [16]byte(from), [16]byte(to))
	return tag.RowsAffected() > 0, err
}

// OwnersOf lists the owners of an object.
func (tx *Tx) OwnersOf(id uuid.UUID) ([]Link, error) {
	rows, err := tx.Pgx().Query(tx.Context(), "select owner_id, owner_type from object_owners where tenant_id = $1 and object_id = $2 and not dormant order by owner_id",
		[16]byte(tx.Tenant), [16]byte(id))
	if err != nil {
		return nil, err
	}
	return collectLinks(rows)
}

// Resolve finds the type of a live object; ok is false when there is none.
func (tx *Tx) Resolve(id uuid.UUID) (Link, bool, error) {
	found, err := tx.ResolveAll([]uuid.UUID{id})
	if err != nil || len(found) == 0 {
		return Link{}, false, err
	}
	return found[0], true, nil
}

// ResolveAll finds the types of live objects, in the order of the ids;
// unknown ids are left out.
func (tx *Tx) ResolveAll(list []uuid.UUID) ([]Link, error) {
	rows, err := tx.Pgx().Query(tx.Context(), `
		select id, 1::smallint from users where tenant_id = $1 and id = any($2) and deleted_at is null
		union all select id, 2::smallint from groups where tenant_id = $1 and id = any($2) and deleted_at is null
		union all select id, 3::smallint from service_principals where tenant_id = $1 and id = any($2) and deleted_at is null
		union all select id, 4::smallint from applications where tenant_id = $1 and id = any($2) and deleted_at is null
		union all select id, 5::smallint from contacts where tenant_id = $1 and id = any($2)
		union all select id, 6::smallint from directory_roles where tenant_id = $1 and id = any($2)
		union all select id, 7::smallint from administrative_units where tenant_id = $1 and id = any($2) and deleted_at is null`, [16]byte(tx.Tenant), ids(list))
	if err != nil {
		return nil, err
	}
	links, err := collectLinks(rows)
	if err != nil {
		return nil, err
	}
	kinds := make(map[uuid.UUID]object.Type, len(links))
	for _, l := range links {
		kinds[l.ID] = l.Type
	}
	out := links[:0]
	for _, id := range list {
		if t, ok := kinds[id]; ok {
			out = append(out, Link{id, t})
			delete(kinds, id)
		}
	}
	return out, nil
}

// DeletedType finds the type of an object that was soft-deleted after a time.
func (tx *Tx) DeletedType(id uuid.UUID, after time.Time) (object.Type, error) {
	var t int16
	err := tx.Pgx().QueryRow(tx.Context(), `
		select 1::smallint from users where tenant_id = $1 and id = $2 and deleted_at > $3
		union all select 2::smallint from groups where tenant_id = $1 and id = $2 and deleted_at > $3
		union all select 3::smallint from service_principals where tenant_id = $1 and id = $2 and deleted_at > $3
		union all select 4::smallint from applications where tenant_id = $1 and id = $2 and deleted_at > $3
		union all select 7::smallint from administrative_units where tenant_id = $1 and id = $2 and deleted_at > $3`,
		[16]byte(tx.Tenant), [16]byte(id), after).Scan(&t)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, property.NotFound(id.String())
	}
	return object.Type(t), err
}

// DuePurges lists objects that were soft-deleted at or before a time.
func (s *Store) DuePurges(ctx context.Context, t tenant.ID, before time.Time, limit int) ([]Link, error) {
	var out []Link
	batch := &pgx.Batch{}
	batch.Queue(`select id, 1::smallint from users where tenant_id = $1 and deleted_at <= $2
		union all select id, 2::smallint from groups where tenant_id = $1 and deleted_at <= $2
		union all select id, 3::smallint from service_principals where tenant_id = $1 and deleted_at <= $2
		union all select id, 4::smallint from applications where tenant_id = $1 and deleted_at <= $2
		union all select id, 7::smallint from administrative_units where tenant_id = $1 and deleted_at <= $2 limit $3`, [16]byte(t), before, limit).Query(func(rows pgx.Rows) error {
		var err error
		out, err = collectLinks(rows)
		return err
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

package store

import (
	"context"
	"encoding/json"
	"time"

	"entente.dev/directory-svc/internal/contact"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

type contactRow struct {
	TenantID         uuid.UUID `gorm:"primaryKey"`
	ID               uuid.UUID `gorm:"primaryKey"`
	DisplayName      string
	DisplayNameWords textArray
	Mail             string
	MailNickname     string
	GivenName        *string
	Surname          *string
	JobTitle         *string
	Department       *string
	CompanyName      *string
	Phones           *string
	Addresses        *string
	ProxyAddresses   textArray
	CreatedAt        time.Time `gorm:"autoCreateTime:false"`
	Version          int64     `gorm:"default:1"`
}

func (contactRow) TableName() string { return "contacts" }

func (tx *Tx) contactRow(c *contact.Contact) (contactRow, error) {
	phones, err := jsonOrNull(c.Phones)
	if err != nil {
		return contactRow{}, err
	}
	addresses, err := jsonOrNull(c.Addresses)
	return contactRow{TenantID: tx.Tenant.UUID(), ID: c.ID, DisplayName: c.DisplayName, DisplayNameWords: odata.SearchTokens(c.DisplayName), Mail: c.Mail,
		MailNickname: c.MailNickname, GivenName: c.GivenName, Surname: c.Surname, JobTitle: c.JobTitle, Department: c.Department, CompanyName: c.CompanyName,
		Phones: phones, Addresses: addresses, ProxyAddresses: textArray{c.Proxies()[0].String()}, CreatedAt: c.Created, Version: 1}, err
}

func jsonOrNull[T any](list []T) (*string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(list)
	s := string(text)
	return &s, err
}

func contactFromRow(r *contactRow) (*contact.Contact, error) {
	c := &contact.Contact{ID: r.ID, DisplayName: r.DisplayName, Mail: r.Mail, MailNickname: r.MailNickname, GivenName: r.GivenName, Surname: r.Surname, JobTitle: r.JobTitle,
		Department: r.Department, CompanyName: r.CompanyName, Created: r.CreatedAt}
	if r.Phones != nil {
		if err := json.Unmarshal([]byte(*r.Phones), &c.Phones); err != nil {
			return nil, err
		}
	}
	if r.Addresses != nil {
		if err := json.Unmarshal([]byte(*r.Addresses), &c.Addresses); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// InsertContact queues a new contact with its address.
func (tx *Tx) InsertContact(c *contact.Contact) error {
	tx.made++
	row, err := tx.contactRow(c)
	if err != nil {
		return err
	}
	if err := tx.QueueCreate(&row); err != nil {
		return err
	}
	tx.insertAddresses(object.Contact, c.ID, c.Proxies(), true)
	return nil
}

// Contact finds one contact, locked for a change where asked.
func (tx *Tx) Contact(id uuid.UUID, lock bool) (*contact.Contact, error) {
	var row contactRow
	if err := locked(tx.own().Where("id = ?", id), lock).Take(&row).Error; err != nil {
		if missing(err) {
			return nil, property.NotFound(id.String())
		}
		return nil, err
	}
	return contactFromRow(&row)
}

// SaveContact writes what may change of a contact.
func (tx *Tx) SaveContact(c *contact.Contact) error {
	row, err := tx.contactRow(c)
	if err != nil {
		return err
	}
	if err := tx.own().Model(&contactRow{}).Where("id = ?", c.ID).Select("*").Omit("tenant_id", "id", "created_at", "version").Updates(&row).Error; err != nil {
		return err
	}
	tx.Queue("update contacts set version = version + 1 where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(c.ID))
	tx.Queue("delete from addresses where tenant_id = $1 and owner_id = $2", [16]byte(tx.Tenant), [16]byte(c.ID))
	tx.insertAddresses(object.Contact, c.ID, c.Proxies(), true)
	return nil
}

// DeleteContact queues the end of a contact and of every link to it.
func (tx *Tx) DeleteContact(id uuid.UUID) {
	tx.leave(id)
	tx.purgeLinks(id)
	tx.Queue("update users set manager_id = null where tenant_id = $1 and manager_id = $2", [16]byte(tx.Tenant), [16]byte(id))
	tx.Queue("delete from contacts where tenant_id = $1 and id = $2", [16]byte(tx.Tenant), [16]byte(id))
}

// ContactColumns says where the properties of contacts are stored.
var ContactColumns = odata.Columns{
	"id": {SQL: "contacts.id", Type: odata.TypeUUID, NotNull: true},
	"displayName": {SQL: "contacts.display_name", Key: "contacts.display_name_key", NotNull: true,
		Words: &odata.Items{From: "unnest(contacts.display_name_words) as word(v)", Columns: odata.Columns{"": {SQL: "word.v"}}}},
	"mail":           {SQL: "contacts.mail", Key: "contacts.mail_key", NotNull: true},
	"proxyAddresses": {SQL: "contacts.proxy_addresses", Items: folded("contacts.proxy_addresses")},
}

const contactsOfTenant = "contacts.tenant_id = ?"

// ListContacts reads a page of contacts.
func (s *Store) ListContacts(ctx context.Context, t tenant.ID, l Listing) (Page[*contact.Contact], error) {
	found, err := listIDs(ctx, s, t, "contacts", contactsOfTenant, nil, l)
	out := Page[*contact.Contact]{Last: found.Last, Count: found.Count}
	if err != nil {
		return out, err
	}
	return out, s.Read(ctx, t, func(tx *Tx) error {
		out.Items, err = tx.Contacts(found.Items)
		return err
	})
}

// Contacts reads contacts by id, in the order of the ids.
func (tx *Tx) Contacts(list []uuid.UUID) ([]*contact.Contact, error) {
	rows, err := byID(tx, list, func(r *contactRow) uuid.UUID { return r.ID })
	if err != nil {
		return nil, err
	}
	out := make([]*contact.Contact, len(rows))
	for i, r := range rows {
		if out[i], err = contactFromRow(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CountContacts counts the contacts that match.
func (s *Store) CountContacts(ctx context.Context, t tenant.ID, conditions []odata.SQL) (int32, error) {
	return count(ctx, s, t, "contacts", contactsOfTenant, nil, conditions)
}

// Listed is a line of the address list (DIR-121).
type Listed struct {
	ID                                                      uuid.UUID
	Type                                                    object.Type
	DisplayName, Key                                        string
	Mail, JobTitle, Department, CompanyName, OfficeLocation *string
}

// addressList merges three ordered lists: visible users with a mail address,
// all contacts, Microsoft 365 groups that do not hide. $2 and $3 are the
// position before the page, $4 its size, $5 and $6 the prefix searched for and
// the first key after it.
const addressList = `
	select id, type, display_name, key, mail, job_title, department, company_name, office_location from (
		(select id, 1::smallint as type, display_name, display_name_key as key, mail, job_title, department, company_name, office_location from users
			where tenant_id = $1 and deleted_at is null and mail is not null and show_in_address_list is distinct from false
			and (display_name_key, id) > ($2, $3) and display_name_key >= $5 and display_name_key < $6 order by display_name_key, id limit $4)
		union all
		(select id, 5::smallint, display_name, display_name_key, mail, job_title, department, company_name, null from contacts
			where tenant_id = $1 and (display_name_key, id) > ($2, $3) and display_name_key >= $5 and display_name_key < $6 order by display_name_key, id limit $4)
		union all
		(select id, 2::smallint, display_name, display_name_key, mail, null, null, null, null from groups
			where tenant_id = $1 and deleted_at is null and unified and not hide_from_address_lists
			and (display_name_key, id) > ($2, $3) and display_name_key >= $5 and display_name_key < $6 order by display_name_key, id limit $4)
	) listed order by key, id limit $4`

// AddressList reads a page of the address list by displayName, of entries
// whose name begins with prefix, in lower case.
func (s *Store) AddressList(ctx context.Context, t tenant.ID, prefix, afterKey string, after uuid.UUID, limit int) ([]Listed, error) {
	var out []Listed
	batch := &pgx.Batch{}
	batch.Queue(addressList, [16]byte(t), afterKey, [16]byte(after), limit, prefix, prefix+"\U0010FFFF").Query(func(rows pgx.Rows) error {
		var err error
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Listed, error) {
			var e Listed
			return e, row.Scan((*[16]byte)(&e.ID), (*int16)(&e.Type), &e.DisplayName, &e.Key, &e.Mail, &e.JobTitle, &e.Department, &e.CompanyName, &e.OfficeLocation)
		})
		return err
	})
	return out, s.db.ReadBatch(ctx, t, batch)
}

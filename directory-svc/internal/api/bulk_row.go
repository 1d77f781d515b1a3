package api

import (
	"context"
	"encoding/csv"
	"strings"
	"time"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/bulk"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/vault"
	pb "entente.dev/proto/gen/entente/directory/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/sheet"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
)

const retryBulk = 30 * time.Second

// along has fn run in the transaction of the write that the call makes, so
// that a row of a bulk operation is done exactly when its change is.
func along(ctx context.Context, fn func(*store.Tx) error) context.Context {
	return context.WithValue(ctx, alongKey{}, fn)
}

type alongKey struct{}

func alongOf(ctx context.Context) func(*store.Tx) error {
	fn, _ := ctx.Value(alongKey{}).(func(*store.Tx) error)
	return fn
}

// Actor is who began an operation, with the rights of the moment: a user keeps
// the scopes of the token it began with. One who is gone, disabled or without
// the right to the operation is refused.
func (s *Bulk) Actor(ctx context.Context, t tenant.ID, o *store.BulkOperation) (who caller.Caller, refusal, err error) {
	who = caller.Caller{Kind: caller.Application, Tenant: t, ObjectID: o.By, AppID: o.AppID, Permissions: o.Scopes, RequestID: o.Request}
	p, err := s.Store.Principal(ctx, t, o.By)
	if isNotFound(err) {
		return who, property.Denied(), nil
	}
	if err != nil {
		return who, nil, err
	}
	become(&who, p)
	if !p.Enabled {
		return who, property.Denied(), nil
	}
	return who, access.Bulk(who, o.Kind), nil
}

// become gives a caller the facts and rights that a principal has now. A user
// keeps the scopes that are set.
func become(who *caller.Caller, p *store.Principal) {
	who.DisplayName, who.UserPrincipalName, who.Guest = p.DisplayName, p.UserPrincipalName, p.Guest
	if p.Type == object.User {
		who.Kind = caller.User
	} else {
		who.Kind, who.Permissions, who.AppDisplayName = caller.Application, p.Permissions, p.DisplayName
	}
	for _, r := range p.Roles {
		who.Roles = append(who.Roles, caller.Role{Template: r.Template.Name, TemplateID: r.Template.ID, Scope: r.Scope})
	}
}

// Do does one row as the RPC for a single object does it.
func (s *Bulk) Do(ctx context.Context, o *store.BulkOperation, row store.BulkRow, done func(*store.Tx) error) (uuid.UUID, error) {
	if c, missing := missingIn(o.Kind, row); missing {
		return uuid.Nil, property.Required("row", c.Property)
	}
	ctx = along(ctx, done)
	switch o.Kind {
	case bulk.CreateUsers:
		u, err := s.draft(o, row)
		if err != nil {
			return uuid.Nil, err
		}
		made, err := s.Users.CreateUser(ctx, &pb.CreateUserRequest{User: u})
		if err != nil {
			return uuid.Nil, err
		}
		return uuid.Parse(made.Id)
	case bulk.DeleteUsers:
		id, err := s.named(ctx, row.Input[0])
		if err == nil {
			_, err = s.Users.DeleteUser(ctx, &pb.DeleteUserRequest{Id: row.Input[0]})
		}
		return id, err
	case bulk.RestoreUsers:
		id, err := objectID(strings.TrimSpace(row.Input[0]))
		if err == nil {
			_, err = s.Objects.RestoreDeletedItem(ctx, &pb.RestoreDeletedItemRequest{Id: id.String()})
		}
		return id, err
	}
	id, err := s.named(ctx, row.Input[0])
	if err != nil {
		return uuid.Nil, err
	}
	if o.Kind == bulk.ImportMembers {
		_, err = s.Groups.AddMember(ctx, &pb.AddGroupReferenceRequest{Id: o.GroupID.String(), Reference: &odatapb.Reference{OdataId: "directoryObjects/" + id.String()}})
	} else {
		_, err = s.Groups.RemoveMember(ctx, &pb.RemoveGroupReferenceRequest{Id: o.GroupID.String(), ObjectId: id.String()})
	}
	return id, err
}

// missingIn looks for required values; secrets are kept beside the others.
func missingIn(k bulk.Kind, row store.BulkRow) (sheet.Column, bool) {
	values := row.Input
	for i, c := range k.Columns() {
		if c.Secret && len(row.Secret) > 0 {
			values = append([]string{}, values...)
			values[i] = "given"
		}
	}
	return k.Format().Missing(values)
}

// named finds a live object by id, or a user by name.
func (s *Bulk) named(ctx context.Context, key string) (uuid.UUID, error) {
	if property.Padded(key) {
		return uuid.Nil, property.Refused("userPrincipalName", "The name begins or ends with a blank.")
	}
	var l store.Link
	err := s.Store.Read(ctx, caller.From(ctx).Tenant, func(tx *store.Tx) (err error) {
		l, err = s.Objects.liveObject(tx, key)
		return err
	})
	return l.ID, err
}

// draft makes the user of a row; its alias is the first part of its name.
func (s *Bulk) draft(o *store.BulkOperation, row store.BulkRow) (*pb.User, error) {
	secret, err := vault.Open(s.SecretKey, row.Secret, o.ID.String())
	if err != nil {
		return nil, err
	}
	u := &pb.User{PasswordProfile: &pb.PasswordProfile{Password: ptr(string(secret))}}
	text := map[string]**string{"displayName": &u.DisplayName, "userPrincipalName": &u.UserPrincipalName, "givenName": &u.GivenName, "surname": &u.Surname, "jobTitle": &u.JobTitle,
		"department": &u.Department, "usageLocation": &u.UsageLocation, "streetAddress": &u.StreetAddress, "state": &u.State, "country": &u.Country,
		"physicalDeliveryOfficeName": &u.OfficeLocation, "city": &u.City, "postalCode": &u.PostalCode, "mobile": &u.MobilePhone}
	for i, c := range o.Kind.Columns() {
		value := row.Input[i]
		switch {
		case value == "":
		case c.Property == "accountEnabled":
			switch strings.ToLower(value) {
			case "yes":
				u.AccountEnabled = ptr(false)
			case "no":
				u.AccountEnabled = ptr(true)
			default:
				return nil, property.Refused("accountEnabled", "Block sign in must be Yes or No.")
			}
		case c.Property == "telephoneNumber":
			u.BusinessPhones = []string{value}
		case text[c.Property] != nil:
			*text[c.Property] = &value
		}
	}
	local, _, _ := strings.Cut(u.GetUserPrincipalName(), "@")
	u.MailNickname = &local
	return u, nil
}

// exported are the properties of a users' export, in the order of its columns.
var exported = []string{"userPrincipalName", "displayName", "surname", "mail", "givenName", "id", "userType", "jobTitle", "department", "accountEnabled", "usageLocation",
	"streetAddress", "state", "country", "officeLocation", "city", "postalCode", "mobilePhone", "externalUserState", "createdDateTime"}

// export writes the users that the caller may list, as they are now.
func (s *Bulk) export(ctx context.Context, stream grpc.ServerStreamingServer[httpbody.HttpBody]) error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(exported) // writes to memory do not fail
	query := &odatapb.Query{Select: strings.Join(exported, ","), Top: ptr(int32(resultRows))}
	for {
		page, err := s.Users.ListUsers(ctx, &pb.ListUsersRequest{Query: query})
		if err != nil {
			return err
		}
		for _, u := range page.Value {
			record := make([]string, len(exported))
			for i, name := range exported {
				f := userFields.ByJSONName(name)
				if u.ProtoReflect().Has(f) {
					record[i] = sheet.Cell(value(f, u.ProtoReflect().Get(f)))
				}
			}
			_ = w.Write(record)
		}
		w.Flush()
		if err := stream.Send(&httpbody.HttpBody{ContentType: csvType, Data: []byte(b.String())}); err != nil {
			return err
		}
		b.Reset()
		if page.NextPageToken == "" {
			return nil
		}
		query.Skiptoken = page.NextPageToken
	}
}

package api

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"entente.dev/directory-svc/internal/address"
	"entente.dev/directory-svc/internal/identity"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/quota"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Codes of failed items (SYN-212, SYN-213).
const (
	codeStale      = "stale"
	codeConflict   = "EntryConflict"
	codeAmbiguous  = "InvitationCreationFailureAmbiguousUser"
	codeBadValue   = "InvitationCreationFailureInvalidPropertyValue"
	codeDuplicate  = "DuplicateSourceEntries"
	codeAnchor     = "InvalidAnchor"
	codeNoProperty = "SchemaAttributeNotFound"
	codeQuota      = "QuotaExceeded"
)

const (
	mostItems = 500
	// applyAttempts bounds how often a batch runs again when somebody else took
	// a name or address between its look-up and its write.
	applyAttempts = 4
)

// ApplyExternalUsers writes a batch of external users of one home tenant, each
// on its own merits, in one transaction.
func (s *Provisioning) ApplyExternalUsers(ctx context.Context, req *pb.ApplyExternalUsersRequest) (*pb.ApplyExternalUsersResponse, error) {
	t, err := s.named(ctx, req.ResourceTenantId)
	if err != nil {
		return nil, err
	}
	home, err := tenant.Parse(req.HomeTenantId)
	if err != nil || home == t.ID {
		return nil, property.NotFound(clip(req.HomeTenantId))
	}
	if len(req.Items) > mostItems {
		return nil, property.Refused("items", "A batch has at most %d items.", mostItems)
	}
	for attempt := 1; ; attempt++ {
		out := &pb.ApplyExternalUsersResponse{}
		err = s.Store.Write(ctx, t.ID, func(tx *store.Tx) error {
			b := &batch{Core: s.Core, tx: tx, t: t, home: home, req: req}
			out.Results, err = b.run(ctx)
			return err
		})
		if err == nil {
			return out, nil
		}
		if !raced(err) || attempt == applyAttempts {
			return nil, err
		}
	}
}

// batch is one run over the items of a request.
type batch struct {
	*Core
	tx    *store.Tx
	t     *store.Tenant
	home  tenant.ID
	req   *pb.ApplyExternalUsersRequest
	prior *store.Prior
	seen  map[string]bool // home objects of this batch
	// What was decided and is written together.
	created []*user.User
	changes []store.Change
	events  []audit.Event
}

// insert writes the users that were created so far; what follows may look for
// them in the database.
func (b *batch) insert() {
	b.tx.InsertUsers(b.created)
	b.created = nil
}

func (b *batch) run(ctx context.Context) ([]*pb.ApplyExternalUsersResponse_Result, error) {
	source, err := b.Store.Tenant(ctx, b.home)
	if err != nil {
		return nil, err
	}
	w := store.Wanted{Most: source.Limits.Of(quota.ExternalTenants)}
	for _, item := range b.req.Items {
		w.Keys = append(w.Keys, store.Key(b.home, item.HomeObjectId))
		if m := item.ManagerHomeObjectId; m != "" && m != "-" {
			w.Keys = append(w.Keys, store.Key(b.home, m))
		}
		if id, err := uuid.Parse(item.TargetId); err == nil {
			w.IDs = append(w.IDs, id)
		}
		if mail := item.Attributes.GetMail(); mail != "" {
			w.Addresses = append(w.Addresses, address.Fold(mail))
		}
		if item.HomeUserPrincipalName != "" {
			w.Names = append(w.Names, address.Fold(user.ExternalName(item.HomeUserPrincipalName, b.t.InitialDomain)))
		}
	}
	if b.prior, err = b.tx.Prior(store.Fence{Job: b.req.JobId, Home: b.home, Token: b.req.FencingToken, Policy: b.req.PolicyVersion}, w); err != nil {
		return nil, err
	}
	b.seen = make(map[string]bool, len(b.req.Items))
	out := make([]*pb.ApplyExternalUsersResponse_Result, len(b.req.Items))
	// Managers that this very batch creates are found whatever the order.
	var later []int
	for i, item := range b.req.Items {
		if item.Operation == pb.ApplyExternalUsersRequest_Item_create {
			if out[i], err = b.apply(ctx, item); err != nil {
				return nil, err
			}
			if out[i].ManagerPending {
				later = append(later, i)
			}
		}
	}
	b.insert()
	for _, i := range later {
		b.setManager(b.req.Items[i], out[i])
	}
	for i, item := range b.req.Items {
		if out[i] == nil {
			if out[i], err = b.apply(ctx, item); err != nil {
				return nil, err
			}
		}
	}
	if len(b.changes) > 0 {
		b.tx.Change(b.changes...)
	}
	return out, audit.WriteAll(ctx, b.tx.Tx, b.Clock, b.events)
}

// refusal is why one item fails; the batch goes on.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

func (b *batch) apply(ctx context.Context, item *pb.ApplyExternalUsersRequest_Item) (*pb.ApplyExternalUsersResponse_Result, error) {
	result, err := b.item(ctx, item)
	if err == nil {
		return result, nil
	}
	if r := (*refusal)(nil); errors.As(err, &r) {
		return &pb.ApplyExternalUsersResponse_Result{Outcome: "failed", TargetId: item.TargetId, ErrorCode: r.code, ErrorMessage: r.message}, nil
	}
	f := fault.From(err)
	switch f.Kind {
	case fault.KindExhausted:
		return &pb.ApplyExternalUsersResponse_Result{Outcome: "failed", TargetId: item.TargetId, ErrorCode: codeQuota, ErrorMessage: f.Message}, nil
	case fault.KindInvalid, fault.KindPrecondition, fault.KindExists:
		code := codeBadValue
		if f.Reason == errorspb.Reason_OBJECT_CONFLICT || f.Reason == errorspb.Reason_IDENTITY_BOUND {
			code = codeConflict
		}
		return &pb.ApplyExternalUsersResponse_Result{Outcome: "failed", TargetId: item.TargetId, ErrorCode: code, ErrorMessage: f.Message}, nil
	}
	return nil, err
}

func (b *batch) item(ctx context.Context, item *pb.ApplyExternalUsersRequest_Item) (*pb.ApplyExternalUsersResponse_Result, error) {
	if b.seen[item.HomeObjectId] {
		return nil, &refusal{codeDuplicate, "The object is in the batch twice."}
	}
	b.seen[item.HomeObjectId] = true
	key := store.Key(b.home, item.HomeObjectId)
	if item.Operation == pb.ApplyExternalUsersRequest_Item_create {
		switch held := b.prior.ByHome[key]; {
		case held == nil:
			return b.create(ctx, item)
		case held.Deleted != nil:
			return nil, &refusal{codeConflict, "The user of this account is soft-deleted."}
		default:
			return b.change(ctx, held, item, "updated")
		}
	}
	id, err := uuid.Parse(item.TargetId)
	if err != nil {
		return nil, &refusal{codeAnchor, "The target user is not named."}
	}
	held := b.prior.ByID[id]
	adopts := item.Operation == pb.ApplyExternalUsersRequest_Item_adopt
	if held == nil || !adopts && held.HomeKey.String() != key {
		return nil, &refusal{codeAnchor, "The target user does not exist or belongs to another account."}
	}
	if item.ExpectedVersion != 0 && item.ExpectedVersion != held.Version {
		return nil, &refusal{codeStale, "The target user changed since it was read."}
	}
	return b.existing(ctx, held, item)
}

// existing works on a target user that is there.
func (b *batch) existing(ctx context.Context, held *user.User, item *pb.ApplyExternalUsersRequest_Item) (*pb.ApplyExternalUsersResponse_Result, error) {
	live := held.Deleted == nil
	switch item.Operation {
	case pb.ApplyExternalUsersRequest_Item_update:
		if !live {
			return nil, &refusal{codeAnchor, "The target user is soft-deleted."}
		}
		return b.change(ctx, held, item, "updated")
	case pb.ApplyExternalUsersRequest_Item_softDelete:
		if !live {
			return resultOf("unchanged", held, held.Version), nil
		}
		u := user.Delete(*held, b.now())
		u.SyncDeleted, u.SyncJob = true, &b.req.JobId
		return b.save(ctx, held, &u, "deleted", store.Deleted, "Delete user")
	case pb.ApplyExternalUsersRequest_Item_restore:
		if live {
			return b.change(ctx, held, item, "updated")
		}
		if !held.SyncDeleted || held.SyncJob == nil || *held.SyncJob != b.req.JobId {
			return nil, &refusal{codeConflict, "The target user was deleted by somebody else."}
		}
		if now := b.now(); now.Sub(*held.Deleted) >= user.Retention {
			return nil, &refusal{codeAnchor, "The target user is no longer restorable."}
		}
		return b.change(ctx, held, item, "restored")
	case pb.ApplyExternalUsersRequest_Item_adopt:
		if !live || held.ExternalState != user.PendingAcceptance && held.HomeKey.String() != store.Key(b.home, item.HomeObjectId) {
			return nil, &refusal{codeConflict, "The target user is not pending."}
		}
		return b.change(ctx, held, item, "adopted")
	}
	return nil, property.Refused("operation", "The operation is not known.")
}

func resultOf(outcome string, u *user.User, version int64) *pb.ApplyExternalUsersResponse_Result {
	return &pb.ApplyExternalUsersResponse_Result{Outcome: outcome, TargetId: u.ID.String(), Version: version}
}

// forbidden are paths that no source may write: they are decided here.
var forbidden = []string{"id", "user_principal_name", "identities", "password_profile", "password_policies", "on_premises_immutable_id",
	"creation_type", "external_user_state", "extensions"}

// draft applies the mapped attributes of an item to u.
func (b *batch) draft(u *user.User, item *pb.ApplyExternalUsersRequest_Item) error {
	for _, path := range item.Mask {
		top, _, _ := strings.Cut(path, ".")
		if slices.Contains(forbidden, top) {
			return &refusal{codeNoProperty, "The attribute '" + clip(path) + "' cannot be written by synchronization."}
		}
	}
	in := item.Attributes
	if in == nil {
		in = &pb.User{}
	}
	return applyUser(u, in, item.Mask, b.t.InitialDomain)
}

func (b *batch) create(ctx context.Context, item *pb.ApplyExternalUsersRequest_Item) (*pb.ApplyExternalUsersResponse_Result, error) {
	draft := user.User{AccountEnabled: true}
	if err := b.draft(&draft, item); err != nil {
		return nil, err
	}
	if err := b.tx.Room(len(b.created) + 1); err != nil {
		return nil, err
	}
	if err := b.room(item); err != nil {
		return nil, err
	}
	from := item.HomeUserPrincipalName
	if from == "" || draft.Mail == nil {
		return nil, &refusal{codeBadValue, "The home name and the mail address are required."}
	}
	holder, err := b.holder(*draft.Mail, uuid.Nil, draft.Type)
	if err != nil {
		return nil, err
	}
	draft.HomeKey = identity.HomeKey{Tenant: b.home, Object: item.HomeObjectId}
	draft.UserPrincipalName = b.freeName(from, uuid.Nil)
	draft.SyncJob = &b.req.JobId
	enabled := draft.AccountEnabled
	u, err := user.NewExternal(draft, from, newID(), holder, &b.t.Tenant, b.now())
	if err != nil {
		return nil, err
	}
	u.AccountEnabled = enabled
	pending := b.manager(&u, item)
	b.remember(&u)
	b.created = append(b.created, &u)
	b.changes = append(b.changes, store.Change{Type: object.User, ID: u.ID, Kind: store.Created})
	b.record("Add user", "Add", nil, &u, nil)
	u.Version = 1
	result := resultOf("created", &u, 1)
	result.ManagerPending, result.Written = pending, propertyNames(userFields, item.Mask)
	return result, nil
}

// room decides whether the account of an item may be an external user here,
// too (DIR-235).
func (b *batch) room(item *pb.ApplyExternalUsersRequest_Item) error {
	if b.prior.Full[store.Key(b.home, item.HomeObjectId)] {
		return &refusal{codeQuota, "The account is an external user in as many tenants as it can be."}
	}
	return nil
}

// holder decides what an address that others have means for an external user
// (DIR-116, SYN-175 to SYN-177).
func (b *batch) holder(mail string, except uuid.UUID, t user.Type) (user.Holder, error) {
	h, ok := b.prior.Addresses[address.Fold(mail)]
	switch {
	case !ok || h.ID == except:
		return user.Nobody, nil
	case h.Type == object.Contact && t != user.Member:
		return user.Contact, nil
	case h.Type == object.User && !h.External:
		return 0, &refusal{codeAmbiguous, "An internal user of the target holds the address."}
	case h.Type == object.Group:
		return 0, &refusal{codeBadValue, "A group of the target holds the address."}
	}
	return 0, &refusal{codeConflict, "Another object of the target holds the address."}
}

// freeName makes the name of a target user that nobody else has (DIR-59).
func (b *batch) freeName(from string, own uuid.UUID) string {
	name := user.ExternalName(from, b.t.InitialDomain)
	if id, taken := b.prior.Names[address.Fold(name)]; taken && id != own {
		var random [4]byte
		_, _ = rand.Read(random[:])
		name = user.ExternalNameOnClash(from, b.t.InitialDomain, random)
	}
	return name
}

// remember makes a new user known to the items that follow.
func (b *batch) remember(u *user.User) {
	b.prior.ByID[u.ID], b.prior.ByHome[u.HomeKey.String()] = u, u
	b.prior.Names[address.Fold(u.UserPrincipalName)] = u.ID
	for _, p := range u.Proxies {
		b.prior.Addresses[p.Key()] = store.Holder{ID: u.ID, Type: object.User, External: true}
	}
}

// manager sets the manager that an item names; pending tells that the target
// does not have that user yet.
func (b *batch) manager(u *user.User, item *pb.ApplyExternalUsersRequest_Item) (pending bool) {
	switch m := item.ManagerHomeObjectId; m {
	case "":
	case "-":
		u.ManagerID = nil
	default:
		held := b.prior.ByHome[store.Key(b.home, m)]
		if held == nil || held.Deleted != nil || held.ID == u.ID {
			return true
		}
		u.ManagerID = &held.ID
	}
	return false
}

// setManager gives a user of this batch the manager that came after it.
func (b *batch) setManager(item *pb.ApplyExternalUsersRequest_Item, result *pb.ApplyExternalUsersResponse_Result) {
	held := b.prior.ByHome[store.Key(b.home, item.HomeObjectId)]
	u := *held
	if b.manager(&u, item) {
		return
	}
	d := store.Differ(held, &u)
	b.tx.SaveUser(held, &u, d)
	b.changes = append(b.changes, store.Change{Type: object.User, ID: u.ID, Kind: store.Linked, Properties: d.Properties, Related: u.ManagerID})
	result.ManagerPending, result.Version = false, held.Version+1
	held.ManagerID, held.Version = u.ManagerID, held.Version+1
	b.record("Set user manager", "Update", nil, &u, nil)
}

// change writes the attributes of an item to a target user; outcome is what it
// is called when something is written.
func (b *batch) change(ctx context.Context, held *user.User, item *pb.ApplyExternalUsersRequest_Item, outcome string) (*pb.ApplyExternalUsersResponse_Result, error) {
	u := *held
	kind, activity := store.Updated, "Update user"
	switch outcome {
	case "restored":
		restored, err := user.Restore(u, "", &b.t.Tenant, b.now())
		if err != nil {
			return nil, &refusal{codeAnchor, "The target user is no longer restorable."}
		}
		u, kind, activity = restored, store.Restored, "Restore user"
		if err := b.free(&u); err != nil {
			return nil, err
		}
	case "adopted":
		if u.HomeKey.IsZero() {
			if err := b.room(item); err != nil {
				return nil, err
			}
		}
		bound, _, err := user.Bind(u, identity.HomeKey{Tenant: b.home, Object: item.HomeObjectId}, b.now())
		if err != nil {
			return nil, err
		}
		u, activity = bound, "Redeem external user invite"
	}
	if err := b.draft(&u, item); err != nil {
		return nil, err
	}
	if from := item.HomeUserPrincipalName; from != "" && !sameName(held.UserPrincipalName, user.ExternalName(from, b.t.InitialDomain)) {
		u.UserPrincipalName = b.freeName(from, held.ID)
	}
	if u.Mail != nil && (held.Mail == nil || *u.Mail != *held.Mail) {
		if _, err := b.holder(*u.Mail, held.ID, u.Type); err != nil {
			return nil, err
		}
	}
	u.SyncJob = &b.req.JobId
	pending := b.manager(&u, item)
	next, err := user.Update(*held, u, false, &b.t.Tenant, b.now())
	if err != nil {
		return nil, err
	}
	result, err := b.save(ctx, held, &next, outcome, kind, activity)
	if err == nil {
		result.ManagerPending = pending
	}
	return result, err
}

// free refuses to restore a user whose name or addresses others took.
func (b *batch) free(u *user.User) error {
	_, err := b.tx.User(store.ParseUserKey(u.UserPrincipalName))
	if err == nil {
		return &refusal{codeConflict, "Another user has the name of the user to restore."}
	}
	if !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return err
	}
	taken, err := b.tx.TakenAddresses(u.Proxies, u.ID)
	if err == nil && len(taken) > 0 {
		return &refusal{codeConflict, "Another object has an address of the user to restore."}
	}
	return err
}

// sameName reports whether a name is the made one, or the made one with the
// digits that told it apart from another.
func sameName(name, made string) bool {
	if strings.EqualFold(name, made) {
		return true
	}
	local, _, _ := strings.Cut(made, user.ExternalMark)
	rest, ok := strings.CutPrefix(address.Fold(name), address.Fold(local)+"_")
	return ok && strings.Index(rest, strings.ToLower(user.ExternalMark)) == 8
}

// save writes what distinguishes two states of a target user.
func (b *batch) save(ctx context.Context, held, u *user.User, outcome string, kind store.ChangeKind, activity string) (*pb.ApplyExternalUsersResponse_Result, error) {
	d := store.Differ(held, u)
	if d.Empty() {
		return resultOf("unchanged", held, held.Version), nil
	}
	b.insert()
	b.tx.SaveUser(held, u, d)
	if len(d.Properties) > 0 || kind != store.Updated {
		b.changes = append(b.changes, store.Change{Type: object.User, ID: u.ID, Kind: kind, Properties: d.Properties})
		b.record(activity, "Update", held, u, d.Properties)
		u.Version = held.Version + 1
	} else {
		outcome = "unchanged" // only the job that manages the user was noted
	}
	b.remember(u)
	result := resultOf(outcome, u, u.Version)
	result.Written = d.Properties
	return result, nil
}

// record notes what the audit log will tell.
func (b *batch) record(activity, operation string, old, u *user.User, properties []string) {
	ev := record(activity, userManagement, operation, userTarget(u))
	ev.Service, ev.Correlation = audit.AccountProvisioning, b.req.CorrelationId
	if old != nil {
		ev.Targets[0].Modified = modified(userToProto(old, b.t.InitialDomain), userToProto(u, b.t.InitialDomain), properties)
	}
	b.events = append(b.events, ev)
}

package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	auditpb "entente.dev/proto/gen/entente/audit/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/clock"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"entente.dev/servicekit/pg"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const route = "audit_events"

var descriptor = (&auditpb.DirectoryAudit{}).ProtoReflect().Descriptor()

// columns carries the whole of POL-125. Conditions walk the index by time, so
// none has an index of its own. `id` compares in order too: the gateway, which
// merges several services, pages by `activityDateTime lt T or
// (activityDateTime eq T and id lt 'i')`, T with all six digits of its fraction.
var columns = odata.Columns{
	"id":                                 {SQL: "audit_events.id", Type: odata.TypeUUID, NotNull: true, Support: supports("eq", "in", "range")},
	"activityDateTime":                   {SQL: "audit_events.at", NotNull: true},
	"activityDisplayName":                folded("audit_events.activity"),
	"category":                           folded("audit_events.category"),
	"correlationId":                      folded("audit_events.correlation"),
	"loggedByService":                    folded("audit_events.service"),
	"operationType":                      folded("audit_events.operation"),
	"result":                             {SQL: "audit_events.result", NotNull: true},
	"initiatedBy/user/id":                initiatorColumn("user", "id", supports("eq")),
	"initiatedBy/user/userPrincipalName": initiatorColumn("user", "userPrincipalName", supports("eq", "startswith")),
	"initiatedBy/app/appId":              initiatorColumn("app", "appId", supports("eq")),
	"initiatedBy/app/displayName":        initiatorColumn("app", "displayName", supports("eq", "startswith")),
	"targetResources": {SQL: "audit_events.targets", Items: &odata.Items{
		From: "unnest(audit_events.target_ids, audit_events.target_names) as item(id, name)",
		Columns: odata.Columns{
			"id":          {SQL: "item.id", Key: "item.id", Support: supports("eq")},
			"displayName": {SQL: "item.name", Key: "item.name", Support: supports("eq", "startswith")},
		},
	}},
}

func folded(column string) odata.Column {
	return odata.Column{SQL: column, Key: "lower(" + column + ")", NotNull: true}
}

func initiatorColumn(kind, member string, support *optionspb.Property) odata.Column {
	sql := "(audit_events.initiator -> '" + kind + "' ->> '" + member + "')"
	return odata.Column{SQL: sql, Key: "lower(" + sql + ")", Type: odata.TypeText, Support: support}
}

func supports(operators ...string) *optionspb.Property {
	p := &optionspb.Property{}
	for _, op := range operators {
		switch op {
		case "eq":
			p.Eq = optionspb.Property_supportDefault
		case "in":
			p.In = optionspb.Property_supportDefault
		case "range":
			p.Range = optionspb.Property_supportDefault
		case "startswith":
			p.StartsWith = optionspb.Property_supportDefault
		}
	}
	return p
}

// NewServer answers AuditService over the rows of this service.
func NewServer(db *pg.DB, tokens *odata.Tokens, _ clock.Clock) auditpb.AuditServiceServer {
	return &server{db: db, tokens: tokens}
}

type server struct {
	auditpb.UnimplementedAuditServiceServer
	db     *pg.DB
	tokens *odata.Tokens
}

// ListAuditEvents pages by (activityDateTime, id), newest first by default,
// and stays stable while records arrive.
func (s *server) ListAuditEvents(ctx context.Context, req *auditpb.ListAuditEventsRequest) (*auditpb.ListAuditEventsResponse, error) {
	c, q := caller.From(ctx), req.Query
	page, err := s.tokens.Page(c, route, q)
	if err != nil {
		return nil, err
	}
	filter, order, err := compile(q, page.Advanced)
	if err != nil {
		return nil, err
	}
	resp := &auditpb.ListAuditEventsResponse{}
	var last odata.Position
	more := false
	err = s.db.Read(ctx, c.Tenant, func(tx *pg.Tx) error {
		resp.Value, more = nil, false
		where := filter
		if page.After != nil {
			where = odata.All(filter, order.After(*page.After))
		}
		rows, err := tx.Pgx().Query(ctx, query(where, order.Key(), order.By(), page.Size+1), where.Args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if len(resp.Value) == page.Size {
				more = true
				break
			}
			event, key, err := scan(rows)
			if err != nil {
				return err
			}
			last = odata.Position{Value: key, ID: event.Id}
			resp.Value = append(resp.Value, event)
		}
		rows.Close()
		if err := rows.Err(); err != nil || !page.Count {
			return err
		}
		var n int32
		text := "select count(*) from audit_events" + condition(filter)
		if err := tx.Pgx().QueryRow(ctx, text, filter.Args...).Scan(&n); err != nil {
			return err
		}
		resp.OdataCount = &n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list audit records: %w", err)
	}
	if more {
		resp.NextPageToken = s.tokens.Next(c, route, q, page, last)
	}
	return resp, nil
}

func compile(q *odatapb.Query, advanced bool) (odata.SQL, odata.Order, error) {
	order := odata.DefaultOrder("audit_events.at", "audit_events.id", true)
	if q.GetSearch() != "" || q.GetExpand() != "" {
		return odata.SQL{}, order, fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "Audit records support $filter, $orderby, $select, $top and $skiptoken.")
	}
	expr, err := odata.ParseFilter(q.GetFilter())
	if err != nil {
		return odata.SQL{}, order, err
	}
	filter, err := odata.Compile(descriptor, columns, expr, advanced)
	if err != nil {
		return odata.SQL{}, order, err
	}
	keys, err := odata.ParseOrderBy(q.GetOrderby())
	if err != nil {
		return odata.SQL{}, order, err
	}
	if len(keys) > 0 {
		// Here a filter and an order go together without further parameters.
		order, err = odata.CompileOrderBy(descriptor, columns, keys, false, advanced)
	}
	return filter, order, err
}

// GetAuditEvent answers one record of the caller's tenant.
func (s *server) GetAuditEvent(ctx context.Context, req *auditpb.GetAuditEventRequest) (*auditpb.DirectoryAudit, error) {
	missing := fault.NotFound(errorspb.Reason_NOT_FOUND,
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", req.Id).WithMeta("key", req.Id)
	id, err := uuid.Parse(req.Id)
	if err != nil {
		return nil, missing
	}
	var event *auditpb.DirectoryAudit
	err = s.db.Read(ctx, caller.From(ctx).Tenant, func(tx *pg.Tx) error {
		where := odata.SQL{Text: "audit_events.id = ?", Args: []any{id}}
		rows, err := tx.Pgx().Query(ctx, query(where, "null::text", "audit_events.id", 1), where.Args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		if rows.Next() {
			event, _, err = scan(rows)
			return err
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("get audit record: %w", err)
	}
	if event == nil {
		return nil, missing
	}
	return event, nil
}

const selected = `select audit_events.id::text, at, activity, category, service, operation, result, reason, correlation, initiator, targets, details, `

func query(where odata.SQL, key, by string, limit int) string {
	return fmt.Sprintf("%s%s from audit_events%s order by %s limit %d", selected, key, condition(where), by, limit)
}

func condition(where odata.SQL) string {
	if where.IsZero() {
		return ""
	}
	return " where " + where.Numbered(1)
}

func scan(rows pgx.Rows) (*auditpb.DirectoryAudit, *string, error) {
	var (
		e                          auditpb.DirectoryAudit
		at                         time.Time
		activity, category         string
		service, operation, corr   string
		result                     int32
		key                        *string
		who                        initiator
		initiatorDoc, targets, det []byte
	)
	err := rows.Scan(&e.Id, &at, &activity, &category, &service, &operation, &result, &e.ResultReason, &corr, &initiatorDoc, &targets, &det, &key)
	if err != nil {
		return nil, nil, err
	}
	e.ActivityDateTime = timestamppb.New(at)
	e.ActivityDisplayName, e.Category, e.LoggedByService, e.CorrelationId = &activity, &category, &service, &corr
	if operation != "" {
		e.OperationType = &operation
	}
	e.Result = auditpb.OperationResult_Value(result).Enum()
	if err := json.Unmarshal(initiatorDoc, &who); err != nil {
		return nil, nil, err
	}
	if e.InitiatedBy, err = initiatorToProto(who); err != nil {
		return nil, nil, err
	}
	if e.TargetResources, err = targetsToProto(targets); err != nil {
		return nil, nil, err
	}
	var details []KeyValue
	if err := json.Unmarshal(det, &details); err != nil {
		return nil, nil, err
	}
	for _, d := range details {
		e.AdditionalDetails = append(e.AdditionalDetails, &auditpb.KeyValue{Key: &d.Key, Value: &d.Value})
	}
	return &e, key, nil
}

func initiatorToProto(in initiator) (*auditpb.AuditActivityInitiator, error) {
	if in.App != nil {
		return &auditpb.AuditActivityInitiator{App: &auditpb.AppIdentity{AppId: text(in.App.AppID), DisplayName: text(in.App.DisplayName),
			ServicePrincipalId: text(in.App.ServicePrincipalID)}}, nil
	}
	u := in.User
	if u == nil {
		return &auditpb.AuditActivityInitiator{}, nil
	}
	s, err := structpb.NewStruct(map[string]any{"id": u.ID, "displayName": orNull(u.DisplayName), "userPrincipalName": orNull(u.UserPrincipalName),
		"ipAddress": orNull(u.IPAddress), "userType": orNull(u.UserType), "homeTenantId": nil, "homeTenantName": nil})
	return &auditpb.AuditActivityInitiator{User: s}, err
}

func targetsToProto(doc []byte) ([]*auditpb.TargetResource, error) {
	var targets []Target
	if err := json.Unmarshal(doc, &targets); err != nil {
		return nil, err
	}
	out := make([]*auditpb.TargetResource, 0, len(targets))
	for _, t := range targets {
		p := &auditpb.TargetResource{Id: t.ID, DisplayName: text(t.DisplayName), Type: text(t.Type), UserPrincipalName: text(t.UserPrincipalName)}
		if n := auditpb.GroupType_Value_value[t.GroupType]; n != 0 {
			p.GroupType = auditpb.GroupType_Value(n).Enum()
		}
		for _, m := range t.Modified {
			p.ModifiedProperties = append(p.ModifiedProperties, &auditpb.ModifiedProperty{DisplayName: &m.Name, OldValue: m.Old, NewValue: m.New})
		}
		out = append(out, p)
	}
	return out, nil
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return proto.String(strings.ToValidUTF8(s, "\uFFFD"))
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

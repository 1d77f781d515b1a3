package api

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
	optionspb "entente.dev/proto/gen/entente/options/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/store"
)

const (
	logRoute = "provisioning"
	maxLog   = 999
)

var logDescriptor = (&syncpb.ProvisioningObjectSummary{}).ProtoReflect().Descriptor()

func supportAll() *optionspb.Property {
	yes := optionspb.Property_supportDefault
	return &optionspb.Property{Eq: yes, Ne: yes, Range: yes, In: yes, StartsWith: yes, Contains: yes}
}

func logText(column string) odata.Column {
	return odata.Column{SQL: "provisioning_log." + column, Key: "lower(provisioning_log." + column + ")", NotNull: true, Support: supportAll(), Type: odata.TypeText}
}

func logID(column string) odata.Column {
	return odata.Column{SQL: "provisioning_log." + column + "::text", Key: "provisioning_log." + column + "::text", NotNull: true, Support: supportAll(), Type: odata.TypeText}
}

func logEnum(column string, values map[string]int32) odata.Column {
	return odata.Column{SQL: "provisioning_log." + column, NotNull: true, Support: supportAll(), Type: odata.TypeEnum, Values: values}
}

// logColumns are what $filter and $orderby may name (SYN-231). Conditions walk
// the index by time.
var logColumns = odata.Columns{
	"id":                            {SQL: "provisioning_log.id", Type: odata.TypeUUID, NotNull: true, Support: supportAll()},
	"activityDateTime":              {SQL: "provisioning_log.at", NotNull: true},
	"changeId":                      logID("change_id"),
	"cycleId":                       logID("cycle_id"),
	"jobId":                         logText("job_id"),
	"tenantId":                      logID("tenant_id"),
	"provisioningAction":            logEnum("action", syncpb.ProvisioningAction_Value_value),
	"provisioningStatusInfo/status": logEnum("status", syncpb.ProvisioningResult_Value_value),
	"servicePrincipal/id":           logText("service_principal_id"),
	"servicePrincipal/displayName":  logText("service_principal"),
	"sourceIdentity/id":             logText("source_id"),
	"sourceIdentity/displayName":    logText("source_name"),
	"targetIdentity/id":             logText("target_id"),
	"targetIdentity/displayName":    logText("target_name"),
	"initiatedBy/id":                logText("initiator_id"),
	"initiatedBy/displayName":       logText("initiator"),
	"sourceSystem/displayName":      {SQL: "'" + mapping.SourceDirectory + "'", Key: "'" + strings.ToLower(mapping.SourceDirectory) + "'", NotNull: true, Support: supportAll(), Type: odata.TypeText},
	"targetSystem/displayName":      {SQL: "'" + mapping.TargetDirectory + "'", Key: "'" + strings.ToLower(mapping.TargetDirectory) + "'", NotNull: true, Support: supportAll(), Type: odata.TypeText},
}

// lowered is a call of tolower, which changes nothing where text compares
// without regard to case.
var lowered = regexp.MustCompile(`(?i)\btolower\(\s*([a-z/]+)\s*\)`)

// ListProvisioningEvents lists the provisioning log, newest first (SYN-230).
func (s *Synchronization) ListProvisioningEvents(ctx context.Context, req *syncpb.ListProvisioningEventsRequest) (*syncpb.ListProvisioningEventsResponse, error) {
	c, q := caller.From(ctx), req.GetQuery()
	if q.GetTop() == maxLog+1 {
		q = proto.CloneOf(q)
		q.Top = proto.Int32(maxLog)
	}
	page, err := s.tokens.Page(c, logRoute, q)
	if err != nil {
		return nil, err
	}
	filter, order, err := compileLog(q)
	if err != nil {
		return nil, err
	}
	where := filter
	if page.After != nil {
		where = odata.All(filter, order.After(*page.After))
	}
	query := store.LogQuery{Where: "true", Args: where.Args, Order: order.By(), Limit: page.Size + 1}
	if !where.IsZero() {
		query.Where = where.Numbered(1)
	}
	var records []store.Record
	err = s.store.Read(ctx, c.Tenant, func(tx *store.Tx) error {
		records, err = tx.Log(query)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list provisioning log: %w", err)
	}
	response := &syncpb.ListProvisioningEventsResponse{}
	if len(records) > page.Size {
		records = records[:page.Size]
		last := records[page.Size-1]
		at := last.At.Format("2006-01-02 15:04:05.999999Z07:00")
		response.NextPageToken = s.tokens.Next(c, logRoute, q, page, odata.Position{Value: &at, ID: last.ID.String()})
	}
	for _, r := range records {
		p, err := recordToProto(c.Tenant.String(), r)
		if err != nil {
			return nil, err
		}
		response.Value = append(response.Value, p)
	}
	return response, nil
}

func compileLog(q *odatapb.Query) (odata.SQL, odata.Order, error) {
	order := odata.DefaultOrder("provisioning_log.at", "provisioning_log.id", true)
	if q.GetSearch() != "" || q.GetExpand() != "" {
		return odata.SQL{}, order, fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "The provisioning log supports $filter, $orderby, $select, $top and $skiptoken.")
	}
	expr, err := odata.ParseFilter(lowered.ReplaceAllString(q.GetFilter(), "$1"))
	if err != nil {
		return odata.SQL{}, order, err
	}
	filter, err := odata.Compile(logDescriptor, logColumns, expr, false)
	if err != nil {
		return odata.SQL{}, order, err
	}
	keys, err := odata.ParseOrderBy(q.GetOrderby())
	if err != nil {
		return odata.SQL{}, order, err
	}
	if len(keys) > 0 {
		if len(keys) > 1 || !strings.EqualFold(keys[0].Path.String(), "activityDateTime") {
			return odata.SQL{}, order, fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "The provisioning log is ordered by activityDateTime.")
		}
		order = odata.DefaultOrder("provisioning_log.at", "provisioning_log.id", keys[0].Desc)
	}
	return filter, order, nil
}

// recordToProto gives a record its form on the wire.
func recordToProto(tenantID string, r store.Record) (*syncpb.ProvisioningObjectSummary, error) {
	action, status := syncpb.ProvisioningAction_Value(r.Action), syncpb.ProvisioningResult_Value(r.Status)
	p := &syncpb.ProvisioningObjectSummary{Id: r.ID.String(), ChangeId: proto.String(r.ChangeID.String()), CycleId: proto.String(r.CycleID.String()),
		JobId: proto.String(r.JobID), ActivityDateTime: timestamppb.New(r.At), DurationInMilliseconds: proto.Int32(int32(r.Duration.Milliseconds())),
		TenantId: proto.String(tenantID), ProvisioningAction: &action, ProvisioningStatusInfo: &syncpb.ProvisioningStatusInfo{Status: &status}}
	if r.ErrorCode != "" {
		info := &syncpb.ProvisioningErrorInfo{ErrorCode: proto.String(r.ErrorCode), Reason: proto.String(r.Reason)}
		if r.Details != "" {
			info.AdditionalDetails = proto.String(r.Details)
		}
		if r.Recommended != "" {
			info.RecommendedAction = proto.String(r.Recommended)
		}
		category := syncpb.ProvisioningStatusErrorCategory_nonServiceFailure
		if r.Category != 0 {
			category = syncpb.ProvisioningStatusErrorCategory_Value(r.Category)
		}
		info.ErrorCategory = &category
		p.ProvisioningStatusInfo.ErrorInformation = info
	}
	for _, m := range r.Modified {
		p.ModifiedProperties = append(p.ModifiedProperties, &syncpb.ModifiedProperty{DisplayName: proto.String(m.Name), OldValue: m.Old, NewValue: m.New})
	}
	objects := map[**structpb.Struct]map[string]any{
		&p.InitiatedBy:      {"id": r.Initiator.ID, "displayName": r.Initiator.Name, "initiatorType": r.Kind},
		&p.ServicePrincipal: {"id": r.App.ID, "displayName": r.App.Name},
		&p.SourceSystem:     {"id": tenantID, "displayName": mapping.SourceDirectory, "details": map[string]any{}},
		&p.TargetSystem:     {"id": "", "displayName": mapping.TargetDirectory, "details": map[string]any{"ServicePrincipalId": r.App.ID, "ServicePrincipalDisplayName": r.App.Name}},
		&p.SourceIdentity: {"id": r.Source.ID, "displayName": r.Source.Name, "identityType": r.Type, "details": map[string]any{
			"id": r.Source.ID, "odatatype": r.Type, "DisplayName": r.Source.Name, "UserPrincipalName": r.Source.UPN}},
		&p.TargetIdentity: {"id": r.Target.ID, "displayName": r.Target.Name, "identityType": r.Type, "details": map[string]any{}},
	}
	for at, members := range objects {
		value, err := structpb.NewStruct(members)
		if err != nil {
			return nil, fmt.Errorf("encode record: %w", err)
		}
		*at = value
	}
	return p, stepsToProto(p, r)
}

// stepsToProto derives the steps from what a record holds; details that cannot
// be derived are stored with it.
func stepsToProto(p *syncpb.ProvisioningObjectSummary, r store.Record) error {
	add := func(name string, kind syncpb.ProvisioningStepType_Value, status syncpb.ProvisioningResult_Value, text string, details map[string]any) error {
		d, err := structpb.NewStruct(details)
		if err != nil {
			return fmt.Errorf("encode step: %w", err)
		}
		p.ProvisioningSteps = append(p.ProvisioningSteps, &syncpb.ProvisioningStep{Name: proto.String(name), ProvisioningStepType: &kind, Status: &status, Description: proto.String(text), Details: d})
		return nil
	}
	ok, skipped := syncpb.ProvisioningResult_success, syncpb.ProvisioningResult_skipped
	status := p.GetProvisioningStatusInfo().GetStatus()
	verb := map[syncpb.ProvisioningAction_Value]string{syncpb.ProvisioningAction_create: "Add", syncpb.ProvisioningAction_delete: "Delete"}[p.GetProvisioningAction()]
	if verb == "" {
		verb = "Update"
	}
	who := fmt.Sprintf("user '%s'", r.Source.UPN)
	if err := add("EntryImport", syncpb.ProvisioningStepType_import, ok, "Received "+who+" from "+mapping.SourceDirectory, map[string]any{}); err != nil {
		return err
	}
	if text, reference := r.Steps["referenceResolution"]; reference {
		return add("EntryReferenceResolution", syncpb.ProvisioningStepType_referenceResolution, status, "Resolved the reference "+text, map[string]any{})
	}
	scoping := map[string]any{}
	for _, row := range strings.Split(r.Steps["scoping"], "; ") {
		if name, value, found := strings.Cut(row, ": "); found {
			scoping[name] = value
		}
	}
	if err := add("EntrySynchronizationScoping", syncpb.ProvisioningStepType_scoping, ok, "Determined if "+who+" is in scope", scoping); err != nil {
		return err
	}
	if status == skipped {
		return add("EntrySynchronizationSkip", syncpb.ProvisioningStepType_processing, skipped, r.Reason, map[string]any{"SkipReason": r.ErrorCode})
	}
	if err := add("EntrySynchronization"+verb, syncpb.ProvisioningStepType_processing, ok, "Processed "+who, map[string]any{}); err != nil {
		return err
	}
	text := "Written to " + mapping.TargetDirectory
	if r.Reason != "" {
		text = r.Reason
	}
	return add("EntryExport"+verb, syncpb.ProvisioningStepType_export, status, text, map[string]any{})
}

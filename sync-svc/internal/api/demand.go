package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"entente.dev/sync-svc/internal/engine"
	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/store"
)

// demandKey is the constant member of the answer (SYN-223).
const demandKey = "Microsoft.Identity.Health.CPP.Common.DataContracts.SyncFabric.StatusInfo"

// ProvisionOnDemand synchronizes one object now (SYN-216 to SYN-225).
func (s *Synchronization) ProvisionOnDemand(ctx context.Context, req *syncpb.ProvisionOnDemandRequest) (*syncpb.StringKeyStringValuePair, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toWrite)
	if err != nil {
		return nil, err
	}
	var j job.Job
	var rule string
	var secrets map[string]string
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		if j, err = tx.Job(conf.servicePrincipal, req.GetJobId()); err != nil {
			return missing(err, req.GetJobId())
		}
		schema, err := tx.Schema(j.Key)
		if err != nil {
			return err
		}
		rule = schema.Rules[0].ID
		secrets, err = tx.Secrets(conf.servicePrincipal)
		return err
	})
	if err != nil {
		return nil, err
	}
	object, group, err := subject(req, rule)
	if err != nil {
		return nil, err
	}
	if job.Read(secrets, nil).Target.IsZero() {
		return nil, fault.Invalid(errorspb.Reason_CREDENTIALS_MISSING, "No credentials are saved for this synchronization job.")
	}
	if wait, ok := s.onDemand.take(conf.tenant.String(), s.clock.Now()); !ok {
		return nil, throttled(wait)
	}
	if group {
		return answer(unsupportedGroup(j, conf, object, s.clock.Now()), j, conf)
	}
	c := caller.From(ctx)
	origin := engine.Origin{ID: c.ObjectID.String(), Name: c.DisplayName, Kind: "user"}
	if c.Kind == caller.Application {
		origin.Name = c.AppDisplayName
	}
	outcome, err := s.engine.ProvisionOne(ctx, conf.tenant, j.ID, object, origin)
	if err != nil {
		return nil, err
	}
	return answer(outcome, j, conf)
}

// subject finds the one object of a request.
func subject(req *syncpb.ProvisionOnDemandRequest, rule string) (object uuid.UUID, group bool, err error) {
	if len(req.GetParameters()) != 1 || len(req.GetParameters()[0].GetSubjects()) != 1 {
		return uuid.Nil, false, invalid("Exactly one parameter with exactly one subject is required.")
	}
	p := req.GetParameters()[0]
	if !strings.EqualFold(p.GetRuleId(), rule) {
		return uuid.Nil, false, invalid("The rule '%s' is not one of the job.", p.GetRuleId())
	}
	if members := p.GetSubjects()[0].GetLinks().GetFields()["members"].GetListValue().GetValues(); len(members) > 5 {
		return uuid.Nil, false, invalid("At most 5 members can be named.")
	}
	switch strings.ToLower(p.GetSubjects()[0].GetObjectTypeName()) {
	case "user":
	case "group":
		group = true
	default:
		return uuid.Nil, false, invalid("The object type '%s' is not known; it is User or Group.", p.GetSubjects()[0].GetObjectTypeName())
	}
	if object, err = uuid.Parse(p.GetSubjects()[0].GetObjectId()); err != nil {
		return uuid.Nil, false, notFound(p.GetSubjects()[0].GetObjectId())
	}
	return object, group, nil
}

func unsupportedGroup(j job.Job, conf configuration, object uuid.UUID, now time.Time) *engine.Demand {
	return &engine.Demand{Ended: now, Target: j.Target, Record: store.Record{
		Header: store.Header{JobID: j.ID, Type: "Group", App: store.Identity{ID: conf.servicePrincipal.String(), Name: conf.name}}, ID: uuid.New(), ChangeID: uuid.New(), At: now,
		Action: int16(syncpb.ProvisioningAction_other), Status: int16(syncpb.ProvisioningResult_skipped), ErrorCode: plan.EntityTypeNotSupported,
		Reason: "The mapping of groups is disabled.", Source: store.Identity{ID: object.String()}}}
}

// The document inside the answer.
type (
	demandBody struct {
		Action               string           `json:"action"`
		ChangeID             string           `json:"changeId"`
		StartTime            string           `json:"startTime"`
		EndTime              string           `json:"endTime"`
		ReportableIdentifier string           `json:"reportableIdentifier"`
		ModifiedProperties   []demandModified `json:"modifiedProperties"`
		ProvisioningSteps    []demandStep     `json:"provisioningSteps"`
		StatusInfo           demandStatus     `json:"statusInfo"`
		SourceIdentity       demandIdentity   `json:"sourceIdentity"`
		SourceSystem         demandSystem     `json:"sourceSystem"`
		TargetIdentity       demandIdentity   `json:"targetIdentity"`
		TargetSystem         demandSystem     `json:"targetSystem"`
	}
	demandModified struct {
		DisplayName string  `json:"displayName"`
		OldValue    *string `json:"oldValue"`
		NewValue    *string `json:"newValue"`
	}
	demandStep struct {
		Name        string            `json:"name"`
		Type        string            `json:"type"`
		Status      string            `json:"status"`
		Description string            `json:"description"`
		Timestamp   string            `json:"timestamp"`
		Details     map[string]string `json:"details"`
	}
	demandStatus struct {
		Status            string `json:"status"`
		ErrorCode         string `json:"errorCode"`
		Reason            string `json:"reason"`
		AdditionalDetails string `json:"additionalDetails"`
		ErrorCategory     string `json:"errorCategory"`
		RecommendedAction string `json:"recommendedAction"`
	}
	demandIdentity struct {
		ID          string            `json:"id"`
		Type        string            `json:"type"`
		DisplayName string            `json:"displayName"`
		Details     map[string]string `json:"details"`
	}
	demandSystem struct {
		ID          string            `json:"id"`
		DisplayName string            `json:"displayName"`
		Details     map[string]string `json:"details"`
	}
)

// answer writes the outcome the way the reference does: JSON text in a value.
func answer(d *engine.Demand, j job.Job, conf configuration) (*syncpb.StringKeyStringValuePair, error) {
	r := d.Record
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
	body := demandBody{Action: title(syncpb.ProvisioningAction_Value(r.Action).String()), ChangeID: r.ChangeID.String(), StartTime: stamp(r.At), EndTime: stamp(d.Ended),
		ReportableIdentifier: r.Source.UPN, ModifiedProperties: []demandModified{}, ProvisioningSteps: []demandStep{},
		SourceIdentity: demandIdentity{ID: r.Source.ID, Type: r.Type, DisplayName: r.Source.Name, Details: map[string]string{"id": r.Source.ID, "odatatype": r.Type, "DisplayName": r.Source.Name, "UserPrincipalName": r.Source.UPN}},
		TargetIdentity: demandIdentity{ID: r.Target.ID, Type: r.Type, DisplayName: r.Target.Name, Details: map[string]string{}},
		SourceSystem:   demandSystem{ID: j.Tenant.String(), DisplayName: "Azure Active Directory", Details: map[string]string{}},
		TargetSystem: demandSystem{ID: d.Target.String(), DisplayName: "Azure Active Directory (target tenant)", Details: map[string]string{
			"ApplicationId": conf.appID, "ServicePrincipalId": conf.servicePrincipal.String(), "ServicePrincipalDisplayName": conf.name}},
		StatusInfo: demandStatus{Status: title(syncpb.ProvisioningResult_Value(r.Status).String()), ErrorCode: r.ErrorCode, Reason: r.Reason,
			AdditionalDetails: r.Details, RecommendedAction: r.Recommended}}
	if r.Category != 0 {
		body.StatusInfo.ErrorCategory = title(syncpb.ProvisioningStatusErrorCategory_Value(r.Category).String())
	}
	for _, m := range r.Modified {
		body.ModifiedProperties = append(body.ModifiedProperties, demandModified{m.Name, m.Old, m.New})
	}
	if d.Connection != nil {
		body.Action = "Other"
		body.StatusInfo = demandStatus{Status: "Failure", ErrorCode: d.ConnectionCode, Reason: fault.From(d.Connection).Message, ErrorCategory: "NonServiceFailure",
			RecommendedAction: "Correct the policies of both tenants and test the connection."}
		body.ProvisioningSteps = append(body.ProvisioningSteps, demandStep{Name: "TestConnection", Type: "Import", Status: "Failure",
			Description: body.StatusInfo.Reason, Timestamp: stamp(d.Ended), Details: map[string]string{"ErrorCode": d.ConnectionCode}})
	} else {
		body.ProvisioningSteps = demandSteps(d, stamp(d.Ended))
	}
	text, err := json.Marshal([]demandBody{body})
	if err != nil {
		return nil, fmt.Errorf("encode outcome: %w", err)
	}
	return &syncpb.StringKeyStringValuePair{Key: proto.String(demandKey), Value: proto.String(string(text))}, nil
}

// demandSteps are the steps of SYN-224.
func demandSteps(d *engine.Demand, at string) []demandStep {
	r := d.Record
	success := func(name, kind, text string, details map[string]string) demandStep {
		if details == nil {
			details = map[string]string{}
		}
		return demandStep{Name: name, Type: kind, Status: "Success", Description: text, Timestamp: at, Details: details}
	}
	steps := []demandStep{success("EntryImport", "Import", fmt.Sprintf("Received user '%s' from Azure Active Directory", r.Source.UPN), d.Imported)}
	if d.Scoping != nil {
		scoping := success("EntrySynchronizationScoping", "Scoping", "Determined if the user is in scope by evaluating against each scoping filter", d.Scoping)
		if !d.Entitled {
			scoping.Status = "Skipped"
		}
		matching := success("EntryImport", "Matching", fmt.Sprintf("Found %d matching entries in the target tenant", len(d.Matched)), nil)
		for i, m := range d.Matched {
			prefix := ""
			if len(d.Matched) > 1 {
				prefix = fmt.Sprintf("%d.", i+1)
			}
			for k, v := range m {
				matching.Details[prefix+k] = v
			}
		}
		steps = append(steps, scoping, matching)
	}
	name := map[syncpb.ProvisioningAction_Value]string{syncpb.ProvisioningAction_create: "EntryExportAdd", syncpb.ProvisioningAction_update: "EntryExportUpdate",
		syncpb.ProvisioningAction_disable: "EntryExportUpdate", syncpb.ProvisioningAction_delete: "EntryExportDelete"}[syncpb.ProvisioningAction_Value(r.Action)]
	last := success(name, "Export", "The user was written to the target tenant", nil)
	switch syncpb.ProvisioningResult_Value(r.Status) {
	case syncpb.ProvisioningResult_skipped:
		last = demandStep{Name: "EntrySynchronizationSkip", Type: "Export", Status: "Skipped", Description: r.Reason, Timestamp: at, Details: map[string]string{"SkipReason": r.ErrorCode}}
	case syncpb.ProvisioningResult_failure:
		last.Status, last.Description, last.Details["ErrorCode"] = "Failure", r.Reason, r.ErrorCode
	}
	return append(steps, last)
}

// title writes an enum of the log with a capital.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

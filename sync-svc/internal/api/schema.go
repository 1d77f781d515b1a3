package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/types/known/emptypb"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/store"
)

// GetSchema returns the mappings and filters of a job.
func (s *Synchronization) GetSchema(ctx context.Context, req *syncpb.GetSchemaRequest) (*syncpb.SynchronizationSchema, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	var schema mapping.Schema
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		j, err := tx.Job(conf.servicePrincipal, req.GetJobId())
		if err != nil {
			return missing(err, req.GetJobId())
		}
		schema, err = tx.Schema(j.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return schemaToProto(schema), nil
}

// PutSchema replaces the mappings and filters of a job (SYN-21). An effective
// change begins an initial cycle.
func (s *Synchronization) PutSchema(ctx context.Context, req *syncpb.PutSchemaRequest) (*emptypb.Empty, error) {
	return s.replaceSchema(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(before mapping.Schema, syncAll bool) (mapping.Schema, error) {
		after, faults := schemaFromProto(req.GetSchema(), before)
		after = mapping.Normalize(after, before)
		faults = append(faults, mapping.Validate(after, before, syncAll)...)
		if len(faults) == 0 {
			return after, nil
		}
		refusal := fault.Invalid(errorspb.Reason_SCHEMA_INVALID, "The synchronization schema is not valid: %s: %s", faults[0].Path, faults[0].Message)
		for _, f := range faults {
			refusal = refusal.WithViolation(f.Path, f.Message, "schemaInvalid")
		}
		return after, refusal
	})
}

// DeleteSchema puts mappings and filters back to those of the template.
func (s *Synchronization) DeleteSchema(ctx context.Context, req *syncpb.DeleteSchemaRequest) (*emptypb.Empty, error) {
	return s.replaceSchema(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(before mapping.Schema, _ bool) (mapping.Schema, error) {
		after := mapping.Template(before.ID, before.Rules[0].ID, before.Directories[0].ID, before.Directories[len(before.Directories)-1].ID)
		after.Version = before.Version
		return after, nil
	})
}

func (s *Synchronization) replaceSchema(ctx context.Context, servicePrincipal, id string, decide func(mapping.Schema, bool) (mapping.Schema, error)) (*emptypb.Empty, error) {
	return s.update(ctx, servicePrincipal, id, func(tx *store.Tx, j job.Job) (job.Job, store.Event, error) {
		before, err := tx.Schema(j.Key)
		if err != nil {
			return j, store.Event{}, err
		}
		secrets, err := tx.Secrets(j.ServicePrincipal)
		if err != nil {
			return j, store.Event{}, err
		}
		after, err := decide(before, job.Read(secrets, nil).SyncAll)
		if err != nil {
			return j, store.Event{}, err
		}
		old, value, err := rulesText(before, after)
		if err != nil {
			return j, store.Event{}, err
		}
		after.Version = before.Version + 1
		j.SchemaVersion = after.Version
		j.Generation++
		if old != value || flows(before) != flows(after) {
			j.Watermark, j.Cycle, j.DueAt = "", nil, s.clock.Now()
		}
		return j, store.Event{Activity: activitySchema, Modified: []store.Modified{change("synchronizationRules", old, value)}}, tx.SaveSchema(j.Key, after)
	})
}

// rulesText gives both schemas' rules as JSON, for comparison and audit.
func rulesText(before, after mapping.Schema) (old, value string, err error) {
	b, err := json.Marshal(before.Rules)
	if err != nil {
		return "", "", fmt.Errorf("encode rules: %w", err)
	}
	a, err := json.Marshal(after.Rules)
	return string(b), string(a), err
}

// flows fingerprints what the directories say about null values; the rest of
// them has no effect on the target.
func flows(s mapping.Schema) string {
	var b strings.Builder
	for _, d := range s.Directories {
		for _, o := range d.Objects {
			for _, a := range o.Attributes {
				if a.FlowNullValues {
					b.WriteString(d.Name + "/" + o.Name + "/" + a.Name + ";")
				}
			}
		}
	}
	return b.String()
}

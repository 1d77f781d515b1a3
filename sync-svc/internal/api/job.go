package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/store"
)

// Names of audit activities of configurations.
const (
	activityAdd     = "Add provisioning configuration"
	activityDelete  = "Delete provisioning configuration"
	activityUpdate  = "Update provisioning setting or credentials"
	activityStart   = "Enable/start provisioning configuration"
	activityPause   = "Disable/pause provisioning configuration"
	activityRestart = "Enable/restart provisioning configuration"
	activitySchema  = "Update attribute mappings or scope"
)

// CreateJob makes the job of a configuration (SYN-15).
func (s *Synchronization) CreateJob(ctx context.Context, req *syncpb.CreateJobRequest) (*syncpb.SynchronizationJob, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toWrite)
	if err != nil {
		return nil, err
	}
	if !conf.synchronizes() || !strings.EqualFold(req.GetJob().GetTemplateId(), mapping.TemplateID) {
		return nil, invalid("The template '%s' is not one of this service principal.", req.GetJob().GetTemplateId())
	}
	now := s.clock.Now()
	key := uuid.New()
	j := job.Job{Tenant: conf.tenant, ID: job.NewID(mapping.TemplateID, conf.tenant, key), Key: key, ServicePrincipal: conf.servicePrincipal,
		Application: conf.application, AppID: conf.appID, DisplayName: conf.name, State: job.Disabled, Code: job.CodePaused,
		Interval: job.DefaultInterval, SchemaVersion: 1, DueAt: now,
		Settings: map[string]string{"AzureIngestionAttributeOptimization": "False", "LookaheadQueryEnabled": "False"}}
	schema := mapping.Template(j.ID, uuid.NewString(), uuid.NewString(), uuid.NewString())
	err = s.store.Write(ctx, conf.tenant, func(tx *store.Tx) error {
		secrets, err := tx.Secrets(conf.servicePrincipal)
		if err != nil {
			return err
		}
		j.Target = job.Read(secrets, nil).Target
		if err := tx.CreateJob(j, schema, now); err != nil {
			return err
		}
		return tx.Audit(s.clock, conf.event(activityAdd, "Add", change("JobId", "", j.ID)))
	})
	if err != nil {
		return nil, err
	}
	return jobToProto(j, now), nil
}

// ListJobs lists the jobs of a configuration: one or none.
func (s *Synchronization) ListJobs(ctx context.Context, req *syncpb.ListJobsRequest) (*syncpb.ListJobsResponse, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	if req.GetQuery().GetFilter() != "" || req.GetQuery().GetOrderby() != "" || req.GetQuery().GetSearch() != "" {
		return nil, fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "Jobs support $select, $top and $expand=schema.")
	}
	response := &syncpb.ListJobsResponse{}
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		jobs, err := tx.Jobs(conf.servicePrincipal)
		if err != nil {
			return err
		}
		response.Value = nil
		for _, j := range jobs {
			p := jobToProto(j, s.clock.Now())
			if err := expandSchema(tx, p, j, req.GetQuery().GetExpand()); err != nil {
				return err
			}
			response.Value = append(response.Value, p)
		}
		return nil
	})
	if req.GetQuery().GetCount() {
		response.OdataCount = proto.Int32(int32(len(response.Value)))
	}
	return response, err
}

func expandSchema(tx *store.Tx, p *syncpb.SynchronizationJob, j job.Job, expand string) error {
	switch {
	case expand == "":
		return nil
	case !strings.EqualFold(strings.TrimSpace(expand), "schema"):
		return fault.Invalid(errorspb.Reason_UNSUPPORTED_QUERY, "Jobs support $expand=schema only.")
	}
	schema, err := tx.Schema(j.Key)
	if err != nil {
		return err
	}
	p.Schema = schemaToProto(schema)
	return nil
}

// GetJob returns one job.
func (s *Synchronization) GetJob(ctx context.Context, req *syncpb.GetJobRequest) (*syncpb.SynchronizationJob, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	var p *syncpb.SynchronizationJob
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		j, err := tx.Job(conf.servicePrincipal, req.GetJobId())
		if err != nil {
			return missing(err, req.GetJobId())
		}
		p = jobToProto(j, s.clock.Now())
		return expandSchema(tx, p, j, req.GetQuery().GetExpand())
	})
	return p, err
}

func missing(err error, id string) error {
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return notFound(id)
	}
	return err
}

// update runs one change of a job in a transaction: load, decide, save, audit.
// decide returns the changed job and the audit record; no activity means that
// nothing changed.
func (s *Synchronization) update(ctx context.Context, servicePrincipal, id string, decide func(*store.Tx, job.Job) (job.Job, store.Event, error)) (*emptypb.Empty, error) {
	conf, err := s.configuration(ctx, servicePrincipal, toWrite)
	if err != nil {
		return nil, err
	}
	err = s.store.Write(ctx, conf.tenant, func(tx *store.Tx) error {
		j, err := tx.LockJob(conf.servicePrincipal, id)
		if err != nil {
			return missing(err, id)
		}
		j, e, err := decide(tx, j)
		if err != nil || e.Activity == "" {
			return err
		}
		j.DisplayName = conf.name
		if err := tx.SaveJob(j); err != nil {
			return err
		}
		full := conf.event(e.Activity, "Update", append(e.Modified, change("JobId", "", j.ID))...)
		full.Reason = e.Reason
		return tx.Audit(s.clock, full)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// UpdateJob changes interval, state or settings (SYN-17).
func (s *Synchronization) UpdateJob(ctx context.Context, req *syncpb.UpdateJobRequest) (*emptypb.Empty, error) {
	return s.update(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(_ *store.Tx, j job.Job) (job.Job, store.Event, error) {
		e := store.Event{Activity: activityUpdate}
		for _, path := range req.GetUpdateMask().GetPaths() {
			var err error
			head, _, _ := strings.Cut(path, ".")
			switch head {
			case "schedule":
				err = s.reschedule(&j, &e, req.GetJob().GetSchedule())
			case "synchronization_job_settings":
				err = resettle(&j, &e, req.GetJob().GetSynchronizationJobSettings())
			case "id":
				if id := req.GetJob().GetId(); id != "" && !strings.EqualFold(id, j.ID) {
					err = readOnly(head)
				}
			case "template_id":
				if id := req.GetJob().GetTemplateId(); id != "" && !strings.EqualFold(id, mapping.TemplateID) {
					err = readOnly(head)
				}
			default:
				err = readOnly(head)
			}
			if err != nil {
				return j, e, err
			}
		}
		return j, e, nil
	})
}

// resettle merges sent settings into those of a job.
func resettle(j *job.Job, e *store.Event, sent []*syncpb.KeyValuePair) error {
	list := make([]job.Setting, len(sent))
	for i, p := range sent {
		list[i] = job.Setting{Key: p.GetName(), Value: p.GetValue()}
	}
	merged, err := job.MergeSettings(j.Settings, list)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		if merged[name] != j.Settings[name] {
			e.Modified = append(e.Modified, change(name, j.Settings[name], merged[name]))
		}
	}
	j.Settings = merged
	j.Generation++
	return nil
}

// readOnly refuses a member of the body that clients cannot set.
func readOnly(field string) error {
	return fault.Invalid(errorspb.Reason_PROPERTY_READ_ONLY, "Property '%s' is read-only and cannot be set.", jsonName(field))
}

func jsonName(field string) string {
	parts := strings.Split(field, "_")
	for i, p := range parts {
		if i > 0 && p != "" {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}

func (s *Synchronization) reschedule(j *job.Job, e *store.Event, schedule *syncpb.SynchronizationSchedule) error {
	if schedule.GetInterval() != "" {
		d, err := parseDuration(schedule.GetInterval())
		if err != nil || d < job.MinInterval || d > job.MaxInterval {
			return invalid("The interval must be between PT1M and P1D.")
		}
		e.Modified = append(e.Modified, change("interval", formatDuration(j.Interval), formatDuration(d)))
		j.Interval = d
		if next := s.clock.Now().Add(d); j.DueAt.After(next) {
			j.DueAt = next
		}
	}
	switch schedule.GetState() {
	case syncpb.SynchronizationScheduleState_Active:
		*j, _ = job.Start(*j, s.clock.Now())
	case syncpb.SynchronizationScheduleState_Paused:
		*j, _ = job.Pause(*j)
	case syncpb.SynchronizationScheduleState_Disabled:
		if j.State != job.Disabled {
			return invalid("The state of a schedule can be set to Active or Paused.")
		}
	}
	return nil
}

// DeleteJob deletes a job (SYN-18). Users of the target stay.
func (s *Synchronization) DeleteJob(ctx context.Context, req *syncpb.DeleteJobRequest) (*emptypb.Empty, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toWrite)
	if err != nil {
		return nil, err
	}
	err = s.store.Write(ctx, conf.tenant, func(tx *store.Tx) error {
		j, err := tx.LockJob(conf.servicePrincipal, req.GetJobId())
		if err != nil {
			return missing(err, req.GetJobId())
		}
		if err := tx.DeleteJob(j, s.clock.Now()); err != nil {
			return err
		}
		return tx.Audit(s.clock, conf.event(activityDelete, "Delete", change("JobId", j.ID, "")))
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// StartJob starts a job (SYN-140 to SYN-142).
func (s *Synchronization) StartJob(ctx context.Context, req *syncpb.StartJobRequest) (*emptypb.Empty, error) {
	return s.update(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(_ *store.Tx, j job.Job) (job.Job, store.Event, error) {
		j, changed := job.Start(j, s.clock.Now())
		return j, activity(activityStart, changed), nil
	})
}

// PauseJob pauses a job (SYN-144).
func (s *Synchronization) PauseJob(ctx context.Context, req *syncpb.PauseJobRequest) (*emptypb.Empty, error) {
	return s.update(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(_ *store.Tx, j job.Job) (job.Job, store.Event, error) {
		j, changed := job.Pause(j)
		return j, activity(activityPause, changed), nil
	})
}

func activity(name string, changed bool) store.Event {
	if !changed {
		return store.Event{}
	}
	return store.Event{Activity: name}
}

// RestartJob drops what the flags name and starts the job (SYN-152).
func (s *Synchronization) RestartJob(ctx context.Context, req *syncpb.RestartJobRequest) (*emptypb.Empty, error) {
	flags, err := job.ParseReset(req.GetCriteria().GetResetScope())
	if err != nil {
		return nil, err
	}
	return s.update(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(tx *store.Tx, j job.Job) (job.Job, store.Event, error) {
		tx.Reset(j.Key, flags)
		return job.Restart(j, flags, s.clock.Now()), store.Event{Activity: activityRestart, Modified: []store.Modified{change("resetScope", "", req.GetCriteria().GetResetScope())}}, nil
	})
}

// RunNow makes the next cycle due at once; a running one is left alone.
func (s *Synchronization) RunNow(ctx context.Context, req *syncpb.RunNowRequest) (*emptypb.Empty, error) {
	return s.update(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(_ *store.Tx, j job.Job) (job.Job, store.Event, error) {
		if !j.Runnable() {
			return j, store.Event{}, fault.Precondition(errorspb.Reason_CONFLICT, "The job is not active.")
		}
		if j.Cycle != nil {
			return j, store.Event{}, nil
		}
		j.DueAt = s.clock.Now()
		return j, store.Event{Activity: activityStart, Reason: "run now"}, nil
	})
}

// parseDuration reads the part of ISO 8601 that schedules use: PnDTnHnMnS.
func parseDuration(text string) (time.Duration, error) {
	rest, found := strings.CutPrefix(strings.ToUpper(text), "P")
	if !found || rest == "" {
		return 0, fmt.Errorf("no duration: %q", text)
	}
	days, clock, _ := strings.Cut(rest, "T")
	var total time.Duration
	for part, units := range map[string]string{days: "D", clock: "HMS"} {
		for part != "" {
			n, digits := 0, 0
			for digits < len(part) && part[digits] >= '0' && part[digits] <= '9' && digits < 6 {
				n = n*10 + int(part[digits]-'0')
				digits++
			}
			if digits == 0 || digits == len(part) || !strings.ContainsRune(units, rune(part[digits])) {
				return 0, fmt.Errorf("no duration: %q", text)
			}
			total += time.Duration(n) * map[byte]time.Duration{'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}[part[digits]]
			part = part[digits+1:]
		}
	}
	return total, nil
}

// formatDuration writes a duration as Graph does: PT40M.
func formatDuration(d time.Duration) string {
	if d > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("P%dD", d/(24*time.Hour))
	}
	text := "PT"
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "H"}, {time.Minute, "M"}, {time.Second, "S"}} {
		if n := d / unit.size; n > 0 {
			text += fmt.Sprintf("%d%s", n, unit.name)
			d -= n * unit.size
		}
	}
	if text == "PT" {
		return "PT0S"
	}
	return text
}

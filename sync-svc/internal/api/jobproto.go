package api

import (
	"sort"
	"time"

	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/mapping"
)

// stamp writes a moment that is never null: unset is the year 1 (SYN-2).
func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

func jobToProto(j job.Job, now time.Time) *syncpb.SynchronizationJob {
	state := map[job.State]syncpb.SynchronizationScheduleState_Value{job.Active: syncpb.SynchronizationScheduleState_Active,
		job.Disabled: syncpb.SynchronizationScheduleState_Disabled, job.Paused: syncpb.SynchronizationScheduleState_Paused}[j.State]
	p := &syncpb.SynchronizationJob{Id: j.ID, TemplateId: proto.String(mapping.TemplateID),
		Schedule: &syncpb.SynchronizationSchedule{Interval: proto.String(formatDuration(j.Interval)), State: &state}, Status: statusToProto(j, now)}
	for name, value := range j.Settings {
		p.SynchronizationJobSettings = append(p.SynchronizationJobSettings, &syncpb.KeyValuePair{Name: proto.String(name), Value: proto.String(value)})
	}
	sort.Slice(p.SynchronizationJobSettings, func(a, b int) bool {
		return p.SynchronizationJobSettings[a].GetName() < p.SynchronizationJobSettings[b].GetName()
	})
	return p
}

func statusToProto(j job.Job, now time.Time) *syncpb.SynchronizationStatus {
	code := map[job.Code]syncpb.SynchronizationStatusCode_Value{job.NotConfigured: syncpb.SynchronizationStatusCode_NotConfigured,
		job.NotRun: syncpb.SynchronizationStatusCode_NotRun, job.CodeActive: syncpb.SynchronizationStatusCode_Active,
		job.CodePaused: syncpb.SynchronizationStatusCode_Paused, job.CodeQuarantined: syncpb.SynchronizationStatusCode_Quarantine}[j.Code]
	s := &syncpb.SynchronizationStatus{Code: &code, CountSuccessiveCompleteFailures: proto.Int64(j.CompleteFailures), EscrowsPruned: proto.Bool(j.EscrowsPruned),
		LastExecution: executionToProto(j.Last), LastSuccessfulExecution: executionToProto(j.LastSuccess), LastSuccessfulExecutionWithExports: executionToProto(j.LastExports),
		SteadyStateFirstAchievedTime: stamp(j.SteadyFirst), SteadyStateLastAchievedTime: stamp(j.SteadyLast),
		Quarantine: quarantineToProto(j.Quarantine)}
	if j.LastSuccess != nil || j.Synchronized > 0 {
		s.SynchronizedEntryCountByType = []*syncpb.StringKeyLongValuePair{{Key: proto.String("User"), Value: proto.Int64(j.Synchronized)}}
	}
	if j.Cycle != nil && j.State == job.Active {
		done, total := j.Cycle.Progress()
		s.Progress = []*syncpb.SynchronizationProgress{{CompletedUnits: proto.Int64(done), TotalUnits: proto.Int64(total), Units: proto.String("pages"),
			ProgressObservationDateTime: stamp(j.Cycle.Observed)}}
	}
	return s
}

func executionToProto(e *job.Execution) *syncpb.SynchronizationTaskExecution {
	if e == nil {
		return nil
	}
	state := syncpb.SynchronizationTaskExecutionResult_Value(syncpb.SynchronizationTaskExecutionResult_Value_value[e.State])
	return &syncpb.SynchronizationTaskExecution{ActivityIdentifier: proto.String(e.ID.String()), CountEntitled: proto.Int64(e.Entitled),
		CountEntitledForProvisioning: proto.Int64(e.ForProvisioning), CountEscrowed: proto.Int64(e.Escrowed), CountEscrowedRaw: proto.Int64(e.EscrowedRaw),
		CountExports: proto.Int64(e.Exports), CountExported: proto.Int64(e.Exported), CountImported: proto.Int64(e.Imported),
		CountImportedDeltas: proto.Int64(e.ImportedDeltas), CountImportedReferenceDeltas: proto.Int64(e.ReferenceDeltas), State: &state,
		TimeBegan: stamp(e.Began), TimeEnded: stamp(e.Ended),
		Error: &syncpb.SynchronizationError{Code: proto.String(e.Code), Message: proto.String(e.Message), TenantActionable: proto.Bool(e.Code != "None")}}
}

func quarantineToProto(q *job.Quarantine) *syncpb.SynchronizationQuarantine {
	if q == nil {
		return nil
	}
	reason := syncpb.QuarantineReason_Value(syncpb.QuarantineReason_Value_value[q.Reason])
	return &syncpb.SynchronizationQuarantine{CurrentBegan: stamp(q.CurrentBegan), SeriesBegan: stamp(q.SeriesBegan), NextAttempt: stamp(q.NextAttempt),
		SeriesCount: proto.Int64(q.SeriesCount), Reason: &reason,
		Error: &syncpb.SynchronizationError{Code: proto.String(q.Code), Message: proto.String(q.Message), TenantActionable: proto.Bool(true)}}
}

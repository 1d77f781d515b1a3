package api

import (
	"context"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/store"
)

// GetObjectConnection finds the connection of an object (SYN-28).
func (s *Synchronization) GetObjectConnection(ctx context.Context, req *syncpb.GetObjectConnectionRequest) (*syncpb.ObjectConnection, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	object, err := uuid.Parse(req.GetObjectId())
	if err != nil {
		return nil, notFound(req.GetObjectId())
	}
	var answer *syncpb.ObjectConnection
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		j, err := tx.Job(conf.servicePrincipal, req.GetJobId())
		if err != nil {
			return missing(err, req.GetJobId())
		}
		link, found, err := tx.LinkOf(j.Key, object)
		if err != nil {
			return err
		}
		if !found {
			return notFound(req.GetObjectId())
		}
		answer = &syncpb.ObjectConnection{ObjectId: object.String(), SourceAnchor: link.Source.String(), TargetAnchor: link.Target.String(),
			DisplayName: proto.String(link.DisplayName), ObjectTypeName: "User"}
		return nil
	})
	return answer, err
}

// DeleteObjectConnection ends a connection (SYN-29); the target object stays.
func (s *Synchronization) DeleteObjectConnection(ctx context.Context, req *syncpb.DeleteObjectConnectionRequest) (*emptypb.Empty, error) {
	object, err := uuid.Parse(req.GetObjectId())
	if err != nil {
		return nil, notFound(req.GetObjectId())
	}
	return s.update(ctx, req.GetServicePrincipalId(), req.GetJobId(), func(tx *store.Tx, j job.Job) (job.Job, store.Event, error) {
		if j.State == job.Active {
			return j, store.Event{}, fault.Aborted(errorspb.Reason_CONFLICT, "The job is active. Pause it before a connection is removed.")
		}
		link, found, err := tx.LinkOf(j.Key, object)
		if err != nil || !found {
			return j, store.Event{}, err
		}
		tx.DropLink(j.Key, link.Source)
		return j, store.Event{Activity: activityUpdate, Reason: "object connection removed", Modified: []store.Modified{change("objectConnection", link.Source.String(), "")}}, nil
	})
}

// ListStagedDeletions lists removals that wait (SYN-209).
func (s *Synchronization) ListStagedDeletions(ctx context.Context, req *syncpb.ListStagedDeletionsRequest) (*syncpb.ListStagedDeletionsResponse, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	response := &syncpb.ListStagedDeletionsResponse{}
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		j, err := tx.Job(conf.servicePrincipal, req.GetJobId())
		if err != nil {
			return missing(err, req.GetJobId())
		}
		staged, err := tx.StagedDeletions(j.Key)
		if err != nil {
			return err
		}
		response.Value = nil
		for _, d := range staged {
			response.Value = append(response.Value, &syncpb.StagedDeletion{SourceId: d.Source.String(), DisplayName: proto.String(d.DisplayName)})
		}
		return nil
	})
	return response, err
}

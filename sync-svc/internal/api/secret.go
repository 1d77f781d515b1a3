package api

import (
	"context"
	"sort"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"entente.dev/sync-svc/internal/job"
	"entente.dev/sync-svc/internal/store"
)

// GetSecrets returns the settings of a configuration (SYN-26).
func (s *Synchronization) GetSecrets(ctx context.Context, req *syncpb.GetSecretsRequest) (*syncpb.SecretsResponse, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead)
	if err != nil {
		return nil, err
	}
	var stored map[string]string
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		stored, err = tx.Secrets(conf.servicePrincipal)
		return err
	})
	if err != nil {
		return nil, err
	}
	response := &syncpb.SecretsResponse{}
	for _, v := range job.Shown(stored) {
		response.Value = append(response.Value, &syncpb.SynchronizationSecretKeyStringValuePair{Key: proto.String(v.Key), Value: proto.String(v.Value)})
	}
	return response, nil
}

func settingsFrom(list []*syncpb.SynchronizationSecretKeyStringValuePair) []job.Setting {
	out := make([]job.Setting, len(list))
	for i, v := range list {
		out[i] = job.Setting{Key: v.GetKey(), Value: v.GetValue()}
	}
	return out
}

// PutSecrets replaces the settings of a configuration (SYN-27). A new target
// drops all connections, a new scope begins an initial cycle.
func (s *Synchronization) PutSecrets(ctx context.Context, req *syncpb.PutSecretsRequest) (*emptypb.Empty, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toWrite)
	if err != nil {
		return nil, err
	}
	err = s.store.Write(ctx, conf.tenant, func(tx *store.Tx) error {
		stored, err := tx.Secrets(conf.servicePrincipal)
		if err != nil {
			return err
		}
		merged, err := job.Merge(stored, settingsFrom(req.GetValue()))
		if err != nil {
			return err
		}
		before, after := job.Read(stored, nil), job.Read(merged, nil)
		if after.Target == conf.tenant {
			return invalid("The target tenant must not be the source tenant.")
		}
		if err := s.retarget(tx, conf, before, after); err != nil {
			return err
		}
		if err := tx.SaveSecrets(conf.servicePrincipal, merged); err != nil {
			return err
		}
		return tx.Audit(s.clock, conf.event(activityUpdate, "Update", settingChanges(stored, merged)...))
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// retarget lets new settings take effect on the jobs of the configuration.
func (s *Synchronization) retarget(tx *store.Tx, conf configuration, before, after job.Meaning) error {
	jobs, err := tx.Jobs(conf.servicePrincipal)
	if err != nil {
		return err
	}
	for _, listed := range jobs {
		j, err := tx.LockJob(conf.servicePrincipal, listed.ID)
		if err != nil {
			return err
		}
		if after.SyncAll {
			schema, err := tx.Schema(j.Key)
			if err != nil {
				return err
			}
			if g := schema.Groups(); g != nil && g.Enabled {
				return invalid("SyncAll cannot be true while the mapping of groups is enabled.")
			}
		}
		if after.Target != j.Target {
			// Users in the old target stay; nothing connects them any more.
			tx.Reset(j.Key, job.ResetLinks|job.ResetEscrows)
			j.Target, j.Synchronized = after.Target, 0
		}
		if job.NeedsInitial(before, after) {
			j.Watermark, j.Cycle, j.DueAt = "", nil, s.clock.Now()
		}
		if j.State == job.Active && j.Quarantine == nil {
			j.Code = j.ActiveCode()
		}
		j.Generation++
		if err := tx.SaveJob(j); err != nil {
			return err
		}
	}
	return nil
}

// settingChanges lists what changed, without values of credentials.
func settingChanges(before, after map[string]string) []store.Modified {
	keys := map[string]bool{}
	for k := range before {
		keys[k] = true
	}
	for k := range after {
		keys[k] = true
	}
	var list []store.Modified
	for k := range keys {
		old, value := before[k], after[k]
		if old == value {
			continue
		}
		if job.IsCredential(k) {
			old, value = hide(old), hide(value)
		}
		list = append(list, change(k, old, value))
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

func hide(value string) string {
	if value == "" {
		return ""
	}
	return job.Hidden
}

// ValidateCredentials tests the connection (SYN-33 to SYN-35).
func (s *Synchronization) ValidateCredentials(ctx context.Context, req *syncpb.ValidateCredentialsRequest) (*emptypb.Empty, error) {
	conf, err := s.configuration(ctx, req.GetServicePrincipalId(), toWrite)
	if err != nil {
		return nil, err
	}
	if wait, ok := s.validations.take(conf.servicePrincipal.String(), s.clock.Now()); !ok {
		return nil, throttled(wait)
	}
	var secrets map[string]string
	err = s.store.Read(ctx, conf.tenant, func(tx *store.Tx) error {
		if req.GetJobId() != "" {
			if _, err := tx.Job(conf.servicePrincipal, req.GetJobId()); err != nil {
				return missing(err, req.GetJobId())
			}
		}
		stored, err := tx.Secrets(conf.servicePrincipal)
		if err != nil {
			return err
		}
		if secrets = stored; !req.GetUseSavedCredentials() {
			secrets, err = job.Merge(stored, settingsFrom(req.GetCredentials()))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if req.GetUseSavedCredentials() && secrets[job.KeyCompanyID] == "" {
		return nil, fault.Invalid(errorspb.Reason_CREDENTIALS_MISSING, "No credentials are saved for this synchronization job.")
	}
	failure := s.engine.CheckConnection(ctx, caller.From(ctx).Tenant, secrets)
	result := "The connection was tested successfully."
	if failure != nil {
		result = fault.From(failure).Message
	}
	err = s.store.Write(ctx, conf.tenant, func(tx *store.Tx) error {
		e := conf.event("Test connection", "Update")
		e.Reason = result
		return tx.Audit(s.clock, e)
	})
	if failure != nil {
		return nil, failure
	}
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// AcquireAccessToken is not held by this connector (SYN-30).
func (s *Synchronization) AcquireAccessToken(ctx context.Context, req *syncpb.AcquireAccessTokenRequest) (*emptypb.Empty, error) {
	if _, err := s.configuration(ctx, req.GetServicePrincipalId(), toWrite); err != nil {
		return nil, err
	}
	return nil, fault.Unimplemented(errorspb.Reason_NOT_IMPLEMENTED, "Cross-tenant synchronization needs no access token.")
}

package api

import (
	"context"

	"entente.dev/directory-svc/internal/access"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/setting"
	"entente.dev/directory-svc/internal/store"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/audit"
	"entente.dev/servicekit/caller"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Settings serves GroupSettingService (DIR-135, DIR-90).
type Settings struct {
	pb.UnimplementedGroupSettingServiceServer
	*Core
}

var _ pb.GroupSettingServiceServer = (*Settings)(nil)

func settingTemplateToProto(t setting.Template) *pb.GroupSettingTemplate {
	out := &pb.GroupSettingTemplate{Id: t.ID.String(), DisplayName: ptr(t.DisplayName), Description: ptr(t.Description)}
	for _, v := range t.Values {
		out.Values = append(out.Values, &pb.SettingTemplateValue{Name: ptr(v.Name), DefaultValue: ptr(v.Default), Type: ptr(v.Type), Description: ptr(v.Description)})
	}
	return out
}

func settingToProto(s store.Setting) *pb.GroupSetting {
	t, _ := setting.ByID(s.TemplateID)
	out := &pb.GroupSetting{Id: s.ID.String(), DisplayName: ptr(t.DisplayName), TemplateId: ptr(s.TemplateID.String())}
	for _, pair := range t.Complete(s.Values) {
		out.Values = append(out.Values, &pb.SettingValue{Name: ptr(pair[0]), Value: ptr(pair[1])})
	}
	return out
}

func (s *Settings) readable(ctx context.Context) (caller.Caller, *store.Tenant, error) {
	who, t, err := s.home(ctx)
	if err == nil {
		err = access.Directory(who, rights(t))
	}
	return who, t, err
}

// ListGroupSettingTemplates returns every template.
func (s *Settings) ListGroupSettingTemplates(ctx context.Context, req *pb.ListGroupSettingTemplatesRequest) (*pb.ListGroupSettingTemplatesResponse, error) {
	if _, _, err := s.readable(ctx); err != nil {
		return nil, err
	}
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	out := &pb.ListGroupSettingTemplatesResponse{}
	for _, t := range setting.Templates {
		out.Value = append(out.Value, settingTemplateToProto(t))
	}
	return out, nil
}

// GetGroupSettingTemplate returns one template.
func (s *Settings) GetGroupSettingTemplate(ctx context.Context, req *pb.GetGroupSettingTemplateRequest) (*pb.GroupSettingTemplate, error) {
	if _, _, err := s.readable(ctx); err != nil {
		return nil, err
	}
	id, err := objectID(req.Id)
	if err != nil {
		return nil, err
	}
	t, ok := setting.ByID(id)
	if !ok {
		return nil, property.NotFound(req.Id)
	}
	return settingTemplateToProto(t), nil
}

// scopeOfSettings is the group that settings belong to, nil for the tenant.
func scopeOfSettings(tx *store.Tx, groupID string) (*uuid.UUID, error) {
	if groupID == "" {
		return nil, nil
	}
	id, err := objectID(groupID)
	if err != nil {
		return nil, err
	}
	g, err := tx.Group(id, store.Live, false)
	if err == nil && !g.Unified {
		err = property.Refused("groupId", "Only Microsoft 365 groups have settings.")
	}
	return &id, err
}

// CreateGroupSetting creates settings from a template.
func (s *Settings) CreateGroupSetting(ctx context.Context, req *pb.CreateGroupSettingRequest) (*pb.GroupSetting, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	if req.Setting.GetTemplateId() == "" {
		return nil, property.Required("GroupSetting", "templateId")
	}
	id, err := uuid.Parse(req.Setting.GetTemplateId())
	template, ok := setting.ByID(id)
	if err != nil || !ok || template.ForGroups != (req.GroupId != "") {
		return nil, property.Invalid("GroupSetting", "templateId")
	}
	if err := access.WriteSettings(who, template.ID == setting.PasswordRule.ID); err != nil {
		return nil, err
	}
	made := store.Setting{ID: newID(), TemplateID: template.ID, Values: valuesOf(req.Setting)}
	if err := template.Check(made.Values); err != nil {
		return nil, err
	}
	ev := record("Create group settings", groupManagement, "Add", settingTarget(made))
	ev.Targets[0].Modified = modified(nil, settingToProto(made), []string{"values"})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		if made.GroupID, err = scopeOfSettings(tx, req.GroupId); err != nil {
			return err
		}
		if err := tx.InsertSetting(made); err != nil {
			return err
		}
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return settingToProto(made), nil
}

func settingTarget(s store.Setting) audit.Target {
	t, _ := setting.ByID(s.TemplateID)
	return audit.Target{ID: s.ID.String(), DisplayName: t.DisplayName, Type: object.Type(0).Title()}
}

func valuesOf(in *pb.GroupSetting) map[string]string {
	out := make(map[string]string, len(in.GetValues()))
	for _, v := range in.GetValues() {
		out[v.GetName()] = v.GetValue()
	}
	return out
}

// ListGroupSettings lists the settings of the tenant or of a group.
func (s *Settings) ListGroupSettings(ctx context.Context, req *pb.ListGroupSettingsRequest) (*pb.ListGroupSettingsResponse, error) {
	_, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	if err := unfiltered(req.Query); err != nil {
		return nil, err
	}
	out := &pb.ListGroupSettingsResponse{}
	return out, s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		group, err := scopeOfSettings(tx, req.GroupId)
		if err != nil {
			return err
		}
		found, err := tx.Settings(group)
		out.Value = nil
		for _, f := range found {
			out.Value = append(out.Value, settingToProto(f))
		}
		return err
	})
}

// GetGroupSetting returns one settings object.
func (s *Settings) GetGroupSetting(ctx context.Context, req *pb.GetGroupSettingRequest) (*pb.GroupSetting, error) {
	_, t, err := s.readable(ctx)
	if err != nil {
		return nil, err
	}
	var out *pb.GroupSetting
	err = s.Store.Read(ctx, t.ID, func(tx *store.Tx) error {
		found, err := s.setting(tx, req.Id, req.GroupId)
		if err == nil {
			out = settingToProto(*found)
		}
		return err
	})
	return out, err
}

func (s *Settings) setting(tx *store.Tx, text, groupID string) (*store.Setting, error) {
	id, err := objectID(text)
	if err != nil {
		return nil, err
	}
	group, err := scopeOfSettings(tx, groupID)
	if err != nil {
		return nil, err
	}
	return tx.Setting(id, group)
}

// UpdateGroupSetting changes values by name; the others keep theirs.
func (s *Settings) UpdateGroupSetting(ctx context.Context, req *pb.UpdateGroupSettingRequest) (*emptypb.Empty, error) {
	return s.change(ctx, "Update group settings", "Update", req.Id, req.GroupId, func(tx *store.Tx, now *store.Setting, template setting.Template, ev *audit.Event) error {
		before := settingToProto(*now)
		if now.Values == nil {
			now.Values = make(map[string]string)
		}
		given := valuesOf(req.Setting)
		if err := template.Check(given); err != nil {
			return err
		}
		for name, value := range given {
			now.Values[name] = value
		}
		ev.Targets[0].Modified = modified(before, settingToProto(*now), []string{"values"})
		return tx.SaveSetting(*now)
	})
}

// DeleteGroupSetting deletes a settings object; its defaults hold again.
func (s *Settings) DeleteGroupSetting(ctx context.Context, req *pb.DeleteGroupSettingRequest) (*emptypb.Empty, error) {
	return s.change(ctx, "Delete group settings", "Delete", req.Id, req.GroupId, func(tx *store.Tx, now *store.Setting, _ setting.Template, _ *audit.Event) error {
		tx.DeleteSetting(now.ID)
		return nil
	})
}

func (s *Settings) change(ctx context.Context, activity, operation, id, groupID string, fn func(*store.Tx, *store.Setting, setting.Template, *audit.Event) error) (*emptypb.Empty, error) {
	who, t, err := s.home(ctx)
	if err != nil {
		return nil, err
	}
	ev := record(activity, groupManagement, operation, audit.Target{ID: clip(id), Type: object.Type(0).Title()})
	err = s.write(ctx, t.ID, ev, func(tx *store.Tx) error {
		now, err := s.setting(tx, id, groupID)
		if err != nil {
			return err
		}
		template, _ := setting.ByID(now.TemplateID)
		if err := access.WriteSettings(who, template.ID == setting.PasswordRule.ID); err != nil {
			return err
		}
		ev.Targets[0] = settingTarget(*now)
		if err := fn(tx, now, template, &ev); err != nil {
			return err
		}
		return s.audit(ctx, tx, ev)
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

package api

import (
	"fmt"
	"strings"

	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/scope"
)

func schemaToProto(s mapping.Schema) *syncpb.SynchronizationSchema {
	p := &syncpb.SynchronizationSchema{Id: s.ID, Version: proto.String(fmt.Sprintf("v1.%d", s.Version))}
	for _, r := range s.Rules {
		rule := &syncpb.SynchronizationRule{Id: r.ID, Name: proto.String(r.Name), Priority: proto.Int32(int32(r.Priority)), Editable: proto.Bool(r.Editable),
			SourceDirectoryName: proto.String(r.SourceDirectory), TargetDirectoryName: proto.String(r.TargetDirectory)}
		for _, m := range r.Metadata {
			rule.Metadata = append(rule.Metadata, &syncpb.StringKeyStringValuePair{Key: proto.String(m.Key), Value: proto.String(m.Value)})
		}
		for _, o := range r.Objects {
			rule.ObjectMappings = append(rule.ObjectMappings, objectToProto(o))
		}
		p.SynchronizationRules = append(p.SynchronizationRules, rule)
	}
	for _, d := range s.Directories {
		p.Directories = append(p.Directories, directoryToProto(d))
	}
	return p
}

func objectToProto(o mapping.ObjectMapping) *syncpb.ObjectMapping {
	p := &syncpb.ObjectMapping{Name: proto.String(o.Name), Enabled: proto.Bool(o.Enabled), FlowTypes: proto.String(o.FlowTypes.String()),
		SourceObjectName: proto.String(o.SourceObject), TargetObjectName: proto.String(o.TargetObject)}
	for _, m := range o.Metadata {
		key := syncpb.ObjectMappingMetadata_Value(syncpb.ObjectMappingMetadata_Value_value[m.Key])
		p.Metadata = append(p.Metadata, &syncpb.ObjectMappingMetadataEntry{Key: &key, Value: proto.String(m.Value)})
	}
	if o.Scope != nil {
		p.Scope = &syncpb.Filter{Groups: groupsToProto(o.Scope.Groups), InputFilterGroups: groupsToProto(o.Scope.InputGroups), CategoryFilterGroups: groupsToProto(o.Scope.CategoryGroups)}
	}
	for _, a := range o.Attributes {
		flow := syncpb.AttributeFlowType_Value(syncpb.AttributeFlowType_Value_value[string(a.FlowType)])
		behavior := syncpb.AttributeFlowBehavior_FlowWhenChanged
		if a.FlowAlways {
			behavior = syncpb.AttributeFlowBehavior_FlowAlways
		}
		m := &syncpb.AttributeMapping{TargetAttributeName: proto.String(a.Target), FlowType: &flow, FlowBehavior: &behavior, DefaultValue: a.DefaultValue,
			MatchingPriority: proto.Int32(int32(a.MatchingPriority)), ExportMissingReferences: proto.Bool(a.ExportMissingReferences)}
		if a.Source != nil {
			m.Source = sourceToProto(*a.Source)
		}
		p.AttributeMappings = append(p.AttributeMappings, m)
	}
	return p
}

func sourceToProto(s mapping.Source) *syncpb.AttributeMappingSource {
	kind := syncpb.AttributeMappingSourceType_Value(syncpb.AttributeMappingSourceType_Value_value[s.Type])
	p := &syncpb.AttributeMappingSource{Expression: proto.String(s.Expression), Name: proto.String(s.Name), Type: &kind}
	for _, a := range s.Parameters {
		p.Parameters = append(p.Parameters, &syncpb.StringKeyAttributeMappingSourceValuePair{Key: proto.String(a.Key), Value: sourceToProto(a.Value)})
	}
	return p
}

func groupsToProto(list []scope.Group) []*syncpb.FilterGroup {
	var out []*syncpb.FilterGroup
	for _, g := range list {
		group := &syncpb.FilterGroup{Name: proto.String(g.Name)}
		for _, c := range g.Clauses {
			group.Clauses = append(group.Clauses, &syncpb.FilterClause{SourceOperandName: proto.String(c.Attribute), OperatorName: proto.String(c.Operator),
				TargetOperand: &syncpb.FilterOperand{Values: c.Values}})
		}
		out = append(out, group)
	}
	return out
}

func directoryToProto(d mapping.Directory) *syncpb.DirectoryDefinition {
	p := &syncpb.DirectoryDefinition{Id: d.ID, Name: proto.String(d.Name), Version: proto.String(d.Version), ReadOnly: proto.Bool(d.ReadOnly),
		Discoverabilities: proto.String("AttributeNames,AttributeDataTypes")}
	if d.DiscoveredAt != nil {
		p.DiscoveryDateTime = timestamppb.New(*d.DiscoveredAt)
	}
	for _, o := range d.Objects {
		object := &syncpb.ObjectDefinition{Name: proto.String(o.Name)}
		for _, a := range o.Attributes {
			kind := syncpb.AttributeType_Value(syncpb.AttributeType_Value_value[a.Type])
			mutability := syncpb.Mutability_Value(syncpb.Mutability_Value_value[a.Mutability])
			def := &syncpb.AttributeDefinition{Name: proto.String(a.Name), Type: &kind, Mutability: &mutability, Multivalued: proto.Bool(a.Multivalued),
				Required: proto.Bool(a.Required), Anchor: proto.Bool(a.Anchor), CaseExact: proto.Bool(a.CaseExact), FlowNullValues: proto.Bool(a.FlowNullValues)}
			if a.DefaultValue != "" {
				def.DefaultValue = proto.String(a.DefaultValue)
			}
			if a.Reference != "" {
				def.ReferencedObjects = []*syncpb.ReferencedObject{{ReferencedObjectName: proto.String(a.Reference)}}
			}
			object.Attributes = append(object.Attributes, def)
		}
		p.Objects = append(p.Objects, object)
	}
	return p
}

// schemaFromProto reads a schema as a client sent it. Object mappings the
// client left out of a rule stay as they were only in the sense that validation
// then refuses the document.
func schemaFromProto(p *syncpb.SynchronizationSchema, before mapping.Schema) (mapping.Schema, []mapping.Fault) {
	var faults []mapping.Fault
	s := mapping.Schema{ID: before.ID, Version: before.Version}
	for i, r := range p.GetSynchronizationRules() {
		rule := mapping.Rule{ID: r.GetId(), Name: r.GetName(), Priority: int(r.GetPriority()), Editable: r.GetEditable(),
			SourceDirectory: r.GetSourceDirectoryName(), TargetDirectory: r.GetTargetDirectoryName()}
		for _, m := range r.GetMetadata() {
			rule.Metadata = append(rule.Metadata, mapping.KeyValue{Key: m.GetKey(), Value: m.GetValue()})
		}
		for k, o := range r.GetObjectMappings() {
			object, err := objectFromProto(o)
			if err != nil {
				faults = append(faults, mapping.Fault{Path: fmt.Sprintf("synchronizationRules[%d].objectMappings[%d].flowTypes", i, k), Message: err.Error()})
			}
			rule.Objects = append(rule.Objects, object)
		}
		s.Rules = append(s.Rules, rule)
	}
	for _, d := range p.GetDirectories() {
		s.Directories = append(s.Directories, directoryFromProto(d))
	}
	return s, faults
}

func objectFromProto(o *syncpb.ObjectMapping) (mapping.ObjectMapping, error) {
	flows := mapping.FlowAdd | mapping.FlowUpdate | mapping.FlowDelete
	var err error
	if o.FlowTypes != nil {
		flows, err = mapping.ParseFlowTypes(o.GetFlowTypes())
	}
	object := mapping.ObjectMapping{Name: o.GetName(), SourceObject: o.GetSourceObjectName(), TargetObject: o.GetTargetObjectName(), Enabled: o.GetEnabled(), FlowTypes: flows}
	for _, m := range o.GetMetadata() {
		object.Metadata = append(object.Metadata, mapping.KeyValue{Key: m.GetKey().String(), Value: m.GetValue()})
	}
	if f := o.GetScope(); f != nil {
		object.Scope = &scope.Filter{Groups: groupsFromProto(f.GetGroups()), InputGroups: groupsFromProto(f.GetInputFilterGroups()), CategoryGroups: groupsFromProto(f.GetCategoryFilterGroups())}
	}
	for _, a := range o.GetAttributeMappings() {
		m := mapping.AttributeMapping{Target: a.GetTargetAttributeName(), DefaultValue: a.DefaultValue, MatchingPriority: int(a.GetMatchingPriority()),
			ExportMissingReferences: a.GetExportMissingReferences(), FlowAlways: a.GetFlowBehavior() == syncpb.AttributeFlowBehavior_FlowAlways}
		if a.FlowType != nil {
			m.FlowType = mapping.FlowType(a.GetFlowType().String())
		}
		if a.Source != nil {
			source := sourceFromProto(a.GetSource())
			m.Source = &source
		}
		object.Attributes = append(object.Attributes, m)
	}
	return object, err
}

func sourceFromProto(p *syncpb.AttributeMappingSource) mapping.Source {
	s := mapping.Source{Expression: p.GetExpression(), Name: p.GetName(), Type: p.GetType().String()}
	for _, a := range p.GetParameters() {
		s.Parameters = append(s.Parameters, mapping.NamedSource{Key: a.GetKey(), Value: sourceFromProto(a.GetValue())})
	}
	return s
}

func groupsFromProto(list []*syncpb.FilterGroup) []scope.Group {
	var out []scope.Group
	for _, g := range list {
		group := scope.Group{Name: g.GetName()}
		for _, c := range g.GetClauses() {
			group.Clauses = append(group.Clauses, scope.Clause{Attribute: c.GetSourceOperandName(), Operator: c.GetOperatorName(), Values: c.GetTargetOperand().GetValues()})
		}
		out = append(out, group)
	}
	return out
}

func directoryFromProto(p *syncpb.DirectoryDefinition) mapping.Directory {
	d := mapping.Directory{ID: p.GetId(), Name: p.GetName(), Version: p.GetVersion(), ReadOnly: p.GetReadOnly()}
	if p.DiscoveryDateTime != nil {
		at := p.DiscoveryDateTime.AsTime()
		d.DiscoveredAt = &at
	}
	for _, o := range p.GetObjects() {
		object := mapping.ObjectDefinition{Name: o.GetName()}
		for _, a := range o.GetAttributes() {
			def := mapping.AttributeDefinition{Name: a.GetName(), Type: a.GetType().String(), Multivalued: a.GetMultivalued(), Required: a.GetRequired(),
				Anchor: a.GetAnchor(), CaseExact: a.GetCaseExact(), FlowNullValues: a.GetFlowNullValues(), Mutability: a.GetMutability().String(), DefaultValue: a.GetDefaultValue()}
			if strings.HasSuffix(def.Type, "Unspecified") {
				def.Type = "String"
			}
			if len(a.GetReferencedObjects()) > 0 {
				def.Reference = a.GetReferencedObjects()[0].GetReferencedObjectName()
			}
			object.Attributes = append(object.Attributes, def)
		}
		d.Objects = append(d.Objects, object)
	}
	return d
}

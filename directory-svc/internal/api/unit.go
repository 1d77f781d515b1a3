package api

import (
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/directory-svc/internal/unit"
	pb "entente.dev/proto/gen/entente/directory/v1"
)

var (
	unitDescriptor = (&pb.AdministrativeUnit{}).ProtoReflect().Descriptor()
	unitFields     = unitDescriptor.Fields()
)

func unitToProto(u *unit.Unit) *pb.AdministrativeUnit {
	return &pb.AdministrativeUnit{Id: u.ID.String(), DisplayName: &u.DisplayName, Description: u.Description, Visibility: u.Visibility, MembershipType: u.MembershipType(),
		MembershipRule: u.Rule, MembershipRuleProcessingState: u.RuleState, IsMemberManagementRestricted: &u.Restricted, DeletedDateTime: stamp(u.Deleted)}
}

// applyUnit copies the properties that paths name from a message into u.
func applyUnit(u *unit.Unit, in *pb.AdministrativeUnit, paths []string) error {
	for _, path := range paths {
		switch path {
		case "display_name":
			u.DisplayName = in.GetDisplayName()
		case "description":
			u.Description = optional(in.Description)
		case "visibility":
			u.Visibility = optional(in.Visibility)
		case "membership_type":
			if err := u.SetMembershipType(in.GetMembershipType()); err != nil {
				return err
			}
		case "membership_rule":
			u.Rule = optional(in.MembershipRule)
		case "membership_rule_processing_state":
			u.RuleState = optional(in.MembershipRuleProcessingState)
		case "is_member_management_restricted":
			u.Restricted = in.GetIsMemberManagementRestricted()
		default:
			if err := sameOrReadOnly(unitToProto(u), in, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// scopedToProto shows a role assignment over a unit in the legacy form; roles
// are named by the id they were activated under (DIR-160).
func scopedToProto(a store.RoleAssignment, active []store.ActiveRole, name string) (*pb.ScopedRoleMembership, error) {
	id, ok := unit.ParseScope(a.Scope)
	if !ok {
		return nil, property.NotFound(a.ID.String())
	}
	out := &pb.ScopedRoleMembership{Id: a.ID.String(), AdministrativeUnitId: ptr(id.String()), RoleMemberInfo: &pb.RoleMemberInfo{Id: a.PrincipalID.String(), DisplayName: &name}}
	for _, r := range active {
		if r.Template.ID == a.RoleID {
			out.RoleId = ptr(r.ID.String())
		}
	}
	return out, nil
}

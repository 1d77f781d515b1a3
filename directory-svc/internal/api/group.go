package api

import (
	"strings"

	"entente.dev/directory-svc/internal/group"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/user"
	pb "entente.dev/proto/gen/entente/directory/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	groupDescriptor = (&pb.Group{}).ProtoReflect().Descriptor()
	groupFields     = groupDescriptor.Fields()
)

func groupToProto(g *group.Group) *pb.Group {
	out := &pb.Group{
		Id: g.ID.String(), DisplayName: &g.DisplayName, Description: g.Description, MailNickname: &g.MailNickname, Mail: g.Mail, UniqueName: g.UniqueName,
		GroupTypes: g.Types(), MailEnabled: &g.MailEnabled, SecurityEnabled: &g.SecurityEnabled, Visibility: g.Visibility, MembershipRule: g.Rule,
		MembershipRuleProcessingState: g.RuleState, Classification: g.Classification, Theme: g.Theme, PreferredLanguage: g.PreferredLanguage,
		PreferredDataLocation: g.PreferredDataLocation, ResourceBehaviorOptions: g.Behaviors, ResourceProvisioningOptions: g.Provisioning,
		CreatedDateTime: timestamppb.New(g.Created), RenewedDateTime: stamp(g.Renewed), DeletedDateTime: stamp(g.Deleted),
		SecurityIdentifier: ptr(user.SecurityIdentifier(g.ID)), IsManagementRestricted: &g.Restricted,
		AllowExternalSenders: &g.AllowExternalSenders, AutoSubscribeNewMembers: &g.AutoSubscribeNewMembers,
		HideFromAddressLists: &g.HideFromAddressLists, HideFromOutlookClients: &g.HideFromOutlookClients,
	}
	// Graph leaves it null unless it was asked for, which says the same.
	out.IsAssignableToRole = &g.RoleAssignable
	for _, p := range g.Proxies {
		out.ProxyAddresses = append(out.ProxyAddresses, p.String())
	}
	return out
}

// applyGroup copies the properties that paths name from a message into g.
func applyGroup(g *group.Group, in *pb.Group, paths []string) error {
	for _, path := range paths {
		if strings.HasPrefix(path, extensionsField) {
			continue // the handler's business
		}
		switch path {
		case "display_name":
			g.DisplayName = in.GetDisplayName()
		case "description":
			g.Description = optional(in.Description)
		case "mail_nickname":
			g.MailNickname = in.GetMailNickname()
		case "unique_name":
			g.UniqueName = optional(in.UniqueName)
		case "group_types":
			if err := g.SetTypes(in.GroupTypes); err != nil {
				return err
			}
		case "mail_enabled":
			g.MailEnabled = in.GetMailEnabled()
		case "security_enabled":
			g.SecurityEnabled = in.GetSecurityEnabled()
		case "visibility":
			g.Visibility = optional(in.Visibility)
		case "membership_rule":
			g.Rule = optional(in.MembershipRule)
		case "membership_rule_processing_state":
			g.RuleState = optional(in.MembershipRuleProcessingState)
		case "is_assignable_to_role":
			g.RoleAssignable = in.GetIsAssignableToRole()
		case "classification":
			g.Classification = optional(in.Classification)
		case "theme":
			g.Theme = optional(in.Theme)
		case "preferred_language":
			g.PreferredLanguage = optional(in.PreferredLanguage)
		case "preferred_data_location":
			g.PreferredDataLocation = optional(in.PreferredDataLocation)
		case "resource_behavior_options":
			g.Behaviors = in.ResourceBehaviorOptions
		case "resource_provisioning_options":
			g.Provisioning = in.ResourceProvisioningOptions
		case "owners_bind", "members_bind": // the handler's business
		case "allow_external_senders", "auto_subscribe_new_members", "hide_from_address_lists", "hide_from_outlook_clients":
			if err := applyExchange(g, in, path); err != nil {
				return err
			}
		default:
			if err := sameOrReadOnly(groupToProto(g), in, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyExchange sets one of the switches that only Microsoft 365 groups have.
func applyExchange(g *group.Group, in *pb.Group, path string) error {
	value, field, name := in.AllowExternalSenders, &g.AllowExternalSenders, "allowExternalSenders"
	switch path {
	case "auto_subscribe_new_members":
		value, field, name = in.AutoSubscribeNewMembers, &g.AutoSubscribeNewMembers, "autoSubscribeNewMembers"
	case "hide_from_address_lists":
		value, field, name = in.HideFromAddressLists, &g.HideFromAddressLists, "hideFromAddressLists"
	case "hide_from_outlook_clients":
		value, field, name = in.HideFromOutlookClients, &g.HideFromOutlookClients, "hideFromOutlookClients"
	}
	if value != nil && *value && !g.Unified {
		return property.Refused(name, "Property '%s' is for Microsoft 365 groups only.", name)
	}
	*field = value != nil && *value
	return nil
}

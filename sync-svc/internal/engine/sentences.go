package engine

import (
	"strings"

	syncpb "entente.dev/proto/gen/entente/sync/v1"

	"entente.dev/sync-svc/internal/plan"
	"entente.dev/sync-svc/internal/scope"
)

func lower(s string) string { return strings.ToLower(s) }

// Codes of failures by policy (SYN-9, SYN-34).
const (
	CodeForbidden       = "AzureActiveDirectoryForbidden"
	CodeInvitation      = "InvitationCreationFailure"
	CodeUnresolved      = "UnableToResolveReferenceAttributeValue"
	CodeRedemption      = "AzureDirectoryB2BManagementPolicyCheckFailure"
	CodeInboundSync     = "AzureActiveDirectoryCrossTenantSyncPolicyCheckFailure"
	CodeUnknownTenant   = "ExternalTenantNotFound"
	CodeTooManyRequests = "TooManyRequests"
)

// skipSentence says in a sentence why an object was skipped.
func skipSentence(reason string) string {
	switch reason {
	case scope.NotEffectivelyEntitled:
		return "The user is not in scope: see the scoping step for the condition that does not hold."
	case scope.NotActiveInSource:
		return "The user is disabled at the source and was never synchronized. Enable it to have it created."
	case scope.ImportSkipped:
		return "The object has no identity that could be carried over."
	case plan.RedundantExport:
		return "The state of the user in the source and in the target already match. No update was needed."
	case plan.TargetSoftDeleted:
		return "An administrator of the target tenant deleted the user. It is synchronized again after it was restored there."
	case plan.AddressNotVerified:
		return "The target has a pending invitation for the address of this user, but the source tenant has not verified the domain of that address."
	case plan.OutOfScopeDeletionSkipped:
		return "The user left the scope. By the settings of the job it stays in the target and is no longer managed."
	case plan.FlowTypeExcluded:
		return "The flow types of the mapping exclude this action."
	case plan.EntityTypeNotSupported:
		return "Objects of this type are not synchronized by the job."
	}
	return "The object was skipped."
}

// failureSentence says in a sentence what failed.
func failureSentence(code string) string {
	switch code {
	case CodeForbidden:
		return "Guest invitations not allowed for your company. Contact your company administrator for more details."
	case CodeInvitation:
		return "The target tenant does not admit this user."
	case plan.DuplicateTargetEntries:
		return "Several pending users of the target have an address of this user. Remove all but one."
	case plan.InvalidAnchor:
		return "The connected user no longer exists in the target. It is created anew when the source user changes, on demand, or after a restart."
	case "InvitationCreationFailureAmbiguousUser":
		return "An internal user of the target holds the address of this user. Change one of the addresses."
	case "EntryConflict", "DuplicateSourceEntries":
		return "Another external user of the target holds the address or a unique value of this user."
	case "InvitationCreationFailureInvalidPropertyValue":
		return "A value of this user is not valid in the target. Correct it at the source or in the mapping."
	case "SchemaAttributeNotFound":
		return "The target has no such attribute. Create it there or remove the mapping."
	case "stale":
		return "The user was changed in the target at the same time, several times in a row."
	}
	return "The target refused the user: " + code + "."
}

// recommendation says what an administrator can do.
func recommendation(code string) string {
	switch code {
	case CodeForbidden, CodeInvitation:
		return "Ask the administrator of the target tenant to review external collaboration settings and cross-tenant access."
	case plan.InvalidAnchor:
		return "Provision the user on demand."
	case "ExpressionEvaluationFailed", "SchemaPropertyCanOnlyAcceptValue":
		return "Review the attribute mapping named in the details."
	}
	return "Correct the cause; the operation is tried again by itself, and at once when the source user changes."
}

// category is failure for faults of the service, nonServiceFailure for faults
// of data and configuration.
func category(code string) int16 {
	switch code {
	case CodeTooManyRequests, "Timeout", "InternalServerError", "InternalError", "WebExceptionProtocolError", "stale":
		return int16(syncpb.ProvisioningStatusErrorCategory_failure)
	}
	return int16(syncpb.ProvisioningStatusErrorCategory_nonServiceFailure)
}

// refusalFault says which rule of the target refuses a user.
func refusalFault(rule string) *failure {
	code := CodeInvitation
	if strings.Contains(lower(rule), "invit") {
		code = CodeForbidden
	}
	return &failure{code: code, reason: failureSentence(code), details: "Rule of the target tenant: " + rule}
}

// withheldDetails says which rule of the target keeps the address of a user.
func withheldDetails(rule string) string {
	return "The mail address was not written. Rule of the target tenant: " + rule
}

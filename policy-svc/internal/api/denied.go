package api

import (
	"context"

	policypb "entente.dev/proto/gen/entente/policy/v1"
)

// operations are the changes by the full name of their RPC, for refusals that
// are made before a handler runs.
var operations = map[string]operation{
	policypb.CrossTenantAccessPolicyService_UpdateCrossTenantAccessPolicy_FullMethodName: updateRoot,
	policypb.CrossTenantAccessPolicyService_UpdateDefault_FullMethodName:                 updateDefault,
	policypb.CrossTenantAccessPolicyService_ResetDefault_FullMethodName:                  resetDefault,
	policypb.CrossTenantAccessPolicyService_CreatePartner_FullMethodName:                 addPartner,
	policypb.CrossTenantAccessPolicyService_AddPartner_FullMethodName:                    addPartner,
	policypb.CrossTenantAccessPolicyService_RestorePartner_FullMethodName:                addPartner,
	policypb.CrossTenantAccessPolicyService_UpdatePartner_FullMethodName:                 updatePartner,
	policypb.CrossTenantAccessPolicyService_DeletePartner_FullMethodName:                 deletePartner,
	policypb.CrossTenantAccessPolicyService_PutIdentitySynchronization_FullMethodName:    createSync,
	policypb.CrossTenantAccessPolicyService_UpdateIdentitySynchronization_FullMethodName: updateSync,
	policypb.CrossTenantAccessPolicyService_DeleteIdentitySynchronization_FullMethodName: deleteSync,
	policypb.CollaborationPolicyService_UpdateAuthorizationPolicy_FullMethodName:         updateAuth,
	policypb.CollaborationPolicyService_UpdateExternalIdentitiesPolicy_FullMethodName:    changePolicy,
	policypb.CollaborationPolicyService_CreateB2BManagementPolicy_FullMethodName:         addDomainList,
	policypb.CollaborationPolicyService_UpdateB2BManagementPolicy_FullMethodName:         changePolicy,
	policypb.CollaborationPolicyService_DeleteB2BManagementPolicy_FullMethodName:         deleteDomain,
}

// Denied records a call that the access rules refused to a verified caller
// (POL-123).
func (j *Journal) Denied(ctx context.Context, fullMethod string, refusal error) {
	if op, ok := operations[fullMethod]; ok {
		j.Refused(ctx, op, refusal)
	}
}

package saga

import (
	"context"
	"errors"

	"entente.dev/invitation-svc/internal/invitation"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

// beginConversion has the directory invite an internal user, who goes on with
// the password until the account is bound (INV-33, INV-34). The directory
// refuses to begin twice, so a repeat asks whether it was begun.
func (s *Saga) beginConversion(ctx context.Context, t tenant.ID, i invitation.Invitation) error {
	_, err := retry(ctx, func() (*directorypb.User, error) {
		return s.Directory.BeginExternalConversion(ctx, &directorypb.BeginExternalConversionRequest{
			TenantId: t.String(), UserId: i.User.String(), Email: i.Address.Mailbox()})
	})
	if !fault.Is(err, errorspb.Reason_EXTERNAL_ACCOUNT) {
		return err
	}
	u, seenErr := s.Directory.GetExternalUser(ctx, &directorypb.GetExternalUserRequest{TenantId: t.String(), UserId: i.User.String()})
	if seenErr != nil {
		return errors.Join(seenErr, err)
	}
	if e := existing(i.User, u); e.Pending && e.Mail == i.Address.Key() {
		return nil
	}
	return err
}

package organization_test

import (
	"fmt"
	"testing"

	"entente.dev/directory-svc/internal/organization"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

func TestRoomForDomains(t *testing.T) {
	t.Parallel()
	home := &organization.Tenant{}
	for i := range 5000 {
		if err := home.CheckRoom(); err != nil {
			t.Fatal(i, err)
		}
		home.Domains = append(home.Domains, organization.Domain{Name: fmt.Sprintf("d%d.example", i)})
	}
	if err := home.CheckRoom(); !fault.Is(err, errorspb.Reason_PROPERTY_INVALID) {
		t.Error(err)
	}
}

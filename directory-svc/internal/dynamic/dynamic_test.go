package dynamic_test

import (
	"slices"
	"testing"
	"time"

	"entente.dev/directory-svc/internal/dynamic"
	"entente.dev/directory-svc/internal/object"
	"entente.dev/directory-svc/internal/user"
	"github.com/google/uuid"
)

func ptr[T any](v T) *T { return &v }

func TestSubjectAnswersWhatRulesCallDifferently(t *testing.T) {
	t.Parallel()
	boss := uuid.New()
	u := &user.User{ID: uuid.New(), DisplayName: "Ann", Type: user.Guest, AccountEnabled: true, FaxNumber: ptr("1"), MobilePhone: ptr("2"), OfficeLocation: ptr("3"),
		MailNickname: ptr("4"), BusinessPhones: []string{"5"}, IMAddresses: []string{"x:6", "SIP:7"}, ManagerID: &boss, OtherMails: []string{"a@x.example"}}
	u.ExtensionAttributes[14] = ptr("8")
	u.OnPremises.SyncEnabled = ptr(true)
	for _, text := range []string{`user.facsimileTelephoneNumber -eq "1"`, `user.mobile -eq "2"`, `user.physicalDeliveryOfficeName -eq "3"`, `user.mailNickName -eq "4"`,
		`user.telephoneNumber -eq "5"`, `user.sipProxyAddress -eq "sip:7"`, `user.extensionAttribute15 -eq "8"`, "user.dirSyncEnabled -eq true", "user.accountEnabled -eq true",
		`user.userType -eq "guest"`, `user.objectId -eq "` + u.ID.String() + `"`, `user.department -eq null`, `user.otherMails -any (_ -endsWith "@x.example")`,
		`Direct Reports for "` + boss.String() + `"`, `user.extension_0123456789abcdef0123456789abcdef_a -eq "9"`} {
		h, err := dynamic.NewHolder(uuid.Nil, object.Group, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		s := dynamic.Subject{User: u, Extensions: map[string]string{"extension_0123456789abcdef0123456789abcdef_a": "9"}}
		if !h.Holds(s, time.Now()) {
			t.Errorf("%s does not hold", text)
		}
		if gone := *u; true {
			gone.Deleted = ptr(time.Now())
			if h.Holds(dynamic.Subject{User: &gone}, time.Now()) || h.Holds(dynamic.Subject{}, time.Now()) {
				t.Errorf("%s holds for one who is gone", text)
			}
		}
	}
}

func TestHolderKnowsWhatItDependsOn(t *testing.T) {
	t.Parallel()
	group := uuid.New()
	for text, want := range map[string][]string{
		`user.mobile -eq "1" -or user.extensionAttribute3 -eq "2"`:           {"mobilePhone", "onPremisesExtensionAttributes"},
		`Direct Reports for "` + group.String() + `"`:                        {"manager"},
		`user.memberOf -any (group.objectId -in ['` + group.String() + `'])`: {},
		`user.department -eq "a" -and -not (user.department -eq "b")`:        {"department"},
	} {
		h, err := dynamic.NewHolder(uuid.Nil, object.Group, text)
		if err != nil || !slices.Equal(h.Properties(), want) {
			t.Errorf("%s: %v %v", text, h.Properties(), err)
		}
	}
}

func TestLimitsOfRules(t *testing.T) {
	t.Parallel()
	for s, ok := range map[dynamic.Sources]bool{{}: true, {Present: 499}: true, {Chained: true}: false, {Named: true}: false} {
		if (dynamic.CheckSources(s) == nil) != ok {
			t.Errorf("%+v", s)
		}
	}
}

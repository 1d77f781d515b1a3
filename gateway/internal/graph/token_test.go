package graph

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"testing"
)

// What a token claims is found again, and many tokens do not pile up.
func TestHolderRemembersTokens(t *testing.T) {
	request := func(tenant string) *http.Request {
		payload := base64.RawURLEncoding.EncodeToString([]byte(`{"tid":"` + tenant + `","appid":"app"}`))
		return &http.Request{Header: http.Header{"Authorization": {"Bearer x." + payload + ".y"}}}
	}
	for range 2 {
		for i := range maxHolders + 10 {
			want := "t-" + strconv.Itoa(i)
			if tenant, app := Holder(request(want)); tenant != want || app != "app" {
				t.Fatalf("%q %q, want %q", tenant, app, want)
			}
		}
	}
	if len(holders.of) > maxHolders {
		t.Errorf("%d tokens are remembered", len(holders.of))
	}
	if tenant, _ := Holder(&http.Request{Header: http.Header{"Authorization": {"Basic x"}}}); tenant != "" {
		t.Errorf("no token names %q", tenant)
	}
}

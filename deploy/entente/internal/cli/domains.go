package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

var domainActions = []action{
	{"list", "the domains of the tenant", listDomains},
	{"add <domain>", "add a domain, and say which DNS record proves it", addDomain},
	{"records <domain>", "the DNS record that proves a domain", domainRecords},
	{"verify <domain>", "look for the record, and take the domain into use", verifyDomain},
	{"remove <domain>", "remove a domain that nothing uses", removeDomain},
}

func domainPath(name string) string { return "/domains/" + url.PathEscape(name) }

func listDomains(ctx context.Context, args []string, s Streams) error {
	l := newLister("domains list", s, column{"domain", "id"}, column{"verified", "isVerified"}, column{"default", "isDefault"},
		column{"initial", "isInitial"}, column{"authentication", "authenticationType"})
	l.whole = true
	if _, err := l.open(args); err != nil {
		return err
	}
	return l.print(ctx, "/domains")
}

func addDomain(ctx context.Context, args []string, s Streams) error {
	l := newRecords("domains add", s)
	values, err := l.open(args, "domain")
	if err != nil {
		return err
	}
	var domain struct {
		Verified bool `json:"isVerified"`
	}
	if err := l.client.Do(ctx, http.MethodPost, "/domains", map[string]string{"id": values[0]}, &domain); err != nil {
		return err
	}
	if domain.Verified {
		// A domain below a verified one needs no proof of its own.
		return l.say("%s is in use", values[0])
	}
	return l.print(ctx, domainPath(values[0])+"/verificationDnsRecords")
}

func domainRecords(ctx context.Context, args []string, s Streams) error {
	l := newRecords("domains records", s)
	values, err := l.open(args, "domain")
	if err != nil {
		return err
	}
	return l.print(ctx, domainPath(values[0])+"/verificationDnsRecords")
}

// newRecords begins a list of DNS records.
func newRecords(name string, s Streams) *lister {
	l := newLister(name, s, column{"label", "label"}, column{"type", "recordType"}, column{"ttl", "ttl"},
		column{"text", "text"}, column{"mail exchange", "mailExchange"})
	l.whole = true
	return l
}

func verifyDomain(ctx context.Context, args []string, s Streams) error {
	f := newForm("domains verify", s)
	values, err := f.open(args, "domain")
	if err != nil {
		return err
	}
	var domain json.RawMessage
	if err := f.client.Do(ctx, http.MethodPost, domainPath(values[0])+"/verify", struct{}{}, &domain); err != nil {
		return err
	}
	return f.say("%s is verified", values[0])
}

func removeDomain(ctx context.Context, args []string, s Streams) error {
	var force bool
	f := newForm("domains remove", s)
	f.fs.BoolVar(&force, "force", false, "rename what uses the domain to the initial domain first")
	values, err := f.open(args, "domain")
	if err != nil {
		return err
	}
	if force {
		err = f.client.Do(ctx, http.MethodPost, domainPath(values[0])+"/forceDelete", map[string]bool{"disableUserAccounts": false}, nil)
	} else {
		err = f.client.Do(ctx, http.MethodDelete, domainPath(values[0]), nil, nil)
	}
	if err != nil {
		return err
	}
	return f.say("%s is removed", values[0])
}

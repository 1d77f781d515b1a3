package cli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"entente.dev/deploy/entente/internal/atomicfile"
	"entente.dev/deploy/entente/internal/operator"
	"github.com/google/uuid"
)

const tenantUsage = `usage: entente tenant <action> [options]

  create --name NAME --prefix PREFIX [--type workforce|external] [--country CC] [--admin NAME]
                      make a tenant with its first administrator
  list [--prefix P]   all tenants
  show <tenant-id>    everything known about one
  suspend <tenant-id> refuse every token of the tenant
  activate <tenant-id>
                      serve a suspended tenant again
  delete <tenant-id>  schedule the deletion in 30 days
  restore <tenant-id> take a scheduled deletion back
  application <tenant-id> [--name NAME] [--client-secret-file FILE]
                      make an application that may do everything in the tenant,
                      for the commands that work on its directory
`

func runTenant(ctx context.Context, args []string, s Streams) error {
	if len(args) == 0 {
		fmt.Fprint(s.Err, tenantUsage)
		return usagef("name an action")
	}
	action, rest := args[0], args[1:]
	switch action {
	case "create":
		return createTenant(ctx, rest, s)
	case "list":
		return listTenants(ctx, rest, s)
	case "show", "suspend", "activate", "delete", "restore":
		return actOnTenant(ctx, action, rest, s)
	case "application":
		return createApplication(ctx, rest, s)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(s.Out, tenantUsage)
		return nil
	}
	return usagef("there is no action %q; `entente tenant help` lists them", action)
}

func createTenant(ctx context.Context, args []string, s Streams) error {
	var (
		at     installation
		t      operator.NewTenant
		admin  operator.Administrator
		asJSON bool
		key    string
	)
	fs := flag.NewFlagSet("tenant create", flag.ContinueOnError)
	at.remoteFlags(fs)
	fs.StringVar(&t.DisplayName, "name", "", "name of the organization")
	fs.StringVar(&t.InitialDomainPrefix, "prefix", "", "first label of the initial domain, such as contoso")
	fs.StringVar(&t.TenantType, "type", "workforce", "workforce (members and guests) or external (customer accounts)")
	fs.StringVar(&t.CountryLetterCode, "country", "NL", "country of the organization, two letters")
	fs.StringVar(&admin.UserNamePrefix, "admin", "admin", "sign-in name of the first administrator, before the at sign")
	fs.StringVar(&admin.DisplayName, "admin-name", "Administrator", "name of the first administrator")
	fs.StringVar(&key, "idempotency-key", "", "repeat with the same key to get the same tenant (default: a new key)")
	fs.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	if _, err := parse(fs, args, s); err != nil {
		return err
	}
	if t.DisplayName == "" || t.InitialDomainPrefix == "" {
		return usagef("tenant create needs --name and --prefix")
	}
	if key == "" {
		key = uuid.NewString()
	}
	t.Administrator = &admin
	client, err := at.client()
	if err != nil {
		return err
	}
	created, err := client.CreateTenant(ctx, key, t)
	if err != nil {
		return fmt.Errorf("create tenant: %w", err)
	}
	if asJSON {
		return printJSON(s.Out, created)
	}
	fmt.Fprintf(s.Out, "tenant id       %s\ninitial domain  %s\nadministrator   %s\n",
		created.TenantID, created.InitialDomain, created.Administrator.UserPrincipalName)
	if p := created.Administrator.TemporaryPassword; p != "" {
		fmt.Fprintf(s.Out, "password        %s   (shown once; to be changed at the first sign-in)\n", p)
	}
	return nil
}

func listTenants(ctx context.Context, args []string, s Streams) error {
	var (
		at     installation
		prefix string
		asJSON bool
	)
	fs := flag.NewFlagSet("tenant list", flag.ContinueOnError)
	at.remoteFlags(fs)
	fs.StringVar(&prefix, "prefix", "", "only tenants whose initial domain begins so")
	fs.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	if _, err := parse(fs, args, s); err != nil {
		return err
	}
	client, err := at.client()
	if err != nil {
		return err
	}
	tenants, err := client.Tenants(ctx, prefix)
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	if asJSON {
		return printJSON(s.Out, tenants)
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT ID\tDOMAIN\tTYPE\tSTATE\tNAME")
	for _, t := range tenants {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.TenantID, t.InitialDomain, t.TenantType, t.State, t.DisplayName)
	}
	return w.Flush()
}

// actOnTenant carries out the actions that take a tenant and nothing else.
func actOnTenant(ctx context.Context, action string, args []string, s Streams) error {
	var at installation
	fs := flag.NewFlagSet("tenant "+action, flag.ContinueOnError)
	at.remoteFlags(fs)
	values, err := parse(fs, args, s, "tenant-id")
	if err != nil {
		return err
	}
	client, err := at.client()
	if err != nil {
		return err
	}
	id, done := values[0], ""
	switch action {
	case "show":
		var tenant json.RawMessage
		if tenant, err = client.Tenant(ctx, id); err == nil {
			return printJSON(s.Out, tenant)
		}
	case "suspend":
		err, done = client.SetState(ctx, id, "suspended"), "suspended"
	case "activate":
		err, done = client.SetState(ctx, id, "active"), "active"
	case "delete":
		err, done = client.DeleteTenant(ctx, id), "scheduled for deletion in 30 days"
	case "restore":
		err, done = client.RestoreTenant(ctx, id), "restored"
	}
	if err != nil {
		return fmt.Errorf("%s tenant: %w", action, err)
	}
	fmt.Fprintf(s.Out, "%s is %s\n", id, done)
	return nil
}

// createApplication makes the credentials of an administrator. Its secret is
// known this once: the file takes it where nobody else reads along.
func createApplication(ctx context.Context, args []string, s Streams) error {
	var (
		at           installation
		name, secret string
		asJSON       bool
	)
	fs := flag.NewFlagSet("tenant application", flag.ContinueOnError)
	at.remoteFlags(fs)
	fs.StringVar(&name, "name", "Administration", "name of the application")
	fs.StringVar(&secret, "client-secret-file", "", "new file for the secret, which is printed otherwise")
	fs.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	values, err := parse(fs, args, s, "tenant-id")
	if err != nil {
		return err
	}
	if _, err := os.Stat(secret); secret != "" && err == nil {
		return usagef("%s exists already", secret)
	}
	client, err := at.client()
	if err != nil {
		return err
	}
	app, err := client.CreateAdministratorApplication(ctx, values[0], name)
	if err != nil {
		return fmt.Errorf("create application: %w", err)
	}
	if secret != "" {
		if err := atomicfile.Write(secret, []byte(app.ClientSecret+"\n"), 0o600); err != nil {
			return err
		}
		app.ClientSecret = ""
	}
	if asJSON {
		return printJSON(s.Out, app)
	}
	fmt.Fprintf(s.Out, "tenant id      %s\nclient id      %s\n", values[0], app.AppID)
	if secret != "" {
		_, err = fmt.Fprintf(s.Out, "client secret  in %s\n", secret)
		return err
	}
	_, err = fmt.Fprintf(s.Out, "client secret  %s   (shown once)\n", app.ClientSecret)
	return err
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false) // links hold &
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	return nil
}

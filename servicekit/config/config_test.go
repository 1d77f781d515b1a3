package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type common struct {
	Listen string `env:"LISTEN" flag:"listen" default:"127.0.0.1:0" help:"address to listen on"`
}

type settings struct {
	common   // unexported embedded struct of exported settings is not read; Common below is
	Common   common
	DSN      string        `env:"DSN" secret:"true" required:"true" help:"database"`
	Drain    time.Duration `env:"DRAIN" flag:"drain" default:"10s" help:"time to finish calls"`
	Verbose  bool          `env:"VERBOSE" flag:"verbose" help:"say more"`
	Conns    int32         `env:"CONNS" flag:"conns" default:"8" help:"connections"`
	Audience []string      `env:"AUDIENCE" flag:"audience" help:"accepted audiences"`
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte("postgres://secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got settings
	err := Load("policy", &got, []string{"--drain", "5s", "--verbose"}, []string{
		"PATH=/bin", "ENTENTE_POLICY_DRAIN=7s", "ENTENTE_POLICY_CONNS=3", "ENTENTE_POLICY_DSN_FILE=" + file,
		"ENTENTE_POLICY_AUDIENCE=a, b,", "ENTENTE_TEST_DSN=x"})
	if err != nil {
		t.Fatal(err)
	}
	want := settings{Common: common{Listen: "127.0.0.1:0"}, DSN: "postgres://secret", Drain: 5 * time.Second, Verbose: true, Conns: 3,
		Audience: []string{"a", "b"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{})); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args, environ []string
		says          string
	}{
		"an unknown variable":             {nil, []string{"ENTENTE_DSN=x", "ENTENTE_DRIAN=5s"}, "ENTENTE_DRIAN"},
		"a variable of another prefix":    {nil, []string{"ENTENTE_DSN=x", "ENTENTE_POLICY_DSN=x"}, "ENTENTE_POLICY_DSN"},
		"an unknown file variable":        {nil, []string{"ENTENTE_DSN=x", "ENTENTE_LISTENER_FILE=/x"}, "ENTENTE_LISTENER_FILE"},
		"a missing setting":               {nil, nil, "ENTENTE_DSN is required"},
		"value and file at once":          {nil, []string{"ENTENTE_DSN=x", "ENTENTE_DSN_FILE=/dev/null"}, "both"},
		"a file that is not there":        {nil, []string{"ENTENTE_DSN_FILE=/nonexistent"}, "ENTENTE_DSN_FILE"},
		"a bad duration":                  {[]string{"--drain", "soon"}, []string{"ENTENTE_DSN=x"}, "ENTENTE_DRAIN"},
		"a number out of range":           {[]string{"--conns", "9999999999"}, []string{"ENTENTE_DSN=x"}, "ENTENTE_CONNS"},
		"an unknown flag":                 {[]string{"--lisen", "x"}, []string{"ENTENTE_DSN=x"}, "lisen"},
		"a word that belongs to no flag":  {[]string{"serve"}, []string{"ENTENTE_DSN=x"}, "serve"},
		"a secret given as a flag":        {[]string{"--dsn", "x"}, nil, "dsn"},
		"a boolean that is neither value": {nil, []string{"ENTENTE_DSN=x", "ENTENTE_VERBOSE=maybe"}, "ENTENTE_VERBOSE"},
	} {
		var got settings
		err := load("", &got, tc.args, tc.environ, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHelpNamesFlagAndVariable(t *testing.T) {
	t.Parallel()
	var help bytes.Buffer
	err := load("", &settings{}, []string{"--help"}, nil, &help)
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "ENTENTE_DRAIN") || !strings.Contains(help.String(), "-drain") {
		t.Errorf("%v\n%s", err, help.String())
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	text := fmt.Sprint(Attrs(&settings{DSN: "canary", Conns: 3}))
	if strings.Contains(text, "canary") || !strings.Contains(text, "dsn=***") || !strings.Contains(text, "conns=3") {
		t.Error(text)
	}
}

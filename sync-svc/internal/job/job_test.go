package job

import (
	"strings"
	"testing"
	"time"

	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestStateMachine(t *testing.T) {
	t.Parallel()
	target := tenant.New()
	done := &Execution{}
	cases := []struct {
		name  string
		from  Job
		event func(Job) Job
		state State
		code  Code
	}{
		{"SYN-140: start a configured job", Job{State: Disabled, Code: CodePaused, Target: target}, start, Active, NotRun},
		{"SYN-140: start one that ran before", Job{State: Paused, Code: CodePaused, Target: target, LastSuccess: done}, start, Active, CodeActive},
		{"SYN-141: start without a target", Job{State: Disabled, Code: CodePaused}, start, Active, NotConfigured},
		{"SYN-142: start an active one", Job{State: Active, Code: CodeActive, Target: target, LastSuccess: done}, start, Active, CodeActive},
		{"SYN-144: pause", Job{State: Active, Code: CodeActive, Target: target}, pause, Paused, CodePaused},
		{"SYN-151: pause a disabled one", Job{State: Disabled, Code: CodePaused}, pause, Disabled, CodePaused},
		{"SYN-147: start in quarantine", Job{State: Active, Code: CodeQuarantined, Target: target, LastSuccess: done, Quarantine: &Quarantine{}}, start, Active, CodeActive},
		{"SYN-149: restart a disabled one", Job{State: Disabled, Code: CodePaused, Target: target}, func(j Job) Job { return Restart(j, ResetWatermark, now) }, Active, NotRun},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := c.event(c.from)
			if got.State != c.state || got.Code != c.code {
				t.Errorf("state %d code %d, want %d %d", got.State, got.Code, c.state, c.code)
			}
		})
	}
}

func start(j Job) Job { j, _ = Start(j, now); return j }
func pause(j Job) Job { j, _ = Pause(j); return j }

func TestResetScope(t *testing.T) {
	t.Parallel()
	cases := map[string]Reset{
		"":                   ResetEscrows | ResetWatermark | ResetQuarantine,
		"watermark, escrows": ResetWatermark | ResetEscrows, // A50
		"Full":               ResetLinks | ResetEscrows | ResetWatermark | ResetQuarantine,
		"ForceDeletes":       ResetForceDeletes,
		"None":               0,
	}
	for text, want := range cases {
		if got, err := ParseReset(text); err != nil || got != want {
			t.Errorf("%q = %b, %v, want %b", text, got, err, want)
		}
	}
	if _, err := ParseReset("Foo"); err == nil {
		t.Error("A50: Foo accepted")
	}
}

func TestQuarantineSeries(t *testing.T) {
	t.Parallel()
	j := Job{State: Active, Target: tenant.New()}
	at := now
	for _, hours := range []int{6, 12, 24, 48} {
		j = Enter(j, "EncounteredQuarantineException", "X", "m", at)
		if got := j.Quarantine.NextAttempt.Sub(now); got != time.Duration(hours)*time.Hour {
			t.Fatalf("attempt %d after %s, want %d h", j.Quarantine.SeriesCount, got, hours)
		}
		at = j.Quarantine.NextAttempt
	}
	j = Enter(j, "EncounteredQuarantineException", "X", "m", now.Add(28*24*time.Hour))
	if j.State != Disabled || j.Code != CodeQuarantined || j.Quarantine == nil {
		t.Errorf("after 28 days: state %d, code %d", j.State, j.Code)
	}
}

func TestMergeReplacesTheWholeSet(t *testing.T) {
	t.Parallel()
	stored := map[string]string{"SecretToken": "s3cret", "SyncAll": "true", "Domain": "x"}
	got, err := Merge(stored, []Setting{{"SecretToken", "*"}, {"SyncAll", ""}, {"CompanyId", "7d1f1d4b-3a0e-4a7a-9d0c-0f6ad6a0c001"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"SecretToken": "s3cret", "CompanyId": "7d1f1d4b-3a0e-4a7a-9d0c-0f6ad6a0c001"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("A12 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Setting{{"SecretToken", "*"}, {"SyncAll", "true"}}, Shown(map[string]string{"SecretToken": "x", "SyncAll": "true"})); diff != "" {
		t.Errorf("A12 (-want +got):\n%s", diff)
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string][]Setting{
		"an unknown key":         {{"Nope", "x"}},
		"a key given twice":      {{"Domain", "x"}, {"domain", "y"}},
		"a SyncAll of maybe":     {{"SyncAll", "maybe"}},
		"a CompanyId of no GUID": {{"CompanyId", "x"}},
		"settings of no JSON":    {{"SyncNotificationSettings", "{"}},
		"a threshold of zero":    {{"SyncNotificationSettings", `{"DeleteThresholdValue":0}`}},
		"eleven recipients":      {{"SyncNotificationSettings", `{"Recipients":"` + strings.Repeat("a@x.example;", 11) + `"}`}},
		"more than 64 KiB":       {{"Domain", strings.Repeat("x", 65<<10)}},
	}
	for name, sent := range cases {
		if _, err := Merge(nil, sent); err == nil {
			t.Errorf("%s accepted", name)
		}
	}
}

func TestMergeSettings(t *testing.T) {
	t.Parallel()
	stored := map[string]string{"LookaheadQueryEnabled": "False", "entente.adoptPending": "True", "nonsense": strings.Repeat("x", 65<<10)}
	got, err := MergeSettings(stored, []Setting{{"ENTENTE.adoptpending", "False"}, {"entente.minFailures", "10"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"LookaheadQueryEnabled": "False", "entente.adoptPending": "False", "entente.minFailures": "10"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SYN-17 (-want +got):\n%s", diff)
	}
	if len(stored) != 3 || stored["entente.adoptPending"] != "True" {
		t.Errorf("the stored settings were changed: %v", stored)
	}
	for name, sent := range map[string][]Setting{
		"an unknown name":                 {{"entente.nope", "x"}},
		"a switch of maybe":               {{"entente.includeInternalGuests", "maybe"}},
		"a figure that is none":           {{"entente.minFailures", "many"}},
		"more than 64 KiB in one":         {{"LookaheadQueryEnabled", strings.Repeat("x", 65<<10)}},
		"more than 64 KiB in two":         {{"LookaheadQueryEnabled", strings.Repeat("x", 33<<10)}, {"AzureIngestionAttributeOptimization", strings.Repeat("x", 33<<10)}},
		"an unknown name after a known":   {{"entente.adoptPending", "True"}, {"", ""}},
		"an empty value of what is asked": {{"entente.adoptPending", ""}},
	} {
		if _, err := MergeSettings(nil, sent); err == nil {
			t.Errorf("%s accepted", name)
		}
	}
}

func TestReadHasDefaults(t *testing.T) {
	t.Parallel()
	m := Read(nil, nil)
	if m.SyncAll || !m.Guard.Enabled || m.Guard.Threshold != 0 || !m.DeprovisionDisabled || m.IncludeInternalGuests || !m.AdoptPending {
		t.Errorf("defaults %+v", m)
	}
	m = Read(map[string]string{"SyncNotificationSettings": `{"Enabled":true,"DeleteThresholdEnabled":true,"DeleteThresholdValue":3}`, "SyncAll": "True"},
		map[string]string{"entente.deprovisionDisabled": "False", "entente.minFailures": "10"})
	if !m.SyncAll || m.Guard.Threshold != 3 || m.DeprovisionDisabled || m.MinFailures != 10 {
		t.Errorf("read %+v", m)
	}
}

func TestProgressNeverFallsBack(t *testing.T) {
	t.Parallel()
	c := Cycle{TotalObjects: 1000}
	last := int64(-1)
	for range 12 {
		done, total := c.Progress()
		if done < last || done > total || c.Imported < c.TotalObjects && done == total {
			t.Fatalf("after %d of %d objects: %d of %d pages, before %d", c.Imported, c.TotalObjects, done, total, last)
		}
		last = done
		c.Imported += 100
	}
}

func TestJobID(t *testing.T) {
	t.Parallel()
	s := tenant.MustParse("7d1f1d4b-3a0e-4a7a-9d0c-0f6ad6a0c001")
	key := uuid.MustParse("11111111-2222-3333-4444-555555555555")
	if got, want := NewID("Azure2Azure", s, key), "Azure2Azure.7d1f1d4b3a0e4a7a9d0c0f6ad6a0c001.11111111-2222-3333-4444-555555555555"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

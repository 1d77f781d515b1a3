package report_test

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"entente.dev/deploy/bench/internal/report"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"of nothing is zero", nil, 0},
		{"of one is that one", []float64{7}, 7},
		{"of an odd number is the middle", []float64{9, 1, 5}, 5},
		{"of two is their mean, not the upper", []float64{10, 20}, 15},
		{"of an even number is the mean of the middle two", []float64{8, 1, 4, 100}, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tt.values)
			if got := report.Median(tt.values); got != tt.want {
				t.Errorf("Median(%v) = %v, want %v", tt.values, got, tt.want)
			}
			if !slices.Equal(before, tt.values) {
				t.Errorf("the values were reordered: %v", tt.values)
			}
		})
	}
}

func TestRatiosPairTheValuesOfARound(t *testing.T) {
	t.Parallel()
	r := report.Row{Rates: []float64{50, 10}, Floors: []float64{100, 40}}
	if got := r.Ratios(); !slices.Equal(got, []float64{50, 25}) {
		t.Errorf("row: %v", got)
	}
	c := report.Comparison{SmallMs: []float64{2, 4}, LargeMs: []float64{3, 4}}
	if got := c.Ratios(); !slices.Equal(got, []float64{1.5, 1}) {
		t.Errorf("comparison: %v", got)
	}
}

func sample() *report.Report {
	return &report.Report{
		Rows: []report.Row{
			{Operation: "get user", Target: "≥ 12 %", Clients: 8, Rates: []float64{100, 300}, Floors: []float64{1000, 1000}, P50: []float64{1, 2}, P99: []float64{5, 6}},
			{Operation: "token", Clients: 1, Rates: []float64{42}, P50: []float64{0.456}, P99: []float64{9}},
		},
		Comparisons: []report.Comparison{{Operation: "list", Small: "1 000 users", Large: "2 000 users", Target: "≤ 1.1", SmallMs: []float64{1}, LargeMs: []float64{1.05}}},
		Facts:       []report.Fact{{Name: "users synchronized", Unit: "users/s", Target: "≥ 2 000", Values: []float64{2100.4}}, {Name: "overhead", Unit: "ms", Values: []float64{0.31, 0.33, 0.32}}},
		Missing:     []string{"delta page: not served"},
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	const want = `| operation | c | suite /s | floor /s | ratio % (range) | p50 ms | p99 ms | target |
|---|---|---|---|---|---|---|---|
| get user | 8 | 200 | 1000 | 20.0 (10.0–30.0) | 1.50 | 5.50 | ≥ 12 % |
| token | 1 | 42 | – | – | 0.46 | 9.00 |  |

| operation | small | large | p50 ms small | p50 ms large | ratio (range) | target |
|---|---|---|---|---|---|---|
| list | 1 000 users | 2 000 users | 1.00 | 1.05 | 1.05 | ≤ 1.1 |

| figure | median (range) | unit | target |
|---|---|---|---|
| users synchronized | 2100 | users/s | ≥ 2 000 |
| overhead | 0.32 (0.31–0.33) | ms |  |

Not measured: delta page: not served
`
	var b bytes.Buffer
	if err := sample().Markdown(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestEmptyReportIsEmpty(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := (&report.Report{}).Markdown(&b); err != nil || b.Len() > 0 {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestJSONKeepsEveryRound(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Rows[0].Rates, []float64{100, 300}) || !slices.Equal(got.Facts[1].Values, []float64{0.31, 0.33, 0.32}) || got.Comparisons[0].Large != "2 000 users" {
		t.Errorf("got %+v", got)
	}
}

func TestMillisecondsKeepFractions(t *testing.T) {
	t.Parallel()
	if got := report.Milliseconds(1234 * time.Microsecond); math.Abs(got-1.234) > 1e-9 {
		t.Errorf("got %v", got)
	}
}

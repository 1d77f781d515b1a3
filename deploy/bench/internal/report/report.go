package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Report is all that one bench measured.
type Report struct {
	// Arguments of the bench, Started and CPUs tell runs apart.
	Arguments   []string     `json:"arguments"`
	Started     time.Time    `json:"started"`
	CPUs        int          `json:"cpus"`
	Rows        []Row        `json:"rows,omitempty"`
	Comparisons []Comparison `json:"comparisons,omitempty"`
	Facts       []Fact       `json:"facts,omitempty"`
	// Missing names what could not be measured, with the reason.
	Missing []string `json:"missing,omitempty"`
}

// Row is what one operation showed at one concurrency, a value per round.
type Row struct {
	Operation string    `json:"operation"`
	Target    string    `json:"target,omitempty"`
	Clients   int       `json:"clients"`
	Rates     []float64 `json:"rates"`            // calls per second
	Floors    []float64 `json:"floors,omitempty"` // transactions per second of the floor
	P50       []float64 `json:"p50Ms"`
	P99       []float64 `json:"p99Ms"`
}

// Ratios are the rates in percent of the floor of the same round.
func (r Row) Ratios() []float64 {
	out := make([]float64, 0, len(r.Floors))
	for i, f := range r.Floors {
		out = append(out, 100*r.Rates[i]/f)
	}
	return out
}

// Comparison is the median time of one operation on two sizes of data that
// took turns call by call, a value per round.
type Comparison struct {
	Operation string    `json:"operation"`
	Small     string    `json:"small"` // what the first size is
	Large     string    `json:"large"`
	Target    string    `json:"target,omitempty"`
	SmallMs   []float64 `json:"smallP50Ms"`
	LargeMs   []float64 `json:"largeP50Ms"`
}

// Ratios are how many times as long the large took in each round.
func (c Comparison) Ratios() []float64 {
	out := make([]float64, 0, len(c.LargeMs))
	for i, l := range c.LargeMs {
		out = append(out, l/c.SmallMs[i])
	}
	return out
}

// Fact is one figure that stands by itself, a value per round.
type Fact struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Target string    `json:"target,omitempty"`
	Values []float64 `json:"values"`
}

// Median is the middle value, of an even number the mean of the two in the
// middle; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// Milliseconds is the unit of all times of a report.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Markdown writes the tables, those without a line left out.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	if len(r.Rows) > 0 {
		head(&b, "operation", "c", "suite /s", "floor /s", "ratio % (range)", "p50 ms", "p99 ms", "target")
	}
	for _, x := range r.Rows {
		floor, ratio := "–", "–"
		if len(x.Floors) > 0 {
			floor, ratio = fmt.Sprintf("%.0f", Median(x.Floors)), spread(x.Ratios(), "%.1f")
		}
		line(&b, x.Operation, fmt.Sprint(x.Clients), fmt.Sprintf("%.0f", Median(x.Rates)), floor, ratio,
			fmt.Sprintf("%.2f", Median(x.P50)), fmt.Sprintf("%.2f", Median(x.P99)), x.Target)
	}
	if len(r.Comparisons) > 0 {
		head(&b, "operation", "small", "large", "p50 ms small", "p50 ms large", "ratio (range)", "target")
	}
	for _, c := range r.Comparisons {
		line(&b, c.Operation, c.Small, c.Large, fmt.Sprintf("%.2f", Median(c.SmallMs)), fmt.Sprintf("%.2f", Median(c.LargeMs)),
			spread(c.Ratios(), "%.2f"), c.Target)
	}
	if len(r.Facts) > 0 {
		head(&b, "figure", "median (range)", "unit", "target")
	}
	for _, f := range r.Facts {
		line(&b, f.Name, spread(f.Values, digits(Median(f.Values))), f.Unit, f.Target)
	}
	if len(r.Missing) > 0 && b.Len() > 0 {
		b.WriteByte('\n')
	}
	for _, m := range r.Missing {
		b.WriteString("Not measured: " + m + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes everything, the value of each round included.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func line(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// head begins a table, apart from what stands before it.
func head(b *strings.Builder, cells ...string) {
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	line(b, cells...)
	b.WriteString("|" + strings.Repeat("---|", len(cells)) + "\n")
}

// spread shows the median and, when there is more than one value, the range.
func spread(values []float64, format string) string {
	if len(values) == 0 {
		return "–"
	}
	median := fmt.Sprintf(format, Median(values))
	if len(values) == 1 {
		return median
	}
	return median + " (" + fmt.Sprintf(format, slices.Min(values)) + "–" + fmt.Sprintf(format, slices.Max(values)) + ")"
}

// digits leaves about three that count.
func digits(v float64) string {
	switch {
	case v >= 100 || v == 0:
		return "%.0f"
	case v >= 10:
		return "%.1f"
	}
	return "%.2f"
}

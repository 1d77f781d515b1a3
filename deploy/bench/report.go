package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// row is what one operation showed at one concurrency.
type row struct {
	operation, target string
	concurrency       int
	rates, floors     []float64
	p50, p99          []time.Duration
}

func (r row) ratios() []float64 {
	out := make([]float64, 0, len(r.floors))
	for i, f := range r.floors {
		out = append(out, 100*r.rates[i]/f)
	}
	return out
}

func median[T float64 | time.Duration](v []T) T {
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

// write prints the table as Markdown, so that it can stand in a README as is.
func write(w io.Writer, rows []row) {
	fmt.Fprintln(w, "| operation | c | suite /s | floor /s | ratio % (range) | p50 ms | p99 ms | target |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		bottom, ratio := "–", "–"
		if len(r.floors) > 0 {
			all := r.ratios()
			bottom = fmt.Sprintf("%.0f", median(r.floors))
			ratio = fmt.Sprintf("%.1f (%.1f–%.1f)", median(all), slices.Min(all), slices.Max(all))
		}
		fmt.Fprintln(w, "| "+strings.Join([]string{
			r.operation, fmt.Sprint(r.concurrency), fmt.Sprintf("%.0f", median(r.rates)), bottom, ratio,
			milliseconds(median(r.p50)), milliseconds(median(r.p99)), r.target,
		}, " | ")+" |")
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }

// Package report holds what a bench measured and writes it as Markdown tables,
// which can stand in a README as they are, and as JSON.
package report

// Package bulk reads and writes the CSV of bulk operations (DIR-215, DIR-216):
// which columns each kind has, what a file must look like before anything
// runs, and how results are written. What a row does is not known here.
package bulk

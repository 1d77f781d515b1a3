// Package sheet reads the CSV files that people fill in and writes those they
// get back: a version in row 1, headings in row 2, RFC 4180 below. A Format
// names the columns and the limits of a kind of file. What a row means is not
// known here. Start reading at Format.Parse.
package sheet

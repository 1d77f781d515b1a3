// Package bulk knows the kinds of bulk operations (DIR-215): which columns the
// CSV of each has and how the audit log names it. Files are read and written
// by servicekit's package sheet; what a row does is not known here.
package bulk

// Package delta turns what happened to objects into what a client of a delta
// list is told (DIR-208 to DIR-213): where a token stands, what it remembers
// of the first request, and how a page of the change feed folds into one entry
// per object.
package delta

// Package throttle is the arithmetic of the limits in INV-57 and INV-79: so
// many events per sliding window. Events are counted in buckets of a sixtieth
// of the window, one short row each in the store. A limit is never exceeded:
// the oldest bucket counts in full until it has left the window whole.
//
// Subjects are counted under a keyed digest (Subject), never in clear.
package throttle

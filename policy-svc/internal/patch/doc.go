// Package patch knows what changes are: what a request says about one property
// (absent keeps, null clears: POL-5), and how a change is told in an audit
// record (POL-121).
package patch

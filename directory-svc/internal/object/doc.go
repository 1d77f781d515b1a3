// Package object names the types of directory objects. Links, addresses and
// the change feed refer to objects of several types by type and id.
package object

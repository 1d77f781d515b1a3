// Package api answers the RPCs of directory-svc. A handler authorizes the
// caller on the object, loads what the rules need, lets a rule package decide,
// saves, and answers. The conversions between messages and the domain live
// here, one file per resource.
package api

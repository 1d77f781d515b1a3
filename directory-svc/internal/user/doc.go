// Package user holds the rules of users: members, guests and customers of a
// tenant (DIR-34 to DIR-84). It knows what a valid user looks like, how a
// guest's name is made from an invited address, what an external identity
// binds and unbinds, and what may be changed. Values go in, values or faults
// come out; what must be looked up is looked up before.
//
// Start with User, then New, Update and the life of external users in
// external.go.
package user

// Package cli is the command line of the program: it reads the arguments of
// one command, carries it out and says how it ended. `up` runs a suite (package
// suite), `tenant` and `token` speak to one as its operator (package operator),
// all others as the administrator of one tenant (package graph). `graph` sends
// any request; `users`, `groups` and the like are short forms of frequent ones.
//
// A command that worked exits with 0, one that failed with 1, and one that was
// called wrongly with 2. 78 says that the machine lacks something the program
// names.
package cli

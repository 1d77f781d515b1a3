// Package cli is the command line of the program: it reads the arguments of
// one command, carries it out and says how it ended. `up` runs a suite (package
// suite); the other commands speak to one as its operator (package operator).
//
// A command that worked exits with 0, one that failed with 1, and one that was
// called wrongly with 2. 78 says that the machine lacks something the program
// names.
package cli

// Package expression is the language of attribute mappings: what a
// provisioning expression such as `Join(" ", [givenName], [surname])` means.
//
// Parse turns text into a tree and refuses what the grammar or a function's
// signature does not allow, saying where and what was probably meant. Compile
// turns a tree into closures once; the result evaluates millions of objects
// without looking at the text again. An evaluation is bounded in steps and in
// output, performs no I/O, and takes time and random bytes from its Env.
//
// The package knows no directory, no schema and no job: which attributes exist
// is the business of package mapping. Start reading at parse.go, then
// compile.go; functions.go is the table of the language.
package expression

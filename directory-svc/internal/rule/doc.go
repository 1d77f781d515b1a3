// Package rule is the language of dynamic membership rules (DIR-142 to
// DIR-154): Parse turns the text an administrator wrote into a Rule, Match
// says whether an object is a member. Both are pure. Mistakes are found when
// a rule is parsed, with their position; a parsed rule always has an answer.
//
// lex.go cuts the text into tokens, parse.go builds conditions out of them,
// property.go lists what can be asked about a user and condition.go what the
// operators mean. Who evaluates rules, and when, is not known here.
package rule

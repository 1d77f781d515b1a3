// Package config fills a settings struct from flags, the environment and
// defaults, in this order of precedence.
//
// A field takes part by its tags: `env:"LISTEN"` is read from ENTENTE_LISTEN
// (or with a prefix, ENTENTE_POLICY_LISTEN), `flag:"listen"` from --listen;
// `default`, `help` and `required:"true"` say what they say. A field with
// `secret:"true"` has no flag, since command lines are public, and is masked
// when settings are logged. Every variable may be given as NAME_FILE instead,
// which names a file with the value. Unknown ENTENTE_ variables stop the
// process: a misspelt setting is never silently the default.
//
// Types: string, bool, int, int32, int64, uint16, float64, time.Duration, []string (comma
// separated), and structs of these, embedded or named.
package config

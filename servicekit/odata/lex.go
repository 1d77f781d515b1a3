package odata

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokEnd    tokenKind = iota
	tokWord             // a name, an operator, or a bare literal
	tokString           // text without its quotes
	tokPunct            // one of ( ) , : /
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// lex splits a filter. It answers the position of the first character that
// begins no token, or -1.
func lex(s string) ([]token, int) {
	out := make([]token, 0, len(s)/4+2)
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case strings.IndexByte("(),:/", c) >= 0:
			out = append(out, token{tokPunct, s[i : i+1], i})
			i++
		case c == '\'':
			text, n := quoted(s[i:])
			if n == 0 {
				return nil, i
			}
			out = append(out, token{tokString, text, i})
			i += n
		default:
			n := word(s[i:])
			if n == 0 {
				return nil, i
			}
			out = append(out, token{tokWord, s[i : i+n], i})
			i += n
		}
	}
	return append(out, token{tokEnd, "", len(s)}), -1
}

// quoted reads a string whose quotes are doubled inside; n is 0 if it does
// not end or is no text.
func quoted(s string) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		if text := b.String(); utf8.ValidString(text) && !strings.ContainsRune(text, 0) {
			return text, i + 1
		}
		return "", 0
	}
	return "", 0
}

// word measures a run of name and literal characters. A colon belongs to it
// only in a time of day, which begins with a digit.
func word(s string) int {
	digit := s[0] >= '0' && s[0] <= '9'
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.', c == '$', c == '@', c == '+':
		case c == ':' && digit:
		default:
			return i
		}
	}
	return len(s)
}

package rule

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	end      kind = iota
	word          // keyword, operator without its dash, property, unquoted value
	operator      // word that began with a dash
	text          // quoted string, unescaped
	number        // begins with a digit: number or time
	punct         // one of ( ) [ ] , /
)

// token is a piece of the rule with the place it began at, counted in
// characters from 1.
type token struct {
	kind  kind
	value string
	at    int
	raw   string
}

func (t token) is(mark string) bool { return t.kind == punct && t.value == mark }

// names says whether the token is the keyword or operator, whose dash may be
// missing (DIR-143).
func (t token) names(keyword string) bool {
	return (t.kind == word || t.kind == operator) && strings.EqualFold(t.value, keyword)
}

type lexer struct {
	rest string
	at   int
}

// tokens cuts the whole rule, so that later stages can look ahead freely.
func tokens(source string) ([]token, error) {
	l := lexer{rest: source, at: 1}
	var all []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		if t.kind == end {
			return all, nil
		}
	}
}

func (l *lexer) next() (token, error) {
	l.skip(unicode.IsSpace)
	if l.rest == "" {
		return token{kind: end, at: l.at}, nil
	}
	at, before := l.at, l.rest
	r, _ := utf8.DecodeRuneInString(l.rest)
	t := token{at: at}
	switch {
	case strings.ContainsRune("()[],", r):
		l.take()
		t.kind, t.value = punct, string(r)
	case r == '"' || r == '\'':
		value, err := l.quoted(r)
		if err != nil {
			return token{}, err
		}
		t.kind, t.value = text, value
	case r == '-' || r == '–':
		l.take()
		t.kind, t.value = operator, l.skip(isWord)
		if t.value == "" {
			return token{}, &SyntaxError{At: at, Token: string(r), Problem: "an operator was expected after the dash"}
		}
	case unicode.IsDigit(r):
		t.kind, t.value = number, l.skip(isNumber)
	case isWord(r) || r == '$':
		l.take()
		t.kind, t.value = word, string(r)+l.skip(isWord)
	default:
		return token{}, &SyntaxError{At: at, Token: string(r), Problem: "the character has no meaning here"}
	}
	t.raw = before[:len(before)-len(l.rest)]
	return t, nil
}

func (l *lexer) take() rune {
	r, size := utf8.DecodeRuneInString(l.rest)
	l.rest, l.at = l.rest[size:], l.at+1
	return r
}

// skip takes characters as long as they fit and answers them.
func (l *lexer) skip(fits func(rune) bool) string {
	before := l.rest
	for l.rest != "" {
		r, _ := utf8.DecodeRuneInString(l.rest)
		if !fits(r) {
			break
		}
		l.take()
	}
	return before[:len(before)-len(l.rest)]
}

// quoted takes a string: in double quotes a backtick escapes the character
// that follows, in single quotes a doubled quote stands for one (DIR-145).
func (l *lexer) quoted(quote rune) (string, error) {
	at := l.at
	l.take()
	var b strings.Builder
	for l.rest != "" {
		r := l.take()
		switch {
		case r == '`' && quote == '"' && l.rest != "":
			r = l.take()
		case r == quote:
			if quote == '"' || !strings.HasPrefix(l.rest, "'") {
				return b.String(), nil
			}
			l.take()
		}
		b.WriteRune(r)
	}
	return "", &SyntaxError{At: at, Token: string(quote), Problem: "the string has no end"}
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func isNumber(r rune) bool { return isWord(r) || strings.ContainsRune(":+-", r) }

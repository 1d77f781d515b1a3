package graph

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Limits of a JSON body (security.md §4.5).
const (
	maxDepth    = 32
	maxElements = 10_000
	maxKey      = 256
)

// scanner reads JSON from a byte slice, strictly: RFC 8259, UTF-8 only, no
// duplicate member names, within the limits above. It allocates nothing but
// the strings it answers.
type scanner struct {
	data     []byte
	pos      int
	depth    int
	elements int
}

// Malformed is the text for a body that is no JSON, as Graph says it.
const Malformed = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."

func badJSON() error { return fault.Invalid(errorspb.Reason_BAD_REQUEST, Malformed) }

func tooComplex(what string) error {
	return fault.Invalid(errorspb.Reason_BAD_REQUEST, "The request payload exceeds the limit: %s.", what)
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek answers the first byte of the next value, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.peek() != 0 || s.pos < len(s.data) {
		return badJSON()
	}
	return nil
}

func (s *scanner) element() error {
	if s.elements++; s.elements > maxElements {
		return tooComplex(fmt.Sprintf("%d elements", maxElements))
	}
	return nil
}

// object reads an object and calls member for each name, which must consume
// the value.
func (s *scanner) object(member func(name string) error) error {
	if s.peek() != '{' {
		return badJSON()
	}
	s.pos++
	if s.depth++; s.depth > maxDepth {
		return tooComplex(fmt.Sprintf("%d levels", maxDepth))
	}
	defer func() { s.depth-- }()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	var few [16]string
	names := few[:0]
	var many map[string]struct{}
	for {
		if s.peek() != '"' {
			return badJSON()
		}
		name, err := s.string()
		if err != nil {
			return err
		}
		if len(name) > maxKey {
			return tooComplex(fmt.Sprintf("member names of %d bytes", maxKey))
		}
		if err := s.element(); err != nil {
			return err
		}
		duplicate := false
		if many == nil {
			for _, n := range names {
				duplicate = duplicate || n == name
			}
			if names = append(names, name); len(names) > len(few)-1 {
				many = make(map[string]struct{}, 2*len(names))
				for _, n := range names {
					many[n] = struct{}{}
				}
			}
		} else {
			_, duplicate = many[name]
			many[name] = struct{}{}
		}
		if duplicate {
			return fault.Invalid(errorspb.Reason_BAD_REQUEST, "The property '%s' appears more than once in an object.", clip(name))
		}
		if s.peek() != ':' {
			return badJSON()
		}
		s.pos++
		s.space()
		if err := member(name); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return badJSON()
		}
	}
}

// array reads an array and calls item before each element, which it must
// consume.
func (s *scanner) array(item func(i int) error) error {
	if s.peek() != '[' {
		return badJSON()
	}
	s.pos++
	if s.depth++; s.depth > maxDepth {
		return tooComplex(fmt.Sprintf("%d levels", maxDepth))
	}
	defer func() { s.depth-- }()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for i := 0; ; i++ {
		if err := s.element(); err != nil {
			return err
		}
		s.space()
		if err := item(i); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return badJSON()
		}
	}
}

// skip consumes any value.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(func(string) error { return s.skip() })
	case c == '[':
		return s.array(func(int) error { return s.skip() })
	case c == '"':
		_, err := s.string()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := s.number()
		return err
	}
	return s.literal()
}

// literal consumes true, false or null.
func (s *scanner) literal() error {
	for _, word := range [...]string{"null", "true", "false"} {
		if s.word(word) {
			return nil
		}
	}
	return badJSON()
}

// word consumes the word if it comes next.
func (s *scanner) word(w string) bool {
	s.space()
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

// number consumes a number and answers its text.
func (s *scanner) number() (string, error) {
	start := s.pos
	digits := func() bool {
		from := s.pos
		for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
			s.pos++
		}
		return s.pos > from
	}
	accept := func(set ...byte) bool {
		if s.pos < len(s.data) {
			for _, c := range set {
				if s.data[s.pos] == c {
					s.pos++
					return true
				}
			}
		}
		return false
	}
	accept('-')
	if !accept('0') && !digits() {
		return "", badJSON()
	}
	if accept('.') && !digits() {
		return "", badJSON()
	}
	if accept('e', 'E') {
		accept('+', '-')
		if !digits() {
			return "", badJSON()
		}
	}
	if s.pos-start > 64 {
		return "", tooComplex("64 digits")
	}
	return string(s.data[start:s.pos]), nil
}

// string consumes a string that begins at the present position.
func (s *scanner) string() (string, error) {
	s.pos++ // the quote
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			text := s.data[start:s.pos]
			s.pos++
			if !utf8.Valid(text) {
				return "", badJSON()
			}
			return string(text), nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return "", badJSON()
		}
		s.pos++
	}
	return "", badJSON()
}

// escaped reads on in a string that holds escapes.
func (s *scanner) escaped(start int) (string, error) {
	buf := append([]byte(nil), s.data[start:s.pos]...)
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			if !utf8.Valid(buf) {
				return "", badJSON()
			}
			return string(buf), nil
		case c < ' ':
			return "", badJSON()
		case c != '\\':
			buf = append(buf, c)
			s.pos++
		default:
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, r)
		}
	}
	return "", badJSON()
}

// escape reads one escape sequence; half of a surrogate pair is an error.
func (s *scanner) escape() (rune, error) {
	if s.pos+1 >= len(s.data) {
		return 0, badJSON()
	}
	c := s.data[s.pos+1]
	s.pos += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := s.hex4()
		if err != nil || !utf16.IsSurrogate(r) {
			return r, err
		}
		if s.pos+1 < len(s.data) && s.data[s.pos] == '\\' && s.data[s.pos+1] == 'u' {
			s.pos += 2
			low, err := s.hex4()
			if err != nil {
				return 0, err
			}
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, nil
			}
		}
	}
	return 0, badJSON()
}

func (s *scanner) hex4() (rune, error) {
	if s.pos+4 > len(s.data) {
		return 0, badJSON()
	}
	v, err := strconv.ParseUint(string(s.data[s.pos:s.pos+4]), 16, 16)
	if err != nil {
		return 0, badJSON()
	}
	s.pos += 4
	return rune(v), nil
}

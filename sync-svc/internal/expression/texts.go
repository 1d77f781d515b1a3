package expression

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

func appendText(_ *run, a []Value) (Value, error) {
	source, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	suffix, err := text(a[1])
	return TextValue(source + suffix), err
}

func convertToBase64(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = append(b, byte(u), byte(u>>8))
	}
	return TextValue(base64.StdEncoding.EncodeToString(b)), nil
}

func convertToUTF8Hex(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	return TextValue(strings.ToUpper(hex.EncodeToString([]byte(s)))), err
}

func inStr(r *run, a []Value) (Value, error) {
	source, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	find, err := text(a[1])
	if err != nil {
		return NullValue, err
	}
	start := int64(1)
	if v := opt(a, 2); !v.IsNull() {
		if start, err = whole(v); err != nil {
			return NullValue, err
		}
	}
	if start < 1 {
		return NullValue, failed("the start is below 1")
	}
	if opt(a, 3).text == "vbTextCompare" {
		source, find = strings.ToLower(source), strings.ToLower(find)
	}
	runes := []rune(source)
	if start > int64(len(runes)) {
		return IntegerValue(0), nil
	}
	tail := string(runes[start-1:])
	at := strings.Index(tail, find)
	if at < 0 {
		return IntegerValue(0), nil
	}
	return IntegerValue(start + int64(len([]rune(tail[:at])))), nil
}

func left(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	if err != nil || a[0].IsNull() {
		return TextValue(""), err
	}
	n, err := whole(a[1])
	if err != nil {
		return NullValue, err
	}
	runes := []rune(s)
	if n < 0 || n > int64(len(runes)) {
		return TextValue(s), nil
	}
	return TextValue(string(runes[:n])), nil
}

func length(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	return IntegerValue(int64(len([]rune(s)))), err
}

func mid(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	if err != nil || a[0].IsNull() {
		return TextValue(""), err
	}
	start, err := whole(a[1])
	if err != nil {
		return NullValue, err
	}
	n, err := whole(a[2])
	if err != nil {
		return NullValue, err
	}
	runes := []rune(s)
	size := int64(len(runes))
	if n < 0 || start <= 0 || start > size {
		return TextValue(s), nil
	}
	end := size
	if n < size-start+1 {
		end = start - 1 + n
	}
	return TextValue(string(runes[start-1 : end])), nil
}

func stripSpaces(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	return TextValue(strings.ReplaceAll(s, " ", "")), err
}

func split(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	delimiter, err := text(a[1])
	if err != nil {
		return NullValue, err
	}
	pieces := []string{s}
	if delimiter != "" {
		pieces = strings.Split(s, delimiter)
	}
	var list []string
	for _, piece := range pieces {
		if piece = strings.TrimSpace(piece); piece != "" {
			list = append(list, piece)
		}
	}
	return ListValue(list), nil
}

func join(_ *run, a []Value) (Value, error) {
	separator, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	var parts []string
	size := 0
	for _, v := range a[1:] {
		for _, s := range v.List() {
			if s != "" {
				parts = append(parts, s)
				size += len(s) + len(separator)
			}
		}
	}
	if size > MaxOutput+len(separator) {
		return NullValue, failed("the result exceeds 64 KiB")
	}
	return TextValue(strings.Join(parts, separator)), nil
}

func word(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	if err != nil || a[0].IsNull() || a[1].IsNull() {
		return TextValue(""), err
	}
	n, err := whole(a[1])
	if err != nil {
		return NullValue, err
	}
	delimiters, err := text(a[2])
	if err != nil {
		return NullValue, err
	}
	pieces := strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(delimiters, c) })
	if n < 1 || n > int64(len(pieces)) {
		return TextValue(""), nil
	}
	return TextValue(pieces[n-1]), nil
}

// pCase writes every word with a capital. An apostrophe does not end a word
// unless it is given as a separator.
func pCase(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	separates := func(c rune) bool {
		return c != '\'' && (c == ' ' || unicode.IsControl(c) || unicode.IsPunct(c) || unicode.IsSymbol(c))
	}
	if v := opt(a, 1); !v.IsNull() {
		given, err := text(v)
		if err != nil {
			return NullValue, err
		}
		separates = func(c rune) bool { return strings.ContainsRune(given, c) }
	}
	runes := []rune(strings.ToLower(s))
	begin := true
	for i, c := range runes {
		if begin {
			runes[i] = unicode.ToUpper(c)
		}
		begin = separates(c)
	}
	return TextValue(string(runes)), nil
}

func culture(n *Node) string {
	if len(n.Args) < 2 || n.Args[1].Kind != ConstantNode {
		return ""
	}
	if _, err := language.Parse(n.Args[1].Value.String()); err != nil {
		return "unknown culture; use a language tag such as en-US"
	}
	return ""
}

func toLower(_ *run, a []Value) (Value, error) {
	return changeCase(a, strings.ToLower, func(s string) string { return strings.ToLowerSpecial(unicode.TurkishCase, s) })
}

func toUpper(_ *run, a []Value) (Value, error) {
	return changeCase(a, strings.ToUpper, func(s string) string { return strings.ToUpperSpecial(unicode.TurkishCase, s) })
}

// changeCase uses the dotted and dotless i for Turkish and Azerbaijani.
func changeCase(a []Value, invariant, turkic func(string) string) (Value, error) {
	s, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	name, err := text(opt(a, 1))
	if err != nil {
		return NullValue, err
	}
	if name != "" {
		tag, err := language.Parse(name)
		if err != nil {
			return NullValue, failed("unknown culture")
		}
		if base, _ := tag.Base(); base.String() == "tr" || base.String() == "az" {
			return TextValue(turkic(s)), nil
		}
	}
	return TextValue(invariant(s)), nil
}

// letters are spelled out before canonical decomposition, which does not touch them.
var letters = strings.NewReplacer("ß", "ss", "ẞ", "SS", "æ", "ae", "Æ", "AE", "ø", "oe", "Ø", "OE", "ł", "l", "Ł", "L", "ı", "i",
	"œ", "oe", "Œ", "OE", "đ", "d", "Đ", "D", "ð", "d", "Ð", "D", "þ", "th", "Þ", "Th", "ħ", "h", "Ħ", "H", "ŧ", "t", "Ŧ", "T",
	"ǣ", "ae", "Ǣ", "AE", "ǽ", "ae", "Ǽ", "AE", "ǿ", "oe", "Ǿ", "OE")

func normalizeDiacritics(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	if err != nil {
		return NullValue, err
	}
	var b strings.Builder
	for _, c := range norm.NFD.String(letters.Replace(s)) {
		if !unicode.Is(unicode.Mn, c) {
			b.WriteRune(c)
		}
	}
	return TextValue(norm.NFC.String(b.String())), nil
}

func altSecID(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	return TextValue(s), err
}

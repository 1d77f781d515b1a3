package expression

import (
	"fmt"
	"slices"
	"sort"
)

// Parameter describes one parameter of a function.
type Parameter struct {
	Name     string
	Type     string // attribute type, `String` where any type is taken
	Required bool
	Repeated bool
}

// Signature describes one function, for lists of what the language offers.
type Signature struct {
	Name       string
	Parameters []Parameter
}

// Signatures lists the functions of the language by name.
func Signatures() []Signature {
	list := make([]Signature, 0, len(functions))
	for _, name := range functionNames {
		list = append(list, Signature{Name: name, Parameters: functions[name].params})
	}
	return list
}

// ParameterName is the name of the i-th argument of a function; repeated
// parameters are numbered.
func ParameterName(function string, i int) string {
	f := functions[function]
	if f == nil || len(f.params) == 0 {
		return fmt.Sprintf("argument%d", i+1)
	}
	if i >= len(f.params)-f.group {
		first := len(f.params) - max(f.group, 1)
		if f.group > 0 || f.params[len(f.params)-1].Repeated {
			at := (i - first) % max(f.group, 1)
			return fmt.Sprintf("%s%d", f.params[first+at].Name, (i-first)/max(f.group, 1)+1)
		}
	}
	return f.params[min(i, len(f.params)-1)].Name
}

// function is a row of the table of the language.
type function struct {
	params    []Parameter
	required  []bool
	min, max  int
	group     int  // how many parameters at the end repeat together
	enum      int  // 1-based position of the compare argument, 0 for none
	condition bool // the first argument may be a comparison
	check     func(*Node) string
	compile   func(n *Node, args []eval) (eval, error)
}

func (f *function) arity() string {
	switch {
	case f.min == f.max:
		return fmt.Sprintf("%d", f.min)
	case f.max == many:
		return fmt.Sprintf("%d or more", f.min)
	}
	return fmt.Sprintf("%d to %d", f.min, f.max)
}

const many = 1000

// p makes a required parameter, q an optional one; a trailing * repeats.
func p(names ...string) []Parameter { return parameters(true, names) }
func q(names ...string) []Parameter { return parameters(false, names) }

func parameters(required bool, names []string) []Parameter {
	list := make([]Parameter, len(names))
	for i, name := range names {
		repeated := name[len(name)-1] == '*'
		if repeated {
			name = name[:len(name)-1]
		}
		list[i] = Parameter{Name: name, Type: "String", Required: required, Repeated: repeated}
	}
	return list
}

// sig completes a row: bounds and required flags follow from the parameters.
func sig(f function, params ...[]Parameter) *function {
	f.params = slices.Concat(params...)
	for _, p := range f.params {
		f.required = append(f.required, p.Required)
		if p.Required {
			f.min++
		}
		f.max++
		if p.Repeated {
			f.max = many
		}
	}
	return &f
}

var functionNames = names(functions)

func names(m map[string]*function) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}

// functions is the language: SYN-94 to SYN-136.
var functions = map[string]*function{
	"Append":                             sig(function{compile: strict(appendText)}, p("source", "suffix")),
	"AppRoleAssignmentsComplex":          sig(function{check: rolesArgument, compile: rolesComplex}, p("appRoleAssignments")),
	"AssertiveAppRoleAssignmentsComplex": sig(function{check: rolesArgument, compile: rolesComplex}, p("appRoleAssignments")),
	"BitAnd":                             sig(function{compile: strict(bitAnd)}, p("value1", "value2")),
	"CBool":                              sig(function{condition: true, compile: values(cBool)}, p("expression")),
	"CDate":                              sig(function{compile: strict(cDate)}, p("expression")),
	"Coalesce":                           sig(function{compile: coalesce}, p("source1"), q("source*")),
	"ConvertToBase64":                    sig(function{compile: strict(convertToBase64)}, p("source")),
	"ConvertToUTF8Hex":                   sig(function{compile: strict(convertToUTF8Hex)}, p("source")),
	"Count":                              sig(function{compile: values(count)}, p("attribute")),
	"CStr":                               sig(function{compile: strict(cStr)}, p("value")),
	"DateAdd":                            sig(function{check: interval, compile: strict(dateAdd)}, p("interval", "value", "dateTime")),
	"DateDiff":                           sig(function{check: interval, compile: strict(dateDiff)}, p("interval", "date1", "date2")),
	"DateFromNum":                        sig(function{compile: strict(dateFromNum)}, p("value")),
	"FormatDateTime":                     sig(function{check: dateStyles, compile: strict(formatDateTime)}, p("source"), q("dateTimeStyles"), p("inputFormat", "outputFormat")),
	"Guid":                               sig(function{compile: strict(guid)}),
	"IIF":                                sig(function{condition: true, compile: iif}, p("condition"), q("valueIfTrue", "valueIfFalse")),
	"IgnoreFlowIfNullOrEmpty":            sig(function{compile: ignoreFlow}, p("expression")),
	"InStr":                              sig(function{enum: 4, compile: strict(inStr)}, p("value1", "value2"), q("start", "compareType")),
	"IsNull":                             sig(function{compile: values(isNull)}, p("expression")),
	"IsNullOrEmpty":                      sig(function{compile: values(isNullOrEmpty)}, p("expression")),
	"IsPresent":                          sig(function{compile: values(isPresent)}, p("expression")),
	"IsString":                           sig(function{compile: values(isString)}, p("expression")),
	"Item":                               sig(function{compile: strict(item)}, p("attribute", "index")),
	"Join":                               sig(function{compile: values(join)}, q("separator"), p("source1"), q("source*")),
	"Left":                               sig(function{compile: values(left)}, p("string", "numChars")),
	"Len":                                sig(function{compile: values(length)}, p("string")),
	"Mid":                                sig(function{compile: values(mid)}, p("source", "start", "length")),
	"NormalizeDiacritics":                sig(function{compile: strict(normalizeDiacritics)}, p("source")),
	"Not":                                sig(function{compile: values(not)}, p("source")),
	"Now":                                sig(function{compile: strict(now)}),
	"NumFromDate":                        sig(function{compile: strict(numFromDate)}, p("value")),
	"PCase":                              sig(function{compile: strict(pCase)}, p("source"), q("wordSeparators")),
	"RandomString":                       sig(function{compile: strict(randomString)}, p("length", "minimumNumbers", "minimumSpecialCharacters", "minimumCapital", "minimumLowerCase"), q("charactersToAvoid")),
	"Redact":                             sig(function{compile: values(redact)}, p("source")),
	"RemoveDuplicates":                   sig(function{compile: strict(removeDuplicates)}, p("attribute")),
	"Replace":                            sig(function{check: replaceMode, compile: replace}, p("source"), q("Find", "RegexPattern", "RegexGroupName", "Replacement", "ReplacementAttributeName", "Template")),
	"SelectUniqueValue":                  sig(function{compile: selectUniqueValue}, p("uniqueValueRule1", "uniqueValueRule2"), q("uniqueValueRule*")),
	"SingleAppRoleAssignment":            sig(function{check: rolesArgument, compile: singleRole}, p("appRoleAssignments")),
	"Split":                              sig(function{compile: strict(split)}, p("source", "delimiter")),
	"StripSpaces":                        sig(function{compile: strict(stripSpaces)}, p("source")),
	"Switch":                             sig(function{group: 2, check: evenArguments, compile: switchCase}, p("source"), q("defaultValue"), p("key"), q("value*")),
	"ToLower":                            sig(function{check: culture, compile: strict(toLower)}, p("source"), q("culture")),
	"ToUpper":                            sig(function{check: culture, compile: strict(toUpper)}, p("source"), q("culture")),
	"Word":                               sig(function{compile: values(word)}, p("string", "wordNumber", "delimiters")),
	"AltSecIdFromNetId":                  sig(function{compile: strict(altSecID)}, p("netId")),
}

// strict makes a function that is null as soon as an argument given to it is
// null (SYN-90). Omitted arguments reach it as null.
func strict(f func(*run, []Value) (Value, error)) func(*Node, []eval) (eval, error) {
	return func(n *Node, args []eval) (eval, error) {
		given := make([]bool, len(args))
		for i, a := range n.Args {
			given[i] = a.Kind != OmittedNode
		}
		return func(r *run) (Value, error) {
			vals := make([]Value, len(args))
			for i, a := range args {
				v, err := a(r)
				if err != nil {
					return NullValue, err
				}
				if given[i] && v.IsNull() {
					return NullValue, nil
				}
				vals[i] = v
			}
			return f(r, vals)
		}, nil
	}
}

// values makes a function that sees its arguments as they are, null or not.
func values(f func(*run, []Value) (Value, error)) func(*Node, []eval) (eval, error) {
	return func(_ *Node, args []eval) (eval, error) {
		return func(r *run) (Value, error) {
			vals := make([]Value, len(args))
			for i, a := range args {
				v, err := a(r)
				if err != nil {
					return NullValue, err
				}
				vals[i] = v
			}
			return f(r, vals)
		}, nil
	}
}

// text reads an argument as text; lists are refused.
func text(v Value) (string, error) {
	if v.kind == List {
		return "", scalarNeeded()
	}
	return v.String(), nil
}

// whole reads an argument as a whole number.
func whole(v Value) (int64, error) {
	if v.kind == List {
		return 0, scalarNeeded()
	}
	n, ok := v.integer()
	if !ok {
		return 0, failed("an argument is no whole number")
	}
	return n, nil
}

// opt is the i-th argument, null when the call is shorter.
func opt(a []Value, i int) Value {
	if i < len(a) {
		return a[i]
	}
	return NullValue
}

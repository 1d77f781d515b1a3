package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Namespace begins the name of every variable of the suite.
const Namespace = "ENTENTE_"

// field is one setting.
type field struct {
	env      string // full name
	flag     string
	def      string
	help     string
	secret   bool
	required bool
	value    reflect.Value
}

// Load fills dst, a pointer to a struct, from args (without the program's
// name) and environ (as os.Environ gives it). prefix stands between ENTENTE_
// and the names of the tags, "" for none. It answers flag.ErrHelp after
// printing the help that was asked for to standard error.
func Load(prefix string, dst any, args []string, environ []string) error {
	return load(prefix, dst, args, environ, os.Stderr)
}

func load(prefix string, dst any, args, environ []string, help io.Writer) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("settings go into a pointer to a struct, not %T", dst)
	}
	if prefix != "" {
		prefix = strings.ToUpper(strings.TrimSuffix(prefix, "_")) + "_"
	}
	fields, err := fieldsOf(Namespace+prefix, v.Elem())
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(help)
	given := make(map[string]string)
	for _, f := range fields {
		if f.flag == "" {
			continue
		}
		if f.secret {
			return fmt.Errorf("setting %s is secret and cannot have a flag", f.env)
		}
		set := func(s string) error {
			given[f.flag] = s
			return nil
		}
		text := f.help + " (" + f.env + ")"
		if f.def != "" {
			text += " [" + f.def + "]"
		}
		if f.value.Kind() == reflect.Bool {
			flags.BoolFunc(f.flag, text, set)
		} else {
			flags.Func(f.flag, text, set)
		}
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	env, err := variables(Namespace+prefix, environ, fields)
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range fields {
		text, ok := given[f.flag]
		if !ok || f.flag == "" {
			if text, ok = env[f.env]; !ok {
				text = f.def
			}
		}
		if text == "" {
			if f.required {
				problems = append(problems, fmt.Errorf("%s is required: %s", f.env, f.help))
			}
			continue
		}
		if err := assign(f.value, text); err != nil {
			if f.secret {
				err = errors.New("the value is not valid")
			}
			problems = append(problems, fmt.Errorf("%s: %w", f.env, err))
		}
	}
	return errors.Join(problems...)
}

// variables picks the ones under prefix and refuses those nobody reads.
// Variables of the namespace that belong to other prefixes are refused too,
// but for ENTENTE_TEST_ ones, which steer tests.
func variables(prefix string, environ []string, fields []field) (map[string]string, error) {
	known := make(map[string]bool, len(fields))
	for _, f := range fields {
		known[f.env] = true
	}
	out := make(map[string]string)
	var unknown []string
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, Namespace) || strings.HasPrefix(name, Namespace+"TEST_") {
			continue
		}
		if known[name] {
			if _, twice := out[name]; twice {
				return nil, fmt.Errorf("%s is given both as value and as file", name)
			}
			out[name] = value
			continue
		}
		base, isFile := strings.CutSuffix(name, "_FILE")
		if !isFile || !known[base] {
			unknown = append(unknown, name)
			continue
		}
		if _, twice := out[base]; twice {
			return nil, fmt.Errorf("%s is given both as value and as file", base)
		}
		text, err := os.ReadFile(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[base] = strings.TrimRight(string(text), "\r\n")
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, fmt.Errorf("unknown settings: %s", strings.Join(unknown, ", "))
	}
	return out, nil
}

func fieldsOf(prefix string, v reflect.Value) ([]field, error) {
	var out []field
	for i := range v.NumField() {
		sf, fv := v.Type().Field(i), v.Field(i)
		env, tagged := sf.Tag.Lookup("env")
		if !tagged {
			if sf.Type.Kind() == reflect.Struct && sf.IsExported() {
				inner, err := fieldsOf(prefix, fv)
				if err != nil {
					return nil, err
				}
				out = append(out, inner...)
			}
			continue
		}
		if !sf.IsExported() {
			return nil, fmt.Errorf("setting %s is in an unexported field", sf.Name)
		}
		f := field{env: prefix + env, flag: sf.Tag.Get("flag"), def: sf.Tag.Get("default"), help: sf.Tag.Get("help"),
			secret: sf.Tag.Get("secret") == "true", required: sf.Tag.Get("required") == "true", value: fv}
		if slices.ContainsFunc(out, func(o field) bool { return o.env == f.env || f.flag != "" && o.flag == f.flag }) {
			return nil, fmt.Errorf("setting %s is declared twice", f.env)
		}
		out = append(out, f)
	}
	return out, nil
}

func assign(v reflect.Value, text string) error {
	switch v.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration like 90s", text)
		}
		v.SetInt(int64(d))
		return nil
	case []string:
		var items []string
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		v.Set(reflect.ValueOf(items))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetUint(n)
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(n)
	default:
		return fmt.Errorf("settings of type %s are not supported", v.Type())
	}
	return nil
}

// Attrs are the settings in effect, for the log at the start. Secrets that
// are set show as ***.
func Attrs(settings any) []slog.Attr {
	v := reflect.ValueOf(settings)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	fields, err := fieldsOf("", v)
	if err != nil {
		return nil
	}
	out := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		text := fmt.Sprint(f.value.Interface())
		if f.secret && text != "" {
			text = "***"
		}
		out = append(out, slog.String(strings.ToLower(f.env), text))
	}
	return out
}

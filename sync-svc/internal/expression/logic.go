package expression

import "strings"

func cBool(_ *run, a []Value) (Value, error) {
	b, err := truth(a[0])
	return BooleanValue(b), err
}

// truth reads a condition: comparisons, numbers and the texts True and False.
func truth(v Value) (bool, error) {
	switch v.kind {
	case Boolean:
		return v.num == 1, nil
	case Integer:
		return v.num != 0, nil
	case Decimal:
		f, _ := v.number()
		return f != 0, nil
	case Null:
		return false, nil
	case Text:
		switch strings.ToLower(v.text) {
		case "true":
			return true, nil
		case "false", "":
			return false, nil
		}
		if f, ok := v.number(); ok {
			return f != 0, nil
		}
	case List:
		return false, scalarNeeded()
	}
	return false, failed("the value is neither True nor False")
}

func iif(_ *Node, args []eval) (eval, error) {
	return func(r *run) (Value, error) {
		v, err := args[0](r)
		if err != nil {
			return NullValue, err
		}
		yes, err := truth(v)
		switch {
		case err != nil:
			return NullValue, err
		case yes && len(args) > 1:
			return args[1](r)
		case !yes && len(args) > 2:
			return args[2](r)
		}
		return NullValue, nil
	}, nil
}

func evenArguments(n *Node) string {
	if len(n.Args) < 4 || len(n.Args)%2 != 0 {
		return "keys and values come in pairs after source and default"
	}
	return ""
}

// switchCase evaluates keys in order and only the value that is chosen.
func switchCase(_ *Node, args []eval) (eval, error) {
	return func(r *run) (Value, error) {
		v, err := args[0](r)
		if err != nil {
			return NullValue, err
		}
		source, err := text(v)
		if err != nil {
			return NullValue, err
		}
		for i := 2; i+1 < len(args); i += 2 {
			k, err := args[i](r)
			if err != nil {
				return NullValue, err
			}
			key, err := text(k)
			if err != nil {
				return NullValue, err
			}
			if key == source {
				return args[i+1](r)
			}
		}
		return args[1](r)
	}, nil
}

func coalesce(_ *Node, args []eval) (eval, error) {
	return func(r *run) (Value, error) {
		for _, a := range args {
			v, err := a(r)
			if err != nil || !v.IsNull() {
				return v, err
			}
		}
		return NullValue, nil
	}, nil
}

// ignoreFlow marks the whole result as dropped when its argument is empty.
func ignoreFlow(_ *Node, args []eval) (eval, error) {
	return func(r *run) (Value, error) {
		v, err := args[0](r)
		if err == nil && v.IsEmpty() {
			r.dropped = true
		}
		return v, err
	}, nil
}

func isNull(_ *run, a []Value) (Value, error)        { return BooleanValue(a[0].IsNull()), nil }
func isNullOrEmpty(_ *run, a []Value) (Value, error) { return BooleanValue(a[0].IsEmpty()), nil }
func isPresent(_ *run, a []Value) (Value, error)     { return BooleanValue(!a[0].IsEmpty()), nil }
func isString(_ *run, a []Value) (Value, error) {
	return BooleanValue(a[0].kind != Null && a[0].kind != List), nil
}

func not(_ *run, a []Value) (Value, error) {
	return BooleanValue(a[0].String() != "True"), nil
}

func redact(_ *run, a []Value) (Value, error) { return a[0], nil }

func cStr(_ *run, a []Value) (Value, error) {
	s, err := text(a[0])
	return TextValue(s), err
}

func bitAnd(_ *run, a []Value) (Value, error) {
	x, err := whole(a[0])
	if err != nil {
		return NullValue, err
	}
	y, err := whole(a[1])
	return IntegerValue(x & y), err
}

func count(_ *run, a []Value) (Value, error) { return IntegerValue(int64(len(a[0].List()))), nil }

func item(_ *run, a []Value) (Value, error) {
	i, err := whole(a[1])
	if err != nil {
		return NullValue, err
	}
	list := a[0].List()
	if i < 1 || i > int64(len(list)) {
		return NullValue, failed("the list has no such item")
	}
	return TextValue(list[i-1]), nil
}

func removeDuplicates(r *run, a []Value) (Value, error) {
	list := a[0].List()
	if err := r.step(len(list)); err != nil {
		return NullValue, err
	}
	seen := make(map[string]bool, len(list))
	var kept []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	return ListValue(kept), nil
}

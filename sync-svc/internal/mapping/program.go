package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/scope"
)

// Program is the compiled mapping of users; immutable, safe for concurrent use.
type Program struct {
	Flow     FlowTypes
	Scope    *scope.Compiled
	RuleID   string
	entries  []entry
	relevant map[string]bool
	// Manager is whether the manager flows; FlowManagerNull whether its removal does.
	Manager, FlowManagerNull bool
	// ManagerOnAdd is whether the manager flows on creation only.
	ManagerOnAdd bool
	// UPN and Enabled are whether those attributes flow on updates.
	UPN, Enabled bool
}

type entry struct {
	target     AttributeDefinition
	program    *expression.Program // nil for a mapping without source
	flow       FlowType
	flowAlways bool
	fallback   *string
	flowNull   bool
	redacted   bool
	volatile   bool
}

// Write is one attribute of an export.
type Write struct {
	// Attribute is the name in the schema.
	Attribute string
	// Old and New are the values before and after; a null New clears.
	Old, New expression.Value
	// Redacted values must not be shown.
	Redacted bool
	// Forced writes an equal value along with others (FlowAlways).
	Forced bool
}

// Error says why an object cannot be mapped.
type Error struct{ Code, Attribute, Function, Reason string }

// Error names attribute, function and reason.
func (e *Error) Error() string {
	s := e.Attribute
	if e.Function != "" {
		s += ", " + e.Function
	}
	return s + ": " + e.Reason
}

// Compile prepares the user mapping of a valid schema.
func Compile(s Schema) (*Program, error) {
	o := s.Users()
	if o == nil {
		return nil, fmt.Errorf("compile schema: no mapping of users")
	}
	p := &Program{Flow: o.FlowTypes, RuleID: s.Rules[0].ID, relevant: map[string]bool{}}
	filter := scope.Filter{}
	if o.Scope != nil {
		filter = *o.Scope
	}
	var err error
	if p.Scope, err = scope.Compile(filter); err != nil {
		return nil, err
	}
	for _, name := range filter.Attributes() {
		p.relevant[GraphProperty(name)] = true
	}
	source := s.attributes(SourceDirectory, "User", UserAttributes(false))
	target := s.attributes(TargetDirectory, "User", UserAttributes(true))
	for _, a := range o.Attributes {
		if err := p.add(a, source, target[a.Target]); err != nil {
			return nil, fmt.Errorf("compile mapping of %s: %w", a.Target, err)
		}
	}
	for _, name := range []string{"accountEnabled", "userType", "deletedDateTime", "identities"} {
		p.relevant[name] = true
	}
	return p, nil
}

func (p *Program) add(a AttributeMapping, source map[string]AttributeDefinition, target AttributeDefinition) error {
	e := entry{target: target, flow: a.FlowType, flowAlways: a.FlowAlways, fallback: a.DefaultValue}
	if a.Source != nil {
		n, err := a.Source.Tree()
		if err != nil {
			return err
		}
		if e.program, err = expression.Compile(n); err != nil {
			return err
		}
		e.redacted, e.volatile = n.Redacted(), n.Volatile()
		for _, name := range n.Attributes() {
			p.relevant[GraphProperty(name)] = true
			e.flowNull = e.flowNull || source[name].FlowNullValues && !target.Required && !target.Multivalued
		}
	}
	switch a.Target {
	case AttrHomeKey, AttrSoftDeleted:
		return nil // identity and life cycle are decided, not mapped
	case AttrManager:
		p.Manager = e.program != nil
		p.ManagerOnAdd = a.FlowType == ObjectAddOnly
		p.FlowManagerNull = e.flowNull
		return nil
	case AttrUPN:
		p.UPN = e.program != nil && a.FlowType != ObjectAddOnly
		return nil
	case AttrEnabled:
		p.Enabled = a.FlowType != ObjectAddOnly
	}
	p.entries = append(p.entries, e)
	return nil
}

// Relevant reports whether a change of the Graph property can change the target.
func (p *Program) Relevant(graphProperty string) bool { return p.relevant[graphProperty] }

// Maps reports whether an attribute of the target is one that the source
// decides about: what is not mapped is nothing the source may see (SYN-255).
func (p *Program) Maps(attribute string) bool {
	switch attribute {
	case AttrHomeKey, AttrSoftDeleted, AttrUPN:
		return true
	case AttrManager:
		return p.Manager
	}
	return slices.ContainsFunc(p.entries, func(e entry) bool { return e.target.Name == attribute })
}

// Create gives the values of a new target object.
func (p *Program) Create(env *expression.Env) ([]Write, error) {
	writes := make([]Write, 0, len(p.entries))
	for i := range p.entries {
		e := &p.entries[i]
		value, err := e.evaluate(env)
		if err != nil {
			return nil, err
		}
		if value.Kind() == expression.Dropped {
			continue
		}
		if value.IsEmpty() {
			if e.fallback == nil {
				continue
			}
			if value, err = e.convert(expression.TextValue(*e.fallback)); err != nil {
				return nil, err
			}
		}
		writes = append(writes, Write{Attribute: e.target.Name, New: value, Redacted: e.redacted})
	}
	return writes, nil
}

// Update gives the differences between an existing target object and what the
// source says. Writes that are only forced by FlowAlways are no reason to
// export; the caller drops a list of nothing but those.
func (p *Program) Update(env *expression.Env, current expression.Object) ([]Write, error) {
	var writes []Write
	real := false
	for i := range p.entries {
		e := &p.entries[i]
		if e.flow == ObjectAddOnly || e.volatile {
			continue // volatile values are fixed when the object is created (SYN-92)
		}
		old := current.Attribute(e.target.Name)
		if (e.flow == AttributeAddOnly || e.program == nil) && !old.IsEmpty() {
			continue
		}
		value, flows, err := e.updated(env, old)
		if err != nil {
			return nil, err
		}
		if !flows {
			continue
		}
		if same(old, value) {
			if e.flowAlways {
				writes = append(writes, Write{Attribute: e.target.Name, Old: old, New: value, Redacted: e.redacted, Forced: true})
			}
			continue
		}
		real = true
		writes = append(writes, Write{Attribute: e.target.Name, Old: old, New: value, Redacted: e.redacted})
	}
	if !real {
		return nil, nil
	}
	return writes, nil
}

// updated is the value an existing object should have; flows is false when the
// attribute is left as it is.
func (e *entry) updated(env *expression.Env, old expression.Value) (value expression.Value, flows bool, err error) {
	if e.program == nil {
		if e.fallback == nil {
			return value, false, nil
		}
		value, err = e.convert(expression.TextValue(*e.fallback))
		return value, err == nil, err
	}
	if value, err = e.evaluate(env); err != nil || value.Kind() == expression.Dropped {
		return value, false, err
	}
	if value.IsEmpty() {
		return expression.NullValue, e.flowNull && e.flow == Always, nil
	}
	if e.flow == ValueAddOnly && !e.target.Multivalued && !old.IsEmpty() {
		return value, false, nil
	}
	if (e.flow == ValueAddOnly || e.flow == MultiValueAddOnly) && e.target.Multivalued {
		value = union(old, value)
	}
	return value, true, nil
}

func union(old, added expression.Value) expression.Value {
	list := append([]string(nil), old.List()...)
	have := map[string]bool{}
	for _, s := range list {
		have[s] = true
	}
	for _, s := range added.List() {
		if !have[s] {
			list = append(list, s)
		}
	}
	return expression.ListValue(list)
}

func same(old, value expression.Value) bool {
	return old.IsEmpty() && value.IsEmpty() || old.Equal(value)
}

// evaluate computes the value and gives it the type of the target attribute.
func (e *entry) evaluate(env *expression.Env) (expression.Value, error) {
	if e.program == nil {
		return expression.NullValue, nil
	}
	v, err := e.program.Eval(env)
	if err != nil {
		code, function, reason := expression.CodeFailed, "", err.Error()
		if f := (*expression.EvalError)(nil); errors.As(err, &f) {
			code, function, reason = f.Code, f.Function, f.Reason
		}
		return v, &Error{Code: code, Attribute: e.target.Name, Function: function, Reason: reason}
	}
	if v.IsEmpty() || v.Kind() == expression.Dropped {
		return v, nil
	}
	return e.convert(v)
}

func (e *entry) convert(v expression.Value) (expression.Value, error) {
	fault := func(code, reason string) (expression.Value, error) {
		return expression.NullValue, &Error{Code: code, Attribute: e.target.Name, Reason: reason}
	}
	if v.Kind() == expression.List {
		if !e.target.Multivalued {
			return fault(expression.CodeScalarNeeded, "the attribute takes one value, the expression gives several")
		}
		return v, nil
	}
	switch strings.ToLower(e.target.Type) {
	case "boolean":
		if v.Kind() == expression.Boolean {
			return v, nil
		}
		b, err := strconv.ParseBool(strings.ToLower(v.String()))
		if err != nil {
			return fault(expression.CodeScalarNeeded, "the attribute takes True or False")
		}
		return expression.BooleanValue(b), nil
	case "integer":
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			return fault(expression.CodeScalarNeeded, "the attribute takes a whole number")
		}
		return expression.IntegerValue(n), nil
	case "datetime":
		t, err := expression.ToDate(v)
		if err != nil {
			return fault(expression.CodeScalarNeeded, "the attribute takes a date")
		}
		return t, nil
	}
	if e.target.Multivalued {
		return expression.ListValue([]string{v.String()}), nil
	}
	text := v.String()
	if e.target.Name == AttrUserType && text != "Member" && text != "Guest" {
		return fault("InvitationCreationFailureInvalidPropertyValue", "userType is Member or Guest")
	}
	return expression.TextValue(text), nil
}

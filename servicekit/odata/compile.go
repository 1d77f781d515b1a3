package odata

import (
	"strconv"
	"strings"
	"time"

	optionspb "entente.dev/proto/gen/entente/options/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Compile turns a filter on the resource md into SQL. advanced says that the
// request has both ConsistencyLevel: eventual and $count=true. A nil filter is
// no condition. Errors are faults in Graph's words.
func Compile(md protoreflect.MessageDescriptor, columns Columns, e Expr, advanced bool) (SQL, error) {
	if e == nil {
		return SQL{}, nil
	}
	c := &compiler{root: md, advanced: advanced}
	if err := c.expr(scope{md: md, columns: columns}, e); err != nil {
		return SQL{}, err
	}
	return SQL{c.text.String(), c.args}, nil
}

type compiler struct {
	root     protoreflect.MessageDescriptor
	advanced bool
	negated  int // depth of Not
	text     strings.Builder
	args     []any
}

// scope is where paths are looked up: the resource, or an item of one of its
// collections.
type scope struct {
	md      protoreflect.MessageDescriptor // nil in a collection of scalars
	columns Columns
	// collection is the property around, in a lambda.
	collection *property
}

func (c *compiler) put(text string, args ...any) {
	c.text.WriteString(text)
	c.args = append(c.args, args...)
}

func (c *compiler) expr(s scope, e Expr) error {
	switch e := e.(type) {
	case And:
		return c.both(s, e.X, " and ", e.Y)
	case Or:
		return c.both(s, e.X, " or ", e.Y)
	case Not:
		// Comparisons with null are false, not unknown, so `not` holds for them.
		c.put("((")
		c.negated++
		err := c.expr(s, e.X)
		c.negated--
		c.put(") is not true)")
		return err
	case Compare:
		return c.compare(s, e)
	case In:
		return c.in(s, e)
	case Call:
		return c.call(s, e)
	case Any:
		return c.any(s, e)
	}
	return badFilter("Invalid filter clause.")
}

func (c *compiler) both(s scope, x Expr, op string, y Expr) error {
	c.put("(")
	if err := c.expr(s, x); err != nil {
		return err
	}
	c.put(op)
	if err := c.expr(s, y); err != nil {
		return err
	}
	c.put(")")
	return nil
}

// property looks a path up in the scope.
func (c *compiler) property(s scope, path Path) (property, error) {
	if s.collection == nil {
		return resolve(s.md, s.columns, path)
	}
	p := *s.collection
	if len(path) > 0 {
		if s.md == nil && s.columns[path.String()].Support == nil {
			return property{}, unknown(c.root, p.name+"/"+path.String())
		}
		inner, err := resolve(s.md, s.columns, path)
		if err != nil {
			return property{}, err
		}
		if declares(inner.support) {
			p.support = inner.support
		}
		p.name, p.field, p.column, p.stored = p.name+"/"+inner.name, inner.field, inner.column, inner.stored
		return p, nil
	}
	p.column, p.stored = s.columns[""]
	return p, nil
}

// declares reports whether an option says anything about filters; items
// without one are filtered as their collection is.
func declares(p *optionspb.Property) bool {
	return p.GetEq()+p.GetNe()+p.GetRange()+p.GetIn()+p.GetStartsWith()+p.GetEndsWith()+p.GetNull()+p.GetContains() > 0
}

// allow checks that a property supports an operator, and `not` around it.
func (c *compiler) allow(p property, operator string, support optionspb.Property_Support) error {
	if !p.stored || support == optionspb.Property_supportNone {
		return unsupportedClause(c.root, p.name)
	}
	if support == optionspb.Property_supportAdvanced && !c.advanced {
		return needsAdvanced(operator)
	}
	if c.negated == 0 {
		return nil
	}
	switch {
	case p.support.Ne == optionspb.Property_supportNone:
		return unsupportedClause(c.root, p.name)
	case p.support.Ne == optionspb.Property_supportAdvanced && !c.advanced:
		return needsAdvanced("not")
	}
	return nil
}

func (c *compiler) compare(s scope, e Compare) error {
	if n := len(e.Path); n > 1 && strings.EqualFold(e.Path[n-1], "$count") {
		return c.count(s, e)
	}
	p, err := c.property(s, e.Path)
	if err != nil {
		return err
	}
	if p.column.Items != nil {
		return unsupportedClause(c.root, p.name)
	}
	if e.Value.Kind == Null {
		return c.null(p, e.Op)
	}
	support := p.support.Eq
	switch e.Op {
	case Ne:
		support = p.support.Ne
	case Gt, Ge, Lt, Le:
		support = p.support.Range
	}
	if err := c.allow(p, string(e.Op), support); err != nil {
		return err
	}
	if p.typ() == TypeTime {
		return c.compareTime(p, e)
	}
	arg, found, err := c.literal(p, e.Value)
	if err != nil {
		return err
	}
	if !found { // a spelling that the enumeration does not have
		if e.Op == Ne {
			c.put("true")
		} else {
			c.put("false")
		}
		return nil
	}
	if e.Op == Ne {
		if p.column.NotNull {
			c.put(p.operand()+" <> ?", arg)
		} else {
			c.put(p.operand()+" is distinct from ?", arg)
		}
		return nil
	}
	if e.Op == Eq && p.column.Probe != "" {
		c.put(p.column.Probe, arg)
		return nil
	}
	c.put(p.operand()+sqlOp[e.Op]+"?", arg)
	return nil
}

var sqlOp = map[Op]string{Eq: " = ", Gt: " > ", Ge: " >= ", Lt: " < ", Le: " <= "}

// operand is the column that literals compare with.
func (p property) operand() string {
	if p.typ() == TypeText && p.column.Key != "" {
		return p.column.Key
	}
	return p.column.SQL
}

func (c *compiler) null(p property, op Op) error {
	if op != Eq && op != Ne {
		return unsupportedClause(c.root, p.name)
	}
	if err := c.allow(p, string(op), p.support.Null); err != nil {
		return err
	}
	if op == Eq {
		c.put(p.column.SQL + " is null")
	} else {
		c.put(p.column.SQL + " is not null")
	}
	return nil
}

// literal converts a literal to the property's type. found is false for a
// value that no row can have.
func (c *compiler) literal(p property, v Value) (arg any, found bool, err error) {
	wrong := invalidValue(c.root, p.name)
	switch p.typ() {
	case TypeText:
		if v.Kind != Text && v.Kind != Bare {
			return nil, false, wrong
		}
		if p.column.Key != "" {
			return Fold(v.Text), true, nil
		}
		return v.Text, true, nil
	case TypeBool:
		if v.Kind != Bool {
			return nil, false, wrong
		}
		return v.Text == "true", true, nil
	case TypeNumber:
		n, err := strconv.ParseInt(v.Text, 10, 64)
		if v.Kind != Bare || err != nil {
			return nil, false, wrong
		}
		return n, true, nil
	case TypeUUID:
		id, err := uuid.Parse(v.Text)
		if v.Kind != Text && v.Kind != Bare || err != nil || len(v.Text) != 36 {
			return nil, false, wrong
		}
		return id.String(), true, nil
	case TypeEnum:
		if v.Kind != Text {
			return nil, false, wrong
		}
		n, ok := p.enum(v.Text)
		return n, ok, nil
	}
	return nil, false, unsupportedClause(c.root, p.name)
}

// enum finds the stored number of a spelling, in any case.
func (p property) enum(text string) (int32, bool) {
	if p.column.Values != nil {
		for name, n := range p.column.Values {
			if strings.EqualFold(name, text) {
				return n, true
			}
		}
		return 0, false
	}
	if p.field == nil || p.field.Enum() == nil {
		return 0, false
	}
	values := p.field.Enum().Values()
	for i := range values.Len() {
		if v := values.Get(i); v.Number() != 0 && strings.EqualFold(string(v.Name()), text) {
			return int32(v.Number()), true
		}
	}
	return 0, false
}

// compareTime compares as the wire shows times: in whole seconds, unless the
// literal has a fraction, be it zero.
func (c *compiler) compareTime(p property, e Compare) error {
	t, whole, ok := timeOf(e.Value)
	if !ok {
		return invalidValue(c.root, p.name)
	}
	col := p.column.SQL
	if !whole {
		if e.Op == Ne {
			c.put(col+" is distinct from ?", t)
		} else {
			c.put(col+sqlOp[e.Op]+"?", t)
		}
		return nil
	}
	next := t.Add(time.Second)
	switch e.Op {
	case Eq:
		c.put("("+col+" >= ? and "+col+" < ?)", t, next)
	case Ne:
		c.put("(("+col+" >= ? and "+col+" < ?) is not true)", t, next)
	case Gt:
		c.put(col+" >= ?", next)
	case Le:
		c.put(col+" < ?", next)
	default:
		c.put(col+sqlOp[e.Op]+"?", t)
	}
	return nil
}

func timeOf(v Value) (t time.Time, whole, ok bool) {
	if v.Kind != Bare && v.Kind != Text {
		return t, false, false
	}
	text := strings.ToUpper(v.Text)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if parsed, err := time.Parse(layout, text); err == nil && parsed.Year() > 0 && parsed.Year() < 10000 {
			return parsed.UTC().Truncate(time.Microsecond), !strings.Contains(text, "."), true
		}
	}
	return t, false, false
}

func (c *compiler) in(s scope, e In) error {
	p, err := c.property(s, e.Path)
	if err != nil {
		return err
	}
	if p.column.Items != nil {
		return unsupportedClause(c.root, p.name)
	}
	if err := c.allow(p, "in", p.support.In); err != nil {
		return err
	}
	if p.typ() == TypeTime {
		return c.inTimes(p, e)
	}
	args := make([]any, 0, len(e.Values))
	for _, v := range e.Values {
		arg, found, err := c.literal(p, v)
		if err != nil {
			return err
		}
		if found {
			args = append(args, arg)
		}
	}
	if len(args) == 0 {
		c.put("false")
		return nil
	}
	c.put(p.operand()+" in (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	return nil
}

func (c *compiler) inTimes(p property, e In) error {
	c.put("(")
	for i, v := range e.Values {
		if i > 0 {
			c.put(" or ")
		}
		if err := c.compareTime(p, Compare{e.Path, Eq, v}); err != nil {
			return err
		}
	}
	c.put(")")
	return nil
}

func (c *compiler) call(s scope, e Call) error {
	p, err := c.property(s, e.Path)
	if err != nil {
		return err
	}
	support := p.support.StartsWith
	switch e.Func {
	case EndsWith:
		support = p.support.EndsWith
	case Contains:
		support = p.support.Contains
	}
	if err := c.allow(p, string(e.Func), support); err != nil {
		return err
	}
	if p.typ() != TypeText || p.column.Items != nil {
		return unsupportedClause(c.root, p.name)
	}
	text := e.Text
	if p.column.Key != "" {
		text = Fold(text)
	}
	switch {
	case e.Func == StartsWith:
		c.put(p.operand()+" ^@ ?::text", text)
	case e.Func == Contains:
		c.put("strpos("+p.operand()+", ?::text) > 0", text)
	case p.column.Reversed != "":
		c.put(p.column.Reversed+" ^@ reverse(?::text)", text)
	default:
		c.put("right("+p.operand()+", length(?::text)) = ?::text", text, text)
	}
	return nil
}

func (c *compiler) any(s scope, e Any) error {
	p, err := c.property(s, e.Path)
	if err != nil {
		return err
	}
	items := p.column.Items
	if !p.stored || items == nil || s.collection != nil {
		return unsupportedClause(c.root, p.name)
	}
	if e.Where == nil {
		if err := c.allow(p, "any", p.support.Eq); err != nil {
			return err
		}
	}
	if items.Compile != nil {
		if err := c.allow(p, "any", p.support.Eq); err != nil {
			return err
		}
		sql, err := items.Compile(e.Where)
		if err != nil {
			return err
		}
		return c.exists(items, func() error { c.put(sql.Text, sql.Args...); return nil }, sql.Text != "")
	}
	inner := scope{columns: items.Columns, collection: &p}
	if p.field != nil && p.field.Message() != nil {
		inner.md = p.field.Message()
	}
	return c.exists(items, func() error { return c.expr(inner, e.Where) }, e.Where != nil)
}

func (c *compiler) exists(items *Items, where func() error, conditional bool) error {
	c.put("exists (select 1 from " + items.From + " where ")
	if items.On != "" {
		c.put(items.On)
	} else {
		c.put("true")
	}
	if conditional {
		c.put(" and (")
		if err := where(); err != nil {
			return err
		}
		c.put(")")
	}
	c.put(")")
	return nil
}

// count compiles `collection/$count eq|ne 0|1`, which is always advanced.
func (c *compiler) count(s scope, e Compare) error {
	p, err := c.property(s, e.Path[:len(e.Path)-1])
	if err != nil {
		return err
	}
	items := p.column.Items
	if !p.stored || items == nil || s.collection != nil || e.Op != Eq && e.Op != Ne ||
		e.Value.Kind != Bare || e.Value.Text != "0" && e.Value.Text != "1" {
		return unsupportedClause(c.root, p.name+"/$count")
	}
	if !c.advanced {
		return needsAdvanced("$count")
	}
	if e.Value.Text == "0" {
		if e.Op == Eq {
			c.put("not ")
		}
		return c.exists(items, nil, false)
	}
	on := items.On
	if on == "" {
		on = "true"
	}
	op := " = 1"
	if e.Op == Ne {
		op = " <> 1"
	}
	c.put("(select count(*) from (select 1 from " + items.From + " where " + on + " limit 2) as few)" + op)
	return nil
}

package api

import (
	"context"
	"crypto/rand"
	"errors"

	syncpb "entente.dev/proto/gen/entente/sync/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"entente.dev/sync-svc/internal/expression"
	"entente.dev/sync-svc/internal/mapping"
	"entente.dev/sync-svc/internal/scope"
)

// ListFilterOperators lists the operators of scoping filters (SYN-24).
func (s *Synchronization) ListFilterOperators(ctx context.Context, req *syncpb.ListFilterOperatorsRequest) (*syncpb.ListFilterOperatorsResponse, error) {
	if _, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead); err != nil {
		return nil, err
	}
	response := &syncpb.ListFilterOperatorsResponse{}
	for _, o := range scope.Operators() {
		arity := "Unary"
		if o.Binary {
			arity = "Binary"
		}
		p := &syncpb.FilterOperatorSchema{Id: o.Name, Arity: proto.String(arity), MultivaluedComparisonType: proto.String("All")}
		for _, t := range o.Types {
			p.SupportedAttributeTypes = append(p.SupportedAttributeTypes, syncpb.AttributeType_Value(syncpb.AttributeType_Value_value[t]))
		}
		response.Value = append(response.Value, p)
	}
	return response, nil
}

// ListFunctions lists the functions of expressions (SYN-24).
func (s *Synchronization) ListFunctions(ctx context.Context, req *syncpb.ListFunctionsRequest) (*syncpb.ListFunctionsResponse, error) {
	if _, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead); err != nil {
		return nil, err
	}
	response := &syncpb.ListFunctionsResponse{}
	for _, f := range expression.Signatures() {
		p := &syncpb.AttributeMappingFunctionSchema{Id: f.Name}
		for _, a := range f.Parameters {
			kind := syncpb.AttributeType_Value(syncpb.AttributeType_Value_value[a.Type])
			p.Parameters = append(p.Parameters, &syncpb.AttributeMappingParameterSchema{Name: proto.String(a.Name), Required: proto.Bool(a.Required),
				AllowMultipleOccurrences: proto.Bool(a.Repeated), Type: &kind})
		}
		response.Value = append(response.Value, p)
	}
	return response, nil
}

// sample is a test object of a client.
type sample map[string]expression.Value

// Attribute implements expression.Object.
func (s sample) Attribute(name string) expression.Value { return s[name] }

// ParseExpression parses and evaluates an expression (SYN-25). Faults of the
// expression are the answer, not an error.
func (s *Synchronization) ParseExpression(ctx context.Context, req *syncpb.ParseExpressionRequest) (*syncpb.ParseExpressionResponse, error) {
	if _, err := s.configuration(ctx, req.GetServicePrincipalId(), toRead); err != nil {
		return nil, err
	}
	response := &syncpb.ParseExpressionResponse{ParsingSucceeded: proto.Bool(false), EvaluationSucceeded: proto.Bool(false)}
	program, err := expression.ParseAndCompile(req.GetExpression())
	if err != nil {
		response.Error = &syncpb.PublicError{Code: proto.String("InvalidExpression"), Message: proto.String(err.Error())}
		return response, nil
	}
	response.ParsingSucceeded = proto.Bool(true)
	response.ParsedExpression = sourceToProto(mapping.Describe(program.Tree()))
	if req.TestInputObject == nil {
		return response, nil
	}
	object := sample{}
	for _, p := range req.GetTestInputObject().GetProperties() {
		object[p.GetKey()] = sampleValue(p.GetValue())
	}
	env := &expression.Env{Source: object, Now: s.clock.Now(), Random: rand.Reader}
	for _, name := range object["appRoleAssignments"].List() {
		env.Roles = append(env.Roles, expression.Role{DisplayName: name, Value: name})
	}
	value, err := program.Eval(env)
	if err != nil {
		code := expression.CodeFailed
		if e := (*expression.EvalError)(nil); errors.As(err, &e) {
			code = e.Code
		}
		response.Error = &syncpb.PublicError{Code: proto.String(code), Message: proto.String(err.Error())}
		return response, nil
	}
	response.EvaluationSucceeded = proto.Bool(true)
	response.EvaluationResult = value.List()
	return response, nil
}

func sampleValue(v *structpb.Value) expression.Value {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return expression.TextValue(k.StringValue)
	case *structpb.Value_NumberValue:
		return expression.DecimalValue(k.NumberValue)
	case *structpb.Value_BoolValue:
		return expression.BooleanValue(k.BoolValue)
	case *structpb.Value_ListValue:
		list := []string{}
		for _, e := range k.ListValue.GetValues() {
			list = append(list, sampleValue(e).String())
		}
		return expression.ListValue(list)
	}
	return expression.NullValue
}

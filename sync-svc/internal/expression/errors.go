package expression

import "fmt"

// ParseError says why a text is no expression.
type ParseError struct {
	// Pos is the offset of the fault in code points, from 0.
	Pos int
	// Message names the fault.
	Message string
	// Hint says what to write instead; empty when there is nothing to say.
	Hint string
}

// Error names the fault, its place and the hint.
func (e *ParseError) Error() string {
	s := fmt.Sprintf("%s at position %d", e.Message, e.Pos+1)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Codes of evaluation errors, as the provisioning log shows them.
const (
	CodeFailed       = "ExpressionEvaluationFailed"
	CodeScalarNeeded = "SchemaPropertyCanOnlyAcceptValue"
	CodeConflict     = "EntryConflict"
)

// EvalError says why an expression has no value for one object.
type EvalError struct {
	// Code is one of the Code constants.
	Code string
	// Function names the function that failed.
	Function string
	// Reason says why, without values of the object.
	Reason string
}

// Error names function and reason.
func (e *EvalError) Error() string { return e.Function + ": " + e.Reason }

func failed(reason string, args ...any) error {
	return &EvalError{Code: CodeFailed, Reason: fmt.Sprintf(reason, args...)}
}

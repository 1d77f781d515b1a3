package rpc

import (
	"context"
	"errors"
	"io"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// domain marks the reasons of this suite in google.rpc.ErrorInfo.
const domain = "entente.dev"

var codeOf = map[fault.Kind]codes.Code{
	fault.KindInternal:        codes.Internal,
	fault.KindInvalid:         codes.InvalidArgument,
	fault.KindUnauthenticated: codes.Unauthenticated,
	fault.KindDenied:          codes.PermissionDenied,
	fault.KindNotFound:        codes.NotFound,
	fault.KindExists:          codes.AlreadyExists,
	fault.KindPrecondition:    codes.FailedPrecondition,
	fault.KindExhausted:       codes.ResourceExhausted,
	fault.KindAborted:         codes.Aborted,
	fault.KindOutOfRange:      codes.OutOfRange,
	fault.KindUnimplemented:   codes.Unimplemented,
	fault.KindUnavailable:     codes.Unavailable,
	fault.KindDeadline:        codes.DeadlineExceeded,
	fault.KindCanceled:        codes.Canceled,
}

var kindOf = func() map[codes.Code]fault.Kind {
	m := make(map[codes.Code]fault.Kind, len(codeOf))
	for k, c := range codeOf {
		m[c] = k
	}
	return m
}()

// ToStatus says an error as a status that carries the fault. Untyped errors
// become INTERNAL and lose their text; a status passes as it is.
func ToStatus(err error) *status.Status {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		if st, ok := status.FromError(err); ok && st.Code() != codes.Unknown {
			return st
		}
		f = fault.From(err)
	}
	message := f.Message
	if f.Kind == fault.KindInternal {
		message = "An internal server error occurred."
	}
	st := status.New(codeOf[f.Kind], message)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: f.Reason.String(), Domain: domain, Metadata: f.Meta}}
	if len(f.Violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range f.Violations {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description, Reason: v.Code})
		}
		details = append(details, bad)
	}
	if f.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.RetryAfter)})
	}
	with, err := st.WithDetails(details...)
	if err != nil {
		return st
	}
	return with
}

// FromStatus finds the fault in what a gRPC call answered; io.EOF and nil pass.
// A status without a reason of the suite becomes a fault of its kind.
func FromStatus(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	st, ok := status.FromError(err)
	if !ok {
		return fault.From(err)
	}
	kind, known := kindOf[st.Code()]
	if !known {
		kind = fault.KindInternal
	}
	f := &fault.Error{Kind: kind, Reason: defaultReason(kind), Message: st.Message()}
	ours := false
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if r, ok := errorspb.Reason_value[d.Reason]; ok && d.Domain == domain {
				f.Reason, f.Meta, ours = errorspb.Reason(r), d.Metadata, true
			}
		case *errdetails.BadRequest:
			for _, v := range d.FieldViolations {
				f.Violations = append(f.Violations, fault.Violation{Field: v.Field, Description: v.Description, Code: v.Reason})
			}
		case *errdetails.RetryInfo:
			f.RetryAfter = d.RetryDelay.AsDuration()
		}
	}
	if ours {
		return f
	}
	// Text of the transport may name hosts and files: it is a cause, not a message.
	f.Message = genericMessage(kind)
	return f.WithCause(err)
}

func defaultReason(k fault.Kind) errorspb.Reason {
	switch k {
	case fault.KindInvalid, fault.KindOutOfRange:
		return errorspb.Reason_INVALID_REQUEST
	case fault.KindUnauthenticated:
		return errorspb.Reason_UNAUTHENTICATED
	case fault.KindDenied:
		return errorspb.Reason_ACCESS_DENIED
	case fault.KindNotFound:
		return errorspb.Reason_NOT_FOUND
	case fault.KindExists, fault.KindPrecondition, fault.KindAborted:
		return errorspb.Reason_CONFLICT
	case fault.KindExhausted:
		return errorspb.Reason_TOO_LARGE // of transport origin: a message over its limit
	case fault.KindUnimplemented:
		return errorspb.Reason_NOT_IMPLEMENTED
	case fault.KindUnavailable, fault.KindCanceled:
		return errorspb.Reason_UNAVAILABLE
	case fault.KindDeadline:
		return errorspb.Reason_DEADLINE
	}
	return errorspb.Reason_INTERNAL
}

func genericMessage(k fault.Kind) string {
	switch k {
	case fault.KindUnavailable:
		return "The service is temporarily unavailable."
	case fault.KindDeadline:
		return "The operation did not finish in time."
	case fault.KindCanceled:
		return "The request was canceled."
	case fault.KindExhausted:
		return "The request or its answer is too large."
	case fault.KindUnimplemented:
		return "The operation is not implemented."
	case fault.KindInvalid:
		return "The request is not valid."
	}
	return "An internal server error occurred."
}

// logCause is the text of an error for the log of the process that had it.
func logCause(err error) string {
	if errors.Is(err, context.Canceled) {
		return "canceled"
	}
	return err.Error()
}

package graph

import (
	"net/http"
	"strconv"
	"time"

	"entente.dev/servicekit/fault"
)

// ContentType is the one Graph answers with (WIRE-9).
const ContentType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// internalText is all that a client learns of a fault of ours.
const internalText = "An internal server error occurred."

// AppendError writes the envelope of Graph (WIRE-57).
func AppendError(dst []byte, f *fault.Error, now time.Time, requestID, clientRequestID string) []byte {
	status, code, detail := f.Graph()
	message := f.Message
	if status == http.StatusInternalServerError || message == "" {
		message = internalText
		if status != http.StatusInternalServerError {
			message = http.StatusText(status)
		}
	}
	dst = append(dst, `{"error":{"code":`...)
	dst = appendString(dst, code)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, message)
	dst = appendDetails(dst, f, status, message, detail)
	dst = append(dst, `,"innerError":{"date":"`...)
	dst = now.UTC().AppendFormat(dst, "2006-01-02T15:04:05")
	dst = append(dst, `","request-id":`...)
	dst = appendString(dst, requestID)
	dst = append(dst, `,"client-request-id":`...)
	dst = appendString(dst, clientRequestID)
	return append(dst, "}}}"...)
}

func appendDetails(dst []byte, f *fault.Error, status int, message, detail string) []byte {
	violations := f.Violations
	if len(violations) == 0 && detail != "" && status < 500 {
		violations = []fault.Violation{{Field: f.Meta["property"], Description: message, Code: detail}}
	}
	if len(violations) == 0 {
		return dst
	}
	dst = append(dst, `,"details":[`...)
	for i, v := range violations {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v.Code == "" {
			v.Code = detail
		}
		if v.Code == "" {
			v.Code = "InvalidValue"
		}
		dst = append(dst, `{"code":`...)
		dst = appendString(dst, v.Code)
		dst = append(dst, `,"message":`...)
		dst = appendString(dst, v.Description)
		if v.Field != "" {
			dst = append(dst, `,"target":`...)
			dst = appendString(dst, v.Field)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// WriteError answers err in Graph's envelope with the headers that go with it.
func WriteError(w http.ResponseWriter, err error, now time.Time, requestID, clientRequestID string) {
	f := fault.From(err)
	status, _, _ := f.Graph()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if status != http.StatusGone {
		h.Del("Location") // where to start over goes with 410 alone (DIR-212)
	}
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="", authorization_uri="/common/oauth2/v2.0/authorize", error="invalid_token"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		// Whole seconds: clients in use cannot read a date (WIRE-63).
		seconds := int64(f.RetryAfter+time.Second-1) / int64(time.Second)
		h.Set("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
	}
	body := AppendError(nil, f, now, requestID, clientRequestID)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

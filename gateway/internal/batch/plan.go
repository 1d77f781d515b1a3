package batch

import (
	"bytes"
	"encoding/json"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// maxRequests is Graph's limit.
const maxRequests = 20

// request is one step of a batch.
type request struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`

	after []int // positions of the steps it depends on
}

func bad(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_BAD_REQUEST, format, args...)
}

// parse reads a batch and checks what concerns it as a whole: size, ids and
// dependencies.
func parse(body []byte) ([]request, error) {
	var b struct {
		Requests []request `json:"requests"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&b); err != nil || dec.More() {
		return nil, bad("Invalid batch payload format.")
	}
	if len(b.Requests) == 0 {
		return nil, bad("Batch request collection missing or empty.")
	}
	if len(b.Requests) > maxRequests {
		return nil, bad("Number of batch request steps exceeds the maximum value of %d.", maxRequests)
	}
	index := map[string]int{}
	for i, r := range b.Requests {
		key := strings.ToLower(r.ID)
		if _, twice := index[key]; key == "" || len(key) > 256 || twice {
			return nil, bad("The id of each request in a batch must be unique and not empty.")
		}
		if r.Method == "" || r.URL == "" {
			return nil, bad("Each request in a batch needs a method and a url.")
		}
		index[key] = i
	}
	for i := range b.Requests {
		for _, id := range b.Requests[i].DependsOn {
			at, ok := index[strings.ToLower(id)]
			if !ok {
				return nil, bad("A request of the batch depends on an id that the batch does not have.")
			}
			b.Requests[i].after = append(b.Requests[i].after, at)
		}
	}
	if circular(b.Requests) {
		return nil, bad("The dependencies of the batch form a circle.")
	}
	return b.Requests, nil
}

// circular reports whether some request waits for itself.
func circular(requests []request) bool {
	done := make([]bool, len(requests))
	for range requests {
		progress, open := false, false
		for i, r := range requests {
			if done[i] {
				continue
			}
			open = true
			ready := true
			for _, at := range r.after {
				ready = ready && done[at]
			}
			if ready {
				done[i], progress = true, true
			}
		}
		if !open {
			return false
		}
		if !progress {
			return true
		}
	}
	for _, d := range done {
		if !d {
			return true
		}
	}
	return false
}

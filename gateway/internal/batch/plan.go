package batch

import (
	"strings"

	"entente.dev/gateway/internal/graph"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// maxRequests is Graph's limit.
const maxRequests = 20

// request is one step of a batch.
type request struct {
	graph.Step

	after []int // positions of the steps it depends on
}

func bad(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_BAD_REQUEST, format, args...)
}

// parse reads a batch and checks what concerns it as a whole: size, ids and
// dependencies. It reads no further than to the first step too many.
func parse(body []byte) ([]request, error) {
	var requests []request
	err := graph.ReadBatch(body, func(s graph.Step) error {
		if len(requests) == maxRequests {
			return bad("Number of batch request steps exceeds the maximum value of %d.", maxRequests)
		}
		requests = append(requests, request{Step: s})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return nil, bad("Batch request collection missing or empty.")
	}
	index := map[string]int{}
	for i, r := range requests {
		key := strings.ToLower(r.ID)
		if _, twice := index[key]; key == "" || len(key) > 256 || twice {
			return nil, bad("The id of each request in a batch must be unique and not empty.")
		}
		if r.Method == "" || r.URL == "" {
			return nil, bad("Each request in a batch needs a method and a url.")
		}
		index[key] = i
	}
	for i := range requests {
		for _, id := range requests[i].DependsOn {
			at, ok := index[strings.ToLower(id)]
			if !ok {
				return nil, bad("A request of the batch depends on an id that the batch does not have.")
			}
			requests[i].after = append(requests[i].after, at)
		}
	}
	if circular(requests) {
		return nil, bad("The dependencies of the batch form a circle.")
	}
	return requests, nil
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

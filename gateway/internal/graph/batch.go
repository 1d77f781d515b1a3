package graph

import (
	"encoding/json"
	"errors"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

// Step is one request of a batch as it is written (WIRE-66).
type Step struct {
	ID, Method, URL string
	Headers         map[string]string
	// Body is what was written, nil for none or null.
	Body      json.RawMessage
	DependsOn []string
}

// ReadBatch reads the steps of a batch in order and hands each to add, whose
// error ends the reading. A batch holds to the limits of any body, and so does
// the body of each step for itself. Members that a batch does not have are
// skipped; null is the same as absent.
func ReadBatch(data []byte, add func(Step) error) error {
	s := &scanner{data: data}
	err := s.object(func(name string) error {
		switch {
		case name != "requests":
			return s.skip()
		case s.word("null"):
			return nil
		}
		return s.array(func(int) error {
			step, err := s.step()
			if err != nil {
				return err
			}
			return add(step)
		})
	})
	if err == nil {
		err = s.end()
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) && f.Message == Malformed {
		return fault.Invalid(errorspb.Reason_BAD_REQUEST, "Invalid batch payload format.")
	}
	return err
}

func (s *scanner) step() (Step, error) {
	var step Step
	err := s.object(func(name string) (err error) {
		if s.word("null") {
			return nil
		}
		switch name {
		case "id":
			step.ID, err = s.text()
		case "method":
			step.Method, err = s.text()
		case "url":
			step.URL, err = s.text()
		case "headers":
			step.Headers = map[string]string{}
			err = s.object(func(name string) (err error) {
				if !s.word("null") {
					step.Headers[name], err = s.text()
				}
				return err
			})
		case "body":
			step.Body, err = s.raw()
		case "dependsOn":
			err = s.array(func(int) error {
				id, err := s.text()
				step.DependsOn = append(step.DependsOn, id)
				return err
			})
		default:
			err = s.skip()
		}
		return err
	})
	return step, err
}

// text consumes a string, and nothing else.
func (s *scanner) text() (string, error) {
	if s.peek() != '"' {
		return "", badJSON()
	}
	return s.string()
}

// raw consumes any value as a body of its own and answers it as it is written.
func (s *scanner) raw() (json.RawMessage, error) {
	s.space()
	inner := scanner{data: s.data, pos: s.pos}
	if err := inner.skip(); err != nil {
		return nil, err
	}
	value := s.data[s.pos:inner.pos]
	s.pos = inner.pos
	return value, nil
}

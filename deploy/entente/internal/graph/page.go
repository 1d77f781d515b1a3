package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Page is one page of a collection.
type Page[T any] struct {
	Context string `json:"@odata.context,omitempty"`
	// Count is of the whole collection, on the first page when it was asked for.
	Count *int64 `json:"@odata.count,omitempty"`
	// Next is the link of the next page, Delta the one of later changes.
	Next  string `json:"@odata.nextLink,omitempty"`
	Delta string `json:"@odata.deltaLink,omitempty"`
	Value []T    `json:"value"`
}

// List reads pages until there is no further one, or until limit objects are
// there; 0 is no limit. The answer has the context and the count of the first
// page and the links of the last: with a Next, there is more. Of the last page,
// what is over the limit is kept.
func List[T any](ctx context.Context, c *Client, path string, header http.Header, limit int) (Page[T], error) {
	all := Page[T]{Next: path, Value: []T{}}
	for first := true; all.Next != "" && (limit == 0 || len(all.Value) < limit); first = false {
		var page Page[T]
		if err := c.DoRequest(ctx, Request{Method: http.MethodGet, Path: all.Next, Header: header}, &page); err != nil {
			return Page[T]{}, err
		}
		if first {
			all.Context, all.Count = page.Context, page.Count
		}
		all.Value = append(all.Value, page.Value...)
		all.Next, all.Delta = page.Next, page.Delta
	}
	return all, nil
}

// Join reads the pages that follow the first one, data, and answers all of
// them as one; what is no collection stays as it is.
func Join(ctx context.Context, c *Client, data []byte, header http.Header) ([]byte, error) {
	var first Page[json.RawMessage]
	if err := json.Unmarshal(data, &first); err != nil || first.Next == "" {
		return data, nil //nolint:nilerr // another shape is no failure: there is nothing to follow
	}
	rest, err := List[json.RawMessage](ctx, c, first.Next, header, 0)
	if err != nil {
		return nil, err
	}
	first.Value = append(first.Value, rest.Value...)
	first.Next, first.Delta = rest.Next, rest.Delta
	var joined bytes.Buffer
	encoder := json.NewEncoder(&joined)
	encoder.SetEscapeHTML(false) // links hold &
	if err := encoder.Encode(first); err != nil {
		return nil, fmt.Errorf("join pages: %w", err)
	}
	return bytes.TrimSpace(joined.Bytes()), nil
}

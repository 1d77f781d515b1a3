package patch

// Change is what a request says about one property.
type Change[T any] struct {
	// Named tells that the request holds the property.
	Named bool
	// To is the new value; nil clears.
	To *T
}

// Set is a change to v.
func Set[T any](v T) Change[T] { return Change[T]{Named: true, To: &v} }

// Clear is a change to null.
func Clear[T any]() Change[T] { return Change[T]{Named: true} }

// Apply makes the change at *to.
func (c Change[T]) Apply(to **T) {
	if c.Named {
		*to = c.To
	}
}

// Clears reports whether the request says null.
func (c Change[T]) Clears() bool { return c.Named && c.To == nil }

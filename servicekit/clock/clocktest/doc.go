// Package clocktest has a clock that stands still until a test moves it.
package clocktest

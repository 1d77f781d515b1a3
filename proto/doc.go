// Package proto is the API of the suite: the .proto files under entente, and
// the Go generated from them under gen. The module imports nothing of ours.
// Start reading at entente/options/v1/options.proto, which says what the rest
// declares as data; README.md lists where the API departs from the usual
// guidance and why.
package proto

//go:generate make -C .. generate

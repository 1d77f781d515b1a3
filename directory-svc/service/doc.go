// Package service puts directory-svc together from its settings. It is the
// only package of the module that others import: the program that runs all
// parts in one process, and tests.
package service

// Package extension holds the rules of directory extensions (DIR-190 to
// DIR-194): how a definition looks and which values fit it.
package extension

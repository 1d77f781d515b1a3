// Package atomicfile writes small files so that a reader, and a restart after
// a crash, sees either the old content or the new one and never a part.
package atomicfile

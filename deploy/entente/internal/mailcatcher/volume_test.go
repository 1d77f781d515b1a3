package mailcatcher_test

import (
	"os"
	"path/filepath"
	"testing"

	"entente.dev/deploy/entente/internal/mailcatcher"
)

// TestAnUnfinishedMailIsLeftOut: a process that is killed while it writes
// loses that mail and no other, and the next one goes on.
func TestAnUnfinishedMailIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *mailcatcher.Store {
		s, err := mailcatcher.OpenStore(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	add := func(s *mailcatcher.Store, subject string) {
		if _, err := s.Add("s@x.example", []string{"r@x.example"}, []byte("Subject: "+subject+"\r\n\r\nbody")); err != nil {
			t.Fatal(err)
		}
	}
	first := open()
	add(first, "whole")
	add(first, "torn")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], whole[:len(whole)-2], 0o600); err != nil {
		t.Fatal(err)
	}
	add(open(), "next")
	list, err := open().List(mailcatcher.Query{To: "r@x.example"})
	if err != nil || len(list) != 2 || list[0].Subject != "whole" || list[1].Subject != "next" {
		t.Fatal(list, err)
	}
}

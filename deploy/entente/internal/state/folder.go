package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Folder is an open data folder. The lock is held until Close.
type Folder struct {
	root string
	lock *os.File
}

// DefaultRoot is the data folder used when none is named: a system folder for
// root, since the database then runs under another user who cannot enter
// root's home, and the user's own data folder otherwise.
func DefaultRoot() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/entente", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "entente"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home folder for the data: %w; name a folder with --data-dir", err)
	}
	return filepath.Join(home, ".local", "share", "entente"), nil
}

// InUseError says that another runner has the data folder.
type InUseError struct {
	// Root is the folder.
	Root string
	// PID is the process that has it, as it wrote itself; "" when unknown.
	PID string
}

// Error names the folder, the process and what to do.
func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != "" {
		who = "process " + e.PID
	}
	return fmt.Sprintf("the data folder %s is in use by %s: stop it, or name another folder with --data-dir", e.Root, who)
}

// Open makes the folder when it is missing and locks it. The error is an
// *InUseError when another process holds it. The lock goes with the process,
// so that none is left behind by a kill.
func Open(root string) (*Folder, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if err := makeRoot(root, os.Geteuid() == 0); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(root, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	f := &Folder{root: root, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			pid, _ := io.ReadAll(io.LimitReader(lock, 20)) // only for the message
			return nil, &InUseError{Root: root, PID: strings.TrimSpace(string(pid))}
		}
		return nil, fmt.Errorf("lock data folder %s: %w", root, err)
	}
	if err := f.writePID(); err != nil {
		lock.Close()
		return nil, err
	}
	return f, nil
}

// makeRoot makes the folder private. Under root the database runs as another
// user, who must be able to pass through (not to list): a folder made too
// closed, as mktemp does, is opened that far. Each folder of secrets inside is
// closed by itself.
func makeRoot(root string, asRoot bool) error {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	if !asRoot {
		return nil
	}
	stat, err := os.Stat(root)
	if err != nil || stat.Mode().Perm()&0o011 == 0o011 {
		return err
	}
	return os.Chmod(root, stat.Mode().Perm()|0o011)
}

func (f *Folder) writePID() error {
	err := f.lock.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f.lock, "%d\n", os.Getpid())
	}
	if err != nil {
		return fmt.Errorf("lock data folder %s: %w", f.root, err)
	}
	return nil
}

// Close lets the next runner in.
func (f *Folder) Close() error { return f.lock.Close() }

// Root is the folder's absolute path.
func (f *Folder) Root() string { return f.root }

// Certificates is the folder of the private authority.
func (f *Folder) Certificates() string { return filepath.Join(f.root, "certificates") }

// Keys is the folder of the installation's secrets.
func (f *Folder) Keys() string { return KeysIn(f.root) }

// KeysIn is the folder of secrets of the data folder root, for tools that use
// an installation without running it.
func KeysIn(root string) string { return filepath.Join(root, "keys") }

// Mail is the folder of caught mail.
func (f *Folder) Mail() string { return filepath.Join(f.root, "mail") }

// Postgres is the folder of the private database cluster.
func (f *Folder) Postgres() string { return filepath.Join(f.root, "postgres") }

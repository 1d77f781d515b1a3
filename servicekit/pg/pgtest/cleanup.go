package pgtest

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// removeAfterExit has a shell wait for the end of this process, which closes
// the pipe, then for the end of the server, and remove the folder. A test
// binary has no hook of its own for that, least of all when it panics.
func removeAfterExit(dir string, pid int) error {
	const script = `read -r _; kill -INT "$1" 2>/dev/null; while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; rm -rf "$0"`
	cmd := exec.Command("/bin/sh", "-c", script, dir, strconv.Itoa(pid))
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = r.Close()
	held = w // open, and unknown to children, as long as this process lives
	return cmd.Process.Release()
}

var held *os.File //nolint:unused // holding it is its use

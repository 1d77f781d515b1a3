//go:build !linux

package cluster

import "syscall"

// dieWithParent is not offered by this system: a server whose parent was
// killed runs on until the next start on the folder, which names it.
func dieWithParent(*syscall.SysProcAttr) {}

package cluster

import "syscall"

// dieWithParent has the server shut down when the process that started it
// dies, however it dies. The signal follows the starting thread.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// Package floor runs pgbench scripts that do what an operation cannot avoid
// doing: the rows it reads or writes, prepared, over the same kind of
// connection, on the same server.
package floor

// Command bench measures a running suite against what its PostgreSQL can do at
// all. For each operation it runs the suite and a pgbench script that touches
// the same rows, in turns, on the same server, and prints the median ratio
// with its range over the rounds: machines are noisy, ratios are steadier than
// rates. Beside that table it compares large tenants with small ones, and
// reports figures that stand by themselves, such as the first synchronization
// and decisions at a fixed rate.
//
// Start reading at main.go, whose measureAll names the parts; operations.go
// says what is measured and which floor belongs to it. internal/suite starts
// the program and signs in, internal/fill makes large tenants, internal/floor
// drives pgbench, internal/load drives the suite, internal/report writes.
package main

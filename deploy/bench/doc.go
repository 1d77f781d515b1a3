// Command bench measures a running suite against what its PostgreSQL can do at
// all. For each operation it runs the suite and a pgbench script that touches
// the same rows, in turns, on the same server, and prints the median ratio
// with its range over the rounds: machines are noisy, ratios are steadier than
// rates.
//
// Start reading at main.go; internal/suite starts the program and signs in,
// internal/floor drives pgbench, internal/load drives the suite, operations.go
// says what is measured and which floor belongs to it.
package main

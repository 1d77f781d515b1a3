// Package property writes the refusals that every resource of the directory
// shares, in the words that Graph clients match (DIR-8, WIRE-60). Other rule
// packages decide; this one only knows how the decision is said.
package property

// Package sim is the deterministic simulator: it drives the shipped loop of every node (core,
// guard, journal, store, codec) in one goroutine and in virtual time, lets everything go wrong that
// a seed says, and asks its oracles after every step. The same seed is the same run.
package sim

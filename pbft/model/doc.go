// Package model holds no Go: byzd.pml is a small model of the agreement protocol in Promela,
// written from the protocol's rules and not from package pbft, as a second opinion. README.md says
// what it covers. The package's test runs its quick variants where SPIN is installed; "make model"
// runs all.
package model

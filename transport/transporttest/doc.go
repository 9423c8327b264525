// Package transporttest holds the contract of package transport as tests, to be run against every
// carrier: [Run] takes a factory of a [World], which makes transports and breaks what is between
// them.
package transporttest

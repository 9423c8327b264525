//go:build !unix

package main

import "errors"

// begin would replace this process by a new one of the same program.
func begin([]string) error {
	return errors.New("this operating system cannot replace a process by another one: start the " +
		"node again")
}

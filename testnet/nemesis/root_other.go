//go:build !linux

package nemesis

import "errors"

var errLinux = errors.New("it needs Linux")

func toolApart(string, ...string) error { return errLinux }

func lockLoopback() (release func(), err error) { return nil, errLinux }

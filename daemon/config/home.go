package config

import (
	"fmt"
	"path/filepath"
)

// Home is the directory of a node's files.
type Home string

// The paths of a node's files.
func (h Home) path(name string) string { return filepath.Join(string(h), name) }

// Config is the path of the settings, which may be missing.
func (h Home) Config() string { return h.path(configName) }

// Genesis is the path of the genesis.
func (h Home) Genesis() string { return h.path("genesis.toml") }

// NetworkKey is the path of the seed of the network key.
func (h Home) NetworkKey() string { return h.path("network.key") }

// SigningKey is the path of the seed of the signing key.
func (h Home) SigningKey() string { return h.path("signing.key") }

// NextKey is the path of the seed of a signing key that is to take the place of the first, if there
// is one; NextMember is the public half of a node with it.
func (h Home) NextKey() string { return h.path("signing.key.next") }

// NextMember is the path of the node's public half with the next signing key.
func (h Home) NextMember() string { return h.path("member.next.toml") }

// ClientKey is the path of the seed that the client commands sign with.
func (h Home) ClientKey() string { return h.path("client.key") }

// Member is the path of the node's public half, which goes to whoever makes the genesis.
func (h Home) Member() string { return h.path(memberName) }

// Data is the directory of the journal.
func (h Home) Data() string { return h.path("data") }

// Evidence is the directory of the proofs, one file each.
func (h Home) Evidence() string { return h.path("evidence") }

// Archive is the directory of what outlives the journal, for forensics.
func (h Home) Archive() string { return h.path("archive") }

// Addresses is the path of the file that says where a running node listens.
func (h Home) Addresses() string { return h.path(addressesName) }

const (
	configName    = "byzd.toml"
	memberName    = "member.toml"
	addressesName = "addresses.json"
)

// Error is an error with advice.
type Error struct {
	Err    error
	Advice string
	Flag   bool // the mistake stands on the command line
}

// Error says what is wrong.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without the advice.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do; it may be empty.
func (e *Error) Hint() string { return e.Advice }

func advise(advice, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Advice: advice}
}

package client

import (
	"byzd/crypto"
	"byzd/daemon/genesis"
)

// Options say whom to talk to, whom to trust, and as whom.
type Options struct {
	// Endpoints are client endpoints of members: host:port or unix:PATH. The first is asked first.
	// The others' addresses are learned from them; to be safe from one that lies about that, name
	// f+1.
	Endpoints []string
	// Refresh, if it is there, tells what Endpoints would be now, or nothing. It is called while a
	// request waits longer than it should, by any goroutine, at most about once a second for each.
	Refresh func() []string
	// Genesis says who the members are. Without it the pinned one is used, or that on which the
	// endpoints agree.
	Genesis *genesis.Genesis
	// KeyPath is the file of the client's key. The session stands in a directory beside it, the
	// pinned genesis too.
	KeyPath string
	// Key is used in place of KeyPath: a key that nobody else uses and that is not used again. Its
	// session is kept in memory.
	Key *crypto.NetworkKey
}

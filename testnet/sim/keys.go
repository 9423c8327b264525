package sim

import (
	"encoding/binary"
	"fmt"
	"sync"

	"byzd/crypto"
)

// maxPeople and maxClients bound a simulated cluster: 13 members at first, and newcomers.
const (
	maxPeople  = 20
	maxClients = 16
)

// keyring holds keys that are the same in every run: to make them takes longer than a run.
type keyring struct {
	scheme  crypto.Scheme
	signers [2][maxPeople]crypto.Signer // first and second keys
	nodes   [maxPeople]crypto.NodeID
	admins  [adminKeys]crypto.Signer
	clients [maxClients + 1]crypto.NetworkKey // the last one lies
	ids     [maxClients + 1]crypto.NodeID
}

// keys returns the keyring. It is made once and never changed.
var keys = sync.OnceValue(newKeyring) //nolint:gochecknoglobals // immutable, and slow to make

func newKeyring() *keyring {
	scheme, err := crypto.SchemeByName(crypto.SchemeEd25519)
	if err != nil {
		panic(err)
	}
	k := &keyring{scheme: scheme}
	signer := func(what string, i int) crypto.Signer {
		s, err := scheme.NewSigner(keySeed(what, i))
		if err != nil {
			panic(fmt.Sprintf("sim: %s key %d: %v", what, i, err))
		}
		return s
	}
	for i := range k.nodes {
		k.signers[0][i], k.signers[1][i] = signer("member", i), signer("second", i)
		k.nodes[i] = crypto.NewNetworkKey(keySeed("member", i)).ID()
	}
	for i := range k.admins {
		k.admins[i] = signer("admin", i)
	}
	for i := range k.clients {
		k.clients[i] = crypto.NewNetworkKey(keySeed("client", i))
		k.ids[i] = k.clients[i].ID()
	}
	return k
}

func keySeed(what string, i int) [crypto.SeedSize]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i)) //nolint:gosec // an index
	return crypto.Hash("byzd/sim/key/"+what, b[:])
}

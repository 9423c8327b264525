package sim

import (
	"encoding/binary"
	"fmt"
	"sync"

	"byzd/crypto"
)

// maxMembers and maxClients bound a simulated cluster.
const (
	maxMembers = 13
	maxClients = 16
)

// keyring holds keys that are the same in every run: to make them takes longer than a run.
type keyring struct {
	scheme  crypto.Scheme
	signers [maxMembers]crypto.Signer
	nodes   [maxMembers]crypto.NodeID
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
	for i := range k.signers {
		seed := keySeed("member", i)
		k.signers[i], err = scheme.NewSigner(seed)
		if err != nil {
			panic(fmt.Sprintf("sim: key %d: %v", i, err))
		}
		k.nodes[i] = crypto.NewNetworkKey(seed).ID()
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

package pbfttest

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft"
	"byzd/pbft/message"
)

// admins is the number of administrators of a network; two of them must agree.
const admins = 3

// Administrators returns the keys that may change the members of a network of a scheme.
func Administrators(scheme crypto.Scheme) (message.Admins, []crypto.Signer) {
	a := message.Admins{Threshold: admins/2 + 1}
	signers := make([]crypto.Signer, 0, admins)
	for i := range admins {
		signer := Signer(scheme, "pbfttest admin", i)
		a.Keys, signers = append(a.Keys, signer.Public()), append(signers, signer)
	}
	return a, signers
}

// Signer derives a key from a label and a number.
func Signer(scheme crypto.Scheme, label string, i int) crypto.Signer {
	signer, err := scheme.NewSigner(seedOf(label, i))
	if err != nil {
		panic(err)
	}
	return signer
}

func seedOf(label string, i int) [crypto.SeedSize]byte {
	return crypto.DeriveSeed([crypto.SeedSize]byte{byte(i)}, label) //nolint:gosec // small
}

// Member is what [Config] makes of a number: the public half of a node that is in a cluster of more
// members than that.
func Member(scheme crypto.Scheme, i int) (message.ChangeMember, crypto.Signer) {
	signer := Signer(scheme, "pbfttest", i)
	return message.ChangeMember{
		Name: fmt.Sprintf("r%d", i), Node: crypto.NewNetworkKey(seedOf("pbfttest", i)).ID(),
		Key: signer.Public().Bytes(), Proof: signer.Proof(),
	}, signer
}

// Reconfiguration is a change to the members with these numbers, approved by enough
// administrators. Those of ready say that they are, at a header.
func Reconfiguration(
	cfg *message.Config, members []int, at message.Header, ready ...int,
) *message.Reconfiguration {
	change := &message.Change{Epoch: cfg.Epoch, Params: cfg.Params}
	signers := make([]crypto.Signer, 0, len(members))
	for _, i := range members {
		m, signer := Member(cfg.Scheme, i)
		old := cfg.Member(m.Node)
		if old >= 0 && cfg.Members[old].Key.Equal(signer.Public()) {
			m.Proof = nil
		}
		change.Members, signers = append(change.Members, m), append(signers, signer)
	}
	rc := &message.Reconfiguration{Change: change}
	_, keys := Administrators(cfg.Scheme)
	for _, key := range keys[:cfg.Admins.Threshold] {
		rc.Approve(cfg, key)
	}
	for k, i := range members {
		for _, r := range ready {
			if r == i {
				rc.Ready = append(rc.Ready, message.SignReady(cfg, change, k, at, signers[k]))
			}
		}
	}
	return rc
}

// Reconfigure lets a node's gateway order a change of the members, made at what it has executed.
func (net *Network) Reconfigure(i int, members, ready []int) *message.Bundle {
	node := net.Nodes[i]
	rc := Reconfiguration(net.Config, members, node.Log[len(node.Log)-1].Header, ready...)
	b := net.bundle(i, []message.Item{{Reconfig: rc}})
	net.Broadcast(b)
	return b
}

// end notes that a node's epoch has ended.
func (net *Network) end(i int, e pbft.EpochEnd) {
	node := net.Nodes[i]
	if node.Ended != nil {
		net.blame(i, fmt.Sprintf("replica %d ends its epoch twice", i))
	}
	node.Ended = e.Certificate
}

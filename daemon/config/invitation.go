package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Invitation is what a newcomer needs to find the members of a cluster: the genesis, and where some
// of them listen. Nothing in it is secret, and nothing of it is believed but the genesis, which
// people compare, and what proves itself from there on: an address that is wrong leads to nobody.
type Invitation struct {
	Cluster string `json:"cluster,omitempty"`
	Genesis string `json:"genesis,omitempty"`
	Peers   []Peer `json:"peers"`
	// Epochs are the proofs that lead from the genesis to the members of today, as
	// message.EncodeEpochs writes them; none while nothing has changed.
	Epochs []byte `json:"epochs,omitempty"`
}

// Peer is where a member listens.
type Peer struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Transport string `json:"transport"`
	Gossip    string `json:"gossip,omitempty"`
}

// Invitation is the path of the invitation that a newcomer has, if it has one.
func (h Home) Invitation() string { return h.path("invitation.json") }

// maxInvitation bounds what is read.
const maxInvitation = 64 << 20

// ReadInvitation reads the file that byzd member invite wrote.
func ReadInvitation(path string) (*Invitation, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	if len(data) > maxInvitation {
		return nil, fmt.Errorf("%s is no invitation: it has %d bytes", path, len(data))
	}
	inv := &Invitation{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(inv); err != nil {
		return nil, fmt.Errorf("%s is no invitation: %w", path, err)
	}
	return inv, nil
}

// Peers is the path of the file, of the same form and without a genesis, in which a node keeps
// where it last heard the members listen: after a start it may be in an older epoch than they, and
// then gossip tells it nothing.
func (h Home) Peers() string { return h.path("peers.json") }

// Save writes the invitation, in place of what was there. A crash leaves the old file or the new
// one.
func (inv *Invitation) Save(path string) error {
	data, err := json.MarshalIndent(inv, "", "  ")
	if err != nil {
		return err
	}
	temp := path + ".tmp"
	if err := os.WriteFile(temp, append(data, '\n'), 0o644); err != nil { //nolint:gosec // public
		return err
	}
	return os.Rename(temp, path)
}

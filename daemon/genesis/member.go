package genesis

import (
	"bytes"
	"fmt"
	"strings"

	"byzd/crypto"
)

// Member is one replica. Everything in it is public.
type Member struct {
	// Name is for people: 1 to 63 lower-case letters, digits, '-', '_' and '.', unique.
	Name string
	// ID is the network key, the member's identity towards gossip and transport.
	ID crypto.NodeID
	// Key is the public signing key of the cluster's scheme.
	Key []byte
	// Proof is the proof of possession of Key where the scheme needs one, otherwise empty.
	Proof []byte
}

// NewMember returns the member that holds these keys.
func NewMember(name string, network crypto.NetworkKey, signer crypto.Signer) Member {
	return Member{
		Name: name, ID: network.ID(), Key: signer.Public().Bytes(), Proof: signer.Proof(),
	}
}

// nameMax is the length of a host name's part, which a member's name often is.
const nameMax = 63

// CheckName returns an error unless name can be a member's. It may stand in paths, tables and
// commands without quotes.
func CheckName(name string) error {
	good := name != "" && len(name) <= nameMax
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		good = good && (letter || i > 0 && strings.ContainsRune("-_.", r))
	}
	if good {
		return nil
	}
	return &adviceError{
		fmt.Errorf("%.80q cannot be a member's name", name),
		fmt.Sprintf("a name has 1 to %d lower-case letters, digits, '-', '_' or '.', "+
			"and starts with a letter or digit", nameMax),
	}
}

// check returns an error for what is wrong with the member alone.
func (m Member) check(scheme crypto.Scheme) error {
	if err := CheckName(m.Name); err != nil {
		return err
	}
	// The text form is the one that is checked for a canonical key of prime order.
	if _, err := crypto.ParseNodeID(m.ID.String()); err != nil {
		return fmt.Errorf("member %q: %w", m.Name, err)
	}
	key, err := scheme.ParsePublicKey(m.Key)
	if err != nil {
		return fmt.Errorf("member %q: signing key of %s: %w", m.Name, scheme.Name(), err)
	}
	if !scheme.VerifyProof(key, m.Proof) {
		return fmt.Errorf("member %q: signing key of %s: %w", m.Name, scheme.Name(),
			crypto.ErrKeyProof)
	}
	return nil
}

// shares names what both members have and only one may, or returns "".
func (m Member) shares(other Member) string {
	switch {
	case m.Name == other.Name:
		return "name"
	case m.ID == other.ID:
		return "peer ID"
	case bytes.Equal(m.Key, other.Key):
		return "signing key"
	}
	return ""
}

package message_test

import (
	"testing"

	"byzd/crypto"
	"byzd/pbft/message"
)

// M16: the root of a batch fixes the order of its bundles, not only which they are: the order
// decides what is executed first.
func TestBatchRootMindsTheOrder(t *testing.T) {
	a, b := crypto.Hash("a"), crypto.Hash("b")
	if message.BatchRoot([]crypto.Digest{a, b}) == message.BatchRoot([]crypto.Digest{b, a}) {
		t.Error("two orders of the same bundles have one root")
	}
}

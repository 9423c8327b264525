package message_test

import (
	"fmt"

	"byzd/crypto"
	"byzd/pbft/message"
)

// A replica that votes for two batches in one place convicts itself: the proof is a file that
// anybody who has the genesis can check.
func ExampleDecodeProof() {
	scheme, err := crypto.SchemeByName(crypto.SchemeEd25519)
	if err != nil {
		panic(err)
	}
	liar, err := scheme.NewSigner([crypto.SeedSize]byte{1})
	if err != nil {
		panic(err)
	}
	members := []message.Member{{Name: "liar", Key: liar.Public()}}
	cfg, err := message.NewConfig(
		crypto.Hash("genesis"), scheme, members, message.DefaultParams())
	if err != nil {
		panic(err)
	}
	sealer := message.Sealer{Config: cfg, Self: 0, Signer: liar}
	one := &message.Vote{Kind: crypto.KindPrepare, View: 1, Seq: 7, Digest: crypto.Hash("one")}
	two := &message.Vote{Kind: crypto.KindPrepare, View: 1, Seq: 7, Digest: crypto.Hash("two")}
	sealer.Seal(one)
	sealer.Seal(two)

	file := message.EncodeProof(cfg, message.ContradictingVotes(one, two))

	e, err := message.DecodeProof(cfg, file)
	fmt.Println(cfg.Members[e.Culprit].Name, e.Kind, err)
	file[100] ^= 1
	_, err = message.DecodeProof(cfg, file)
	fmt.Println(err)
	// Output:
	// liar E1-two-prepares <nil>
	// not a valid proof: the closing digest does not fit; the file is damaged
}

package genesis_test

import (
	"fmt"

	"byzd/crypto"
	"byzd/daemon/genesis"
)

// A genesis of one member, written and read back.
func Example() {
	scheme, err := crypto.SchemeByName(crypto.SchemeEd25519)
	if err != nil {
		panic(err)
	}
	signer, err := scheme.NewSigner([crypto.SeedSize]byte{1})
	if err != nil {
		panic(err)
	}
	alice := genesis.NewMember("alice", crypto.NewNetworkKey([crypto.SeedSize]byte{2}), signer)

	g, err := genesis.New(scheme.Name(), false)
	if err != nil {
		panic(err)
	}
	if err = g.Add(alice); err != nil {
		panic(err)
	}
	back, err := genesis.Parse(g.Encode())
	if err != nil {
		panic(err)
	}
	config, err := back.Config()
	if err != nil {
		panic(err)
	}
	fmt.Println(config.Members[0].Name, config.Cluster == g.ClusterID())
	// Output: alice true
}

// A mistake is an error with its line and, where one is known, a remedy.
func ExampleParse_mistake() {
	g, err := genesis.New(crypto.SchemeEd25519, false)
	if err != nil {
		panic(err)
	}
	_, err = genesis.Parse(append([]byte("shceme = \"ed25519\"\n"), g.Encode()...))
	fmt.Println(err)
	if advised, ok := err.(interface{ Hint() string }); ok {
		fmt.Println(advised.Hint())
	}
	// Output:
	// genesis.toml:1: unknown key "shceme"
	// did you mean "scheme"?
}

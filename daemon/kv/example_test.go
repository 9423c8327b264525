package kv_test

import (
	"fmt"
	"strings"

	"byzd/daemon/kv"
)

// Operations and results are bytes; the same operations give the same root everywhere.
func Example() {
	one, two := kv.New(), kv.New()
	for _, op := range []kv.Op{
		kv.Put{Key: []byte("alice"), Value: []byte("10")},
		kv.Put{Key: []byte("bob"), Value: []byte("0")},
		kv.Transfer{From: []byte("alice"), To: []byte("bob"), Amount: 4},
		kv.Transfer{From: []byte("alice"), To: []byte("bob"), Amount: 40},
		kv.Range{Key: []byte("a"), End: []byte("c")},
	} {
		encoded, err := kv.Encode(op)
		if err != nil {
			panic(err)
		}
		two.Apply(encoded)
		r, err := kv.DecodeResult(one.Apply(encoded))
		if err != nil {
			panic(err)
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintf("revision %d: %s", r.Revision, r.Error)))
		for _, e := range r.KVs {
			fmt.Printf("%s=%s\n", e.Key, e.Value)
		}
	}
	fmt.Println(one.Root() == two.Root())
	// Output:
	// revision 2:
	// revision 3:
	// revision 4:
	// revision 4: account holds too little
	// revision 4:
	// alice=6
	// bob=4
	// true
}

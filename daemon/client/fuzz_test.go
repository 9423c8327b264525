package client

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"byzd/crypto"
)

// FuzzBook: whatever the session file holds, reading it ends, with an error that says so or with a
// book from which places are taken that only grow; what is refused is left as it is (O19).
func FuzzBook(f *testing.F) {
	shelf, err := openFiles(filepath.Join(f.TempDir(), "key"), crypto.NodeID{1}, crypto.Hash("cluster"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = shelf.close() })
	own := "\"cluster\":\"" + shelf.cluster + "\",\"key\":\"" + shelf.key + "\",\"place\":\"" + shelf.place + "\""
	const rest = "\"session\":1048576,\"nonce\":5,\"next\":3,\"used\":1,\"waiting\":[{\"seq\":2,\"holder\":\"self\"}]"
	f.Add(true, []byte(rest))
	f.Add(true, []byte("\"next\":18446744073709551615,\"session\":1,\"waiting\":null"))
	f.Add(false, []byte("{"+rest+"}"))
	f.Add(false, []byte("{\"cluster\":\"elsewhere\",\"nonce\":18446744073709551615}"))
	f.Add(false, []byte("[]"))
	path := shelf.named("session", ".json")
	f.Fuzz(func(t *testing.T, ours bool, file []byte) {
		if ours { // so that the fuzzer need not find the names
			file = append(append([]byte("{"+own+","), file...), '}')
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		b, _, err := shelf.read()
		if err != nil {
			if _, is := errors.AsType[*damagedError](err); !is {
				t.Fatalf("an error of another kind: %v", err)
			}
			if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, file) {
				t.Fatalf("a refused file was changed: %v", err)
			}
			return
		}
		l := &ledger{shelf: shelf}
		first, err := l.tryTake(t.Context())
		if err != nil {
			if !errors.Is(err, errNoSession) && !errors.Is(err, errWindow) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if first.session != b.Session || first.seq != b.Next || first.ack > first.seq {
			t.Fatalf("took %+v from %+v", first, b)
		}
		if second, err := l.tryTake(t.Context()); err == nil && second.seq <= first.seq {
			t.Fatalf("took %+v and then %+v", first, second)
		}
	})
}

package journal_test

import (
	"fmt"

	"byzd/daemon/disk"
	"byzd/daemon/journal"
)

// What has been flushed survives a power cut; what was only appended does not.
func Example() {
	d := disk.NewMemory()
	j, err := journal.Open(d, journal.Options{Owner: [32]byte{1}})
	if err != nil {
		panic(err)
	}
	j.Append(journal.Record{Type: 1, Version: 1, Body: []byte("prepare 1")})
	j.Append(journal.Record{Type: 1, Version: 1, Body: []byte("commit 1")})
	if err := j.Flush(); err != nil { // one write and one sync for both
		panic(err)
	}
	lsn := j.Append(journal.Record{Type: 1, Version: 1, Body: []byte("prepare 2")})
	fmt.Println("staged", lsn)
	d.Crash()

	j, err = journal.Open(d, journal.Options{Owner: [32]byte{1}})
	if err != nil {
		panic(err)
	}
	err = j.Replay(func(lsn uint64, r journal.Record) error {
		fmt.Printf("%d %s\n", lsn, r.Body)
		return nil
	})
	fmt.Println(err)
	// Output:
	// staged 3
	// 1 prepare 1
	// 2 commit 1
	// <nil>
}

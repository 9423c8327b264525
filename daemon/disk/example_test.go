package disk_test

import (
	"fmt"

	"byzd/daemon/disk"
)

// A power cut takes what was not synced.
func Example() {
	m := disk.NewMemory()
	f, err := m.Create("votes")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = f.Write([]byte("kept"))
	fmt.Println(err, f.Sync(), m.SyncDir())
	_, err = f.Write([]byte(", lost"))
	fmt.Println(err)
	m.Crash()
	content, err := m.ReadFile("votes")
	fmt.Printf("%s %v\n", content, err)
	// Output:
	// <nil> <nil> <nil>
	// <nil>
	// kept <nil>
}

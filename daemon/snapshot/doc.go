// Package snapshot keeps certified states on disk: what a node starts from once the older part of
// its journal is gone, and what it gives to others who are too far behind (PROTOCOL §4.9 with rules
// R13 and R14).
//
// # Files
//
// A snapshot is one file, "snapshot-" and the sequence number in 16 hexadecimal digits:
//
//	"byzd-snapshot" 0 | u8 version | manifest |
//	u32 length | checkpoint certificate (as a journal record's body) |
//	for the store's tree and the ledger's: u64 count of entries, then for each
//	u32 length | key | u32 length | value
//
// All integers are big-endian, keys ascend, and nothing follows. There is no checksum, and none is
// needed: the digests of the two trees stand in the manifest, and the manifest's root is what a
// quorum signed. A file that was cut off, damaged or made up does not verify, so it needs no
// renaming either: a file is a snapshot when all of it fits together.
//
// A half-done transfer is a file of its own, "transfer-" and half of the root, to which the pieces
// are appended as they were received. They are verified again when they are read, so nothing about
// the file is trusted and its writes need no sync: what a crash takes is fetched again.
//
//	err := snapshot.Write(d, s)              // durable when it returns nil
//	s, damaged, err := snapshot.Latest(d, cfg)
//	err = snapshot.Prune(d, 2)
package snapshot

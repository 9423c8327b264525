// Package journal is the write-ahead log of a node: what the node has signed or promised is
// appended here and synced before anybody else may see it. It does not interpret what it keeps.
//
// # Files
//
// A journal is a row of segments, "journal-" and the LSN of the first record in 16 hexadecimal
// digits, and the file "journal.mark". LSNs are 1, 2, 3, … without gaps. A segment opens with a
// header of 68 bytes (magic, format version, salt, owner, first LSN, checksum of the record
// before it, checksum of the header), then records:
//
//	u32 length of the body | u8 type | u8 version | u32 place in its flush |
//	u64 LSN | u32 checksum of the previous record | u32 checksum | body
//
// All integers are big-endian. The checksum is CRC32C over the salt, all the other fields and the
// body. As each record names the checksum of the one before it, a record that was spliced in from
// elsewhere does not fit. The salt keeps a client, whose bytes stand in bodies, from building
// bytes that pass for records; it comes from [Options] and is no secret towards whoever can read
// the disk. Checksums catch accidents. They do not stop an attacker who can write to the disk.
//
// # What is promised
//
//   - When Flush returns nil, all that was appended before it is durable.
//   - A flush is one write and one sync, however many records it has, and it stays in one segment.
//   - After a crash Open finds every record of every flush that returned nil, perhaps followed by
//     a beginning of the flush that was under way, and never a changed record. What Open has let
//     through is durable before Replay shows it: the part beyond the mark is written and synced
//     again, since a kernel may forget pages whose sync failed and still show them to readers.
//   - When Flush fails nothing is half done. After [disk.ErrFull] the same bytes are written
//     again, at the same place, by the next Flush. After any other error the journal is poisoned,
//     for what a failed sync leaves behind cannot be known: see [ErrPoisoned].
//   - A torn tail is cut off and reported; all other damage is refused with a [DamageError].
//
// # Torn tail or damage
//
// A torn tail is what a crash leaves of a flush that nobody was told about. Damage to records that
// were synced looks alike at the very end of the journal. Three things tell them apart:
//
//  1. The mark. After each sync the LSN and checksum of the last synced record are written to one
//     of the two slots of journal.mark in turn. A journal that ends before its mark is damaged.
//  2. The place in the flush. A flush starts only after the one before it was synced, so a whole
//     record of a later flush behind a bad one proves that the bad one had been synced: damage.
//     Whole records of the same flush behind a bad one prove nothing, since disks reorder.
//  3. Only the last segment has a tail. A segment is cut to its length before the next one begins.
//
// The mark is written after the sync of the records and is not synced itself on that path, so a
// flush costs one sync and not two. (Written before the sync, the mark could become durable
// without its records, and a power cut would look like damage on all nodes at once.) Therefore:
//
//   - When only the process dies (kill -9, panic, out of memory) the mark is exact: whatever
//     happens to the last synced record afterwards is detected.
//   - When the machine dies, the mark is as old as the kernel's last write-back of it (30 seconds
//     by Linux's defaults), or as [Journal.SyncMark], Open, Close or the last change of segment.
//     Damage to all of the flushes after that point *and* nothing but them goes undetected, and is
//     cut off as a torn tail: this is what a disk does that acknowledges syncs and then loses
//     power. Damage to any other flush is still proved by the flushes behind it.
//   - A whole directory that was restored from an older copy is consistent and goes undetected.
//
// The last two are why a node also asks its peers for its own newest statements after a start
// (PROTOCOL.md, R14, start fence). Call SyncMark when idle to make the second window small.
//
// # Speed
//
// Segments are lengthened with zeros a step at a time ahead of the records, so that most syncs
// change no size and need no commit of the file system's own journal. Measured on ext4, one
// write and fdatasync, medians in µs, for 330 B / 5 KiB / 84 KiB:
//
//	appending           118 / 188 / 197
//	after fallocate      68 / 142 / 187 (the first write into an unwritten extent commits, too)
//	into written zeros   84 / 104 / 103
//
// # Ownership
//
// Append, Flush, Read, ReadEach, Size, SyncMark and TruncateBefore may be called by different
// goroutines. Append does not wait for a Flush that is under way, so the owner loop can stage its
// next turn meanwhile. Nothing bounds what is staged but its caller: one that cannot flush must
// stop appending.
//
//	j, err := journal.Open(d, journal.Options{Owner: id})
//	err = j.Replay(func(lsn uint64, r journal.Record) error { return fold(r) })
//	lsn := j.Append(vote, batch)
//	err = j.Flush() // Only now may the vote leave.
//
// It leaves out compression, encryption, and the meaning of types and versions.
package journal

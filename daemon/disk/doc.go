// Package disk is the only door through which a node reaches its files.
//
// It keeps apart the three steps that a crash can come between: writing bytes, syncing the bytes
// of a file, and syncing the names of a directory. [OS] is the real door, rooted at one directory;
// [Memory] is the same contract in one process, where a test or the simulator can crash it, fill
// it, fail it, and count its syncs.
//
// Guarantees, the same for both doors:
//
//   - Bytes written to a [File] are durable once its Sync has returned nil, and not before.
//   - A name that was created, renamed or removed is durable once SyncDir has returned nil.
//   - WriteAtomic and Truncate are durable when they return nil; after an error or a crash
//     WriteAtomic has left either the old content or the new one.
//   - After a Sync that failed nothing may be assumed about the bytes it covered, not even after a
//     later Sync that succeeds: kernels mark the pages clean when they report the error. Whoever
//     needs those bytes has to write them again.
//   - errors.Is(err, [ErrFull]) tells a full disk from a broken one. A write that met a full disk
//     may have written a prefix.
//
// Names are relative: one part ("journal.mark") or two ("snapshots/17"), letters, digits and
// "._-" only, so that no name that comes from a file or a peer can leave the root.
//
// Both doors may be used by several goroutines; one [File] has one writer at a time.
//
//	d, err := disk.OS("/var/lib/byzd")
//	f, err := d.Create("journal-1")
//	_, err = f.Write(record)
//	err = f.Sync()    // the record is durable,
//	err = d.SyncDir() // and so is the file's name
package disk

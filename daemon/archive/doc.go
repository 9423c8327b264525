// Package archive keeps, for much longer than the journal does, the few things that tell years
// later who broke agreement (rule R7.8): every NEW-VIEW that this node accepted, and the checkpoint
// certificates at sequence numbers divisible by K·2^j, the last 64 of each j (K is the distance of
// checkpoints). A NEW-VIEW shows who hid what; two certificates of one number, on two nodes,
// convict everybody in both (E11), without any archaeology of views.
//
// The journal holds the same records, but is cut below snapshots. So the archive has files of its
// own, in its own directory, that no truncation of the journal touches: a second journal, with the
// same checks, which whoever knows the one can read ([journal.Scan]). It is a ring: above its size
// (64 MiB unless told otherwise) the oldest segments go, and certificates that are still among the
// last 64 of their kind are written anew at the end first. A NEW-VIEW has about 4 KB at four nodes,
// so that 16,000 fit; whoever forces so many view changes pushes out the oldest.
//
// # Use
//
// The loop hands every record that it stages, or finds when it starts, to [Archive.Keep], which
// stages what is of interest and not there yet. [Archive.Flush] makes it durable; it is due before
// the journal is cut, and not with every vote: until then the journal has it, and the next start
// hands it over again. Both may be called by different goroutines.
//
// It is never read by the protocol: a node whose archive is lost or damaged goes on, and only its
// testimony is poorer.
package archive

// Package promises tells whether a node's data directory can hold all that the node has promised. A
// journal that is gone cannot say that it was there; so two small files beside it do.
//
//	never-started   made with the node's home, and removed before the node signs anything
//	forgotten       the journal does not hold all that was promised, and why; removed when the
//	                journal itself says so
//
// A directory without a journal and without the first file has lost its journal. A directory with
// the second file has lost a part of it, whatever else is there. What a node does then is rule R15
// of the protocol. A directory that was put back to an older state looks whole, also one from
// before the first start: only the other members can tell (rule R14).
package promises

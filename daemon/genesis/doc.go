// Package genesis reads and writes genesis.toml, the one file that the members of a cluster must
// exchange: who they are, the scheme of their signatures, and the parameters that all share.
//
// Its content has a canonical digest, the cluster ID (see [Genesis.ClusterID]), which stands in
// everything that is signed, so that nodes with different geneses never talk past each other.
// Comments and the order of keys do not count; the order of the members does, since replica i is
// the i-th of them.
//
// A genesis holds no secrets and no addresses. Members hand in what concerns them in a file of
// their own, member.toml, which holds public keys only ([EncodeMember]).
//
// Both files are read strictly: unknown or missing keys, wrong types, duplicates, bad keys and
// missing proofs of possession are errors that name the line and what to do. Reading is total, and
// its memory is bounded by [MaxFileBytes].
//
// A use in one breath:
//
//	g, err := genesis.Load("genesis.toml")
//	config, err := g.Config() // for pbft; keys and proofs are checked
//
// A [Genesis] is a plain value without a lock: whoever changes it shares it with nobody. The
// package leaves out later epochs: who joined and left since is in the log, not here.
package genesis

// Package quorum holds the arithmetic of thresholds and the sets that votes are counted in.
//
// Everything derives from the configured number of replicas n, never from who happens to be alive
// (DESIGN §5 points 1 and 9). With f = ⌊(n−1)/3⌋ liars:
//
//   - Quorum q = ⌊(n+f)/2⌋+1: two quorums share at least f+1 replicas, so at least one correct one,
//     and n−f correct replicas suffice to form one.
//   - Weak w = f+1: at least one correct replica is among them.
package quorum

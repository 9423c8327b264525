// Package linear decides whether what clients saw of the service could have been seen of one store
// that does one operation after the other, each at a moment between its call and its answer. The
// deciding is porcupine's; what is here are the models of the workloads of [byzd/testnet/load].
//
// An operation without an answer may have happened at any time after its call, or never: it stays
// open to the end. Objects are checked one by one, since no operation touches two. A check that
// takes longer than its limit is [Undecided], which is no pass.
//
//	r := linear.Check(operations, time.Minute)
//	if r.State != linear.Linearizable { … r.Problems … }
package linear

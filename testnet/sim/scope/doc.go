// Package scope visits every state of small scopes of the protocol: a few sequence numbers and
// views of four replicas of which one lies. It drives the shipped core, [pbft.Replica], and no
// model of it.
//
// A global state is what each correct replica has become, and with it the set of all messages that
// were ever sent. Any of them may be delivered at any time, again, or never: so loss, delay,
// reordering and duplication need no events of their own. The traitor has no state: in each state
// it may have said whatever its key, and the signatures that it saw, allow ([Scope] says within
// which templates). Time is an event: the timers of a replica fire when the search says so.
//
// In every state it checks:
//
//   - agreement: correct replicas execute the same batch at each sequence number, in order;
//   - Lemma 1: two prepared certificates of one view lie on one chain;
//   - Lemma 2: what is prepared in later views, and the base of every later view that a correct
//     replica entered, descends from whatever a commit certificate names;
//   - a VIEW-CHANGE shows at least what its voter COMMITted, and no vote follows it;
//   - view, target, executed batch, stable checkpoint and prepared certificate never step back;
//   - no two statements of a correct replica would convict it, nobody accuses it, and it never
//     halts; nobody refuses what it sends.
//
// Certificates count as soon as the signatures for them exist, whether or not anybody gathered
// them.
//
// Scopes that are too large for that are searched by sight: a state is then what can be seen of the
// replicas, together with all local states in which each may be.
//
// A search ends exhausted, bounded by a limit, or with a broken promise and the way to it.
// DESIGN.md has the reductions with their proofs, the narrowings of each scope, and figures.
//
//	for _, sc := range scope.Find("X1") {
//		report := scope.Explore(ctx, &sc, scope.Limits{})
//	}
package scope

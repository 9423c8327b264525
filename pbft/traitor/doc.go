// Package traitor is the catalogue of lies: behaviours that wrap an honest replica, for testnets.
//
// # What a traitor is
//
// A [Traitor] stands between a node's replica and everybody else. It implements [Adversary], the
// doors that the turn of a node opens for it: what comes in ([Traitor.In]), what goes out
// ([Traitor.Out]), what is said of its own accord ([Traitor.Tick]), and what the node's clients
// bring and are told ([Traitor.Submitted], [Traitor.Answered], [Traitor.Replied]). It may change,
// withhold, delay, double, replay, forge and invent. The replica inside stays honest and is the
// same code that every node runs: the engine is never forked, and the signing guard is never
// loosened. The traitor holds a sealer of its own.
//
// Two things are kept from the honest replica, because they would stop it and with it the lies:
// the proof that its node lies, and its own lies when others show them after a restart.
//
// # What, when, to whom, with whom
//
// A [Spec] is read by [Parse] from BEHAVIOUR[:key=value[,key=value]...]:
//
//	equivocate-preprepare:to=half,from-seq=10
//	mute:kind=prepare+commit,to=not:3,p=0.3
//	equivocate-votes:with=0+3,seed=7
//
//	to=all|half|one|1+2|not:3     whom it lies to; for censor, whom it leaves out
//	from-seq= to-seq=             sequence numbers, both included
//	from-view= to-view=           views, both included
//	after=5s                      from so long after it was armed
//	p=0.3                         each lie with this probability
//	once                          in one place only
//	kind=vote+status              which messages, where there is a choice
//	delay=300ms                   how long, where something is delayed
//	victims=1+2                   whom a rumour is about
//	with=0+3, with=none           its accomplices
//	seed=7                        another draw of everything that is drawn
//
// Given by name alone, each behaviour lies. What cannot be meant is refused with the nearest legal
// word as advice ([SpecError]); [Check] refuses specs that contradict each other. A lie that only
// a primary can tell waits until its node leads: until then [Traitor.Status] says armed, not
// fired, and why. Each lie told is counted ([Traitor.Fired]).
//
// # Drawing lots
//
// Everything that is drawn follows from the seed and the place in the protocol (view, sequence
// number, receiver), not from how often it was asked. So a run can be repeated frame for frame;
// what is sent again is sent in the same words, or a behaviour that is not meant to be provable
// would be; and accomplices with one seed draw the same without talking.
//
// # Coalitions
//
// Accomplices know each other's numbers. They do not accuse each other, do not show each other's
// honest replica what would stop it, and share a plan: which correct node is on which side of a
// split. A primary that equivocates sends its accomplices every version of the batch; they vote on
// each side for that side's version and keep from it what would convince it of the other. With at
// most f traitors no plan reaches two quorums, and they lie openly instead. With more it does: the
// correct nodes execute different batches, and each commit certificate names every accomplice.
//
// # Adding a behaviour
//
// An entry of the catalogue (catalogue.go) and a trick: a type that embeds honest and *armed and
// overrides the hooks it needs. Ask armed.at or armed.when before each lie, count with armed.fire,
// never change a message in place (the honest replica holds it as well), and seal with the
// traitor's own sealer. The test of daemon/loop goes through the catalogue and demands that the
// new one fires, that the counters of Rises rise, and that exactly the proofs of Evidence appear.
//
// DESIGN.md beside this file is the catalogue as a table.
package traitor

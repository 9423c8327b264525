// Package twins runs the Twins test: one member of a cluster runs twice, with one key and one
// number, and the network is cut in two or three in another way in each view. Neither copy is
// changed, and yet together they equivocate, forget and contradict themselves as a traitor would.
//
// A [Scenario] says who has a twin and, view by view (or phase by phase), who hears whom. Sets of
// them are enumerated in a fixed order or drawn from a seed ([Sets]). A run is a function of its
// scenario: [Lab.Run] plays it on a virtual clock, with the shipped core [pbft.Replica], and holds
// the correct members to account for everything they sign and execute: agreement, order, exactly
// once, no contradiction, no accusation of a correct member, nothing that others refuse. After the
// last cut nobody is cut off any more, both copies go on, and everything that correct gateways
// ordered must be executed everywhere within a bound.
//
//	set, _ := twins.FindSet("T-A")
//	report := twins.Search(ctx, twins.Options{Set: set, Count: set.Size, Workers: 2})
//
// DESIGN.md says how a run works and what the sets hold.
package twins

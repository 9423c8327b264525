// Package testnet runs a network of real byzd processes on one machine: it prepares their homes,
// starts them, breaks them on purpose, heals them, and stops them without leaving one behind.
//
// [Up] makes a network and [Open] finds one that runs; both give a [Network], whose methods are
// the things that one can do to it. The homes of a network's nodes stand in one directory, the
// home of the testnet, beside testnet.json (a [State]), which says at any moment what runs where:
//
//	net, err := testnet.Up(ctx, testnet.Options{Nodes: 4, Binary: "./byzd"})
//	err = net.Kill(ctx, 0)      // SIGKILL
//	err = net.Restart(ctx, 0)   // it listens again when this returns
//	err = net.Partition(ctx, "0,1/2,3")
//	err = net.Heal(ctx)
//	err = net.Down(ctx)
//
// # The supervisor
//
// Every running testnet has exactly one supervisor: the process that called Up, or the one that it
// left behind ([Options].Detach, [Supervise]). It alone starts and stops nodes, holds the lock on
// the home, and writes testnet.json, each time before it says that something is done. It never
// starts a node that it was not told to start. Everybody else, the methods of a Network in this
// very process included, asks it through a small HTTP interface on loopback; so there is one path,
// and two commands at the same time cannot disagree about who runs.
//
// A supervisor that dies takes its nodes with it where the system can do that (Linux). Where it
// cannot, [Network.Down] finds the nodes that were left by what testnet.json says, and by when
// they started: a process that has merely inherited the number of a node is never touched.
//
// Goroutines of a supervisor, all of which have ended when its done channel closes: one that
// starts processes and holds their thread (see [launcher]), one per node that waits for its end,
// the HTTP server's, one that asks traitors every second how often they lied, and one that waits
// for the order to stop.
//
// # Discovery is real
//
// A node is told one address to join at: the gossip address of one node that runs, or, if none
// does, of one that ran and will run there again. It knows no other; ports are the kernel's choice
// unless [Options].PortBase says otherwise, or the node had some before that are free: who was
// told where it is should find it again.
//
// # What the network is told, and what it keeps
//
// Cuts ([Network.Partition]), weather ([Network.SetWeather]) and lies ([Network.SetTraitor]) are
// kept by the supervisor and given again to a node that is restarted or resumed. A node that has
// lied once stays listed as a traitor in testnet.json for good: what it signed cannot be unsigned,
// and verdicts must not count it among the correct ones. How often a node lied is kept too
// ([NodeState].Fired), so that the verdict on a stopped network can say it: traitors are asked
// every second, and once more before they are stopped, killed, paused or told other lies. And what
// a node had executed and was waiting for when it was stopped, killed or paused is kept
// ([NodeState].Last): no journal tells what was pending.
package testnet

// Package memory is package transport's contract inside one process: the same hellos, queues,
// heartbeats, limits and counters over connections made of memory instead of libp2p.
//
// A [Network] stands for the wires. Every node on it is made by [Network.New], listens on an
// address of the network's own, and meets its peers when [transport.Transport.Heard] tells it of
// theirs:
//
//	network := memory.NewNetwork(1)
//	a, err := network.New(transport.Config{Listen: "127.0.0.1:0", …})
//
// [Network.Freeze] stops a node's bytes without ending its connections, as SIGSTOP does to
// a process; [Network.Kill] ends them all at once, as SIGKILL does. The network waits only on
// channels and timers, so it works inside testing/synctest.
//
// It leaves out what libp2p is there for: encryption, proof of identity (a node is believed to be
// who its key says), and the accounting of the resource manager.
package memory

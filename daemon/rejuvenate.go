package daemon

import (
	"context"
	"errors"
	"fmt"
)

// ErrAgain says that a node ended because it was asked to begin anew: whoever ran it should run it
// again, in a new process.
//
// That is what proactive recovery (Castro and Liskov, OSDI 2000) comes to without trusted hardware.
// Whatever had crept into the process is gone with it; the new one believes nothing that it does
// not check: the snapshot against the quorum's certificate, each entry of it, the journal record by
// record, what is executed above the snapshot against the certificates, its own promises against
// what the others hold of them; and it makes all of its connections, with new keys of TLS sessions.
// It does not help against an intruder who has the signing key or can write to the disk: for that
// the key is replaced (byzd rejuvenate --rekey), and the machine.
var ErrAgain = errors.New("the node begins anew")

// Rejuvenate implements [operator.Node]: the node ends, with [ErrAgain], unless the others could
// not go on without it meanwhile.
func (n *node) Rejuvenate(context.Context) error {
	if err := n.Ready(); err != nil {
		return err
	}
	cluster := n.cluster()
	if others := n.connected() - 1; len(cluster.Members) > 1 && others < cluster.Sizes.Quorum {
		return fmt.Errorf("it reaches %d other members, and without it %d are needed",
			others, cluster.Sizes.Quorum)
	}
	n.again.Store(true)
	n.end()
	return nil
}

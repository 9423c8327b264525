package transport

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// watched is a resource manager that tells of what others wanted and did not get. libp2p itself
// drops such connections without a word, and a flood of them must not be invisible.
type watched struct {
	network.ResourceManager

	refused func(Refused)
}

// OpenConnection implements libp2p's resource manager.
func (w *watched) OpenConnection(
	direction network.Direction, usefd bool, endpoint ma.Multiaddr,
) (network.ConnManagementScope, error) {
	scope, err := w.ResourceManager.OpenConnection(direction, usefd, endpoint)
	if direction == network.DirOutbound {
		return scope, err
	}
	if err != nil {
		w.refused(RefusedConns)
		return scope, err
	}
	return &arrival{ConnManagementScope: scope, refused: w.refused}, nil
}

// OpenStream implements libp2p's resource manager.
func (w *watched) OpenStream(
	id peer.ID, direction network.Direction,
) (network.StreamManagementScope, error) {
	scope, err := w.ResourceManager.OpenStream(id, direction)
	if err != nil && direction == network.DirInbound {
		w.refused(RefusedStreams)
	}
	return scope, err
}

// arrival is a connection that another end has opened. Its methods are called one after the other.
type arrival struct {
	network.ConnManagementScope

	refused func(Refused)
	settled bool
}

// SetPeer is called when the other end has proved its identity and the gater lets it in.
func (a *arrival) SetPeer(id peer.ID) error {
	a.settled = true
	err := a.ConnManagementScope.SetPeer(id)
	if err != nil {
		a.refused(RefusedConns)
	}
	return err
}

// Done is called when the connection ends.
func (a *arrival) Done() {
	if !a.settled {
		a.settled = true
		a.refused(RefusedHandshake)
	}
	a.ConnManagementScope.Done()
}

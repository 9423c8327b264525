package membership

import "errors"

// Errors that a caller may want to tell apart.
var (
	// ErrConfig is wrapped by every complaint about a [Config].
	ErrConfig = errors.New("membership: configuration")
	// ErrNoContact is returned by [Gossip.Join] when no address led to a member.
	ErrNoContact = errors.New("membership: no contact address answered as a member")
	// ErrClosed is returned by calls on a [Gossip] after [Gossip.Close].
	ErrClosed = errors.New("membership: closed")
	// ErrSelf is returned when a contact address leads back to this node.
	ErrSelf = errors.New("membership: the address is our own")
	// ErrRefused is wrapped by errors of a stream that one of the two sides would not have.
	ErrRefused = errors.New("membership: refused")
)

// errCluster tells of a contact address at which another cluster answers.
var errCluster = errors.New("another cluster lives there; compare the genesis files")

// plain takes memberlist's list of errors out of its frame of several lines if it holds only one.
func plain(err error) error {
	var list interface{ WrappedErrors() []error }
	if errors.As(err, &list) && len(list.WrappedErrors()) == 1 {
		return list.WrappedErrors()[0]
	}
	return err
}

package testnet

import (
	"context"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ports are those that one node listens on: transport, gossip, client, operator. 0 is the kernel's
// choice.
type ports [portsPerNode]int

// sayInUse reports whether a node's words say that somebody has a port of its.
func sayInUse(words string) bool { return strings.Contains(words, syscall.EADDRINUSE.Error()) }

// ports are those that --port-base gives node i, else those that it had before, so that whoever was
// told of them finds it again; 0 stands for one that somebody else has meanwhile, or that it never
// had.
func (s *supervisor) ports(i int) ports {
	n, _ := s.node(i)
	base := s.portBase()
	var on ports
	for k, address := range n.addresses() {
		if port := portOf(*address); base != 0 {
			on[k] = base + portsPerNode*i + k
		} else if port != 0 && isFree(port) {
			on[k] = port
		}
	}
	return on
}

// addresses are where the node listens, in the order of [ports].
func (n *NodeState) addresses() [portsPerNode]*string {
	return [portsPerNode]*string{&n.Listen, &n.Gossip, &n.Client, &n.Operator}
}

// forgetAddresses takes back what a node that is being started will not listen on any more.
func (n *NodeState) forgetAddresses(on ports) {
	for k, address := range n.addresses() {
		if portOf(*address) != on[k] {
			*address = ""
		}
	}
}

// portOf returns the port of an address or of a URL, 0 if there is none that a node could have
// had.
func portOf(address string) int {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		address = u.Host
	}
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}

// isFree reports whether nobody listens on a port now. The next moment somebody may; see
// launchNode.
func isFree(port int) bool {
	var lc net.ListenConfig
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// portTaken reports whether the process has ended because somebody has its port.
func (c *child) portTaken(log string) bool {
	select {
	case <-c.gone:
	default:
		return false
	}
	words, _ := lastWords(log, c.logFrom)
	return sayInUse(words)
}

// portBase is the first of the ports that all nodes were given, 0 if they were given none.
func (s *supervisor) portBase() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.PortBase
}

func (s *supervisor) nodeLog(i int) string {
	n, _ := s.node(i)
	return filepath.Join(n.Home, nodeLogName)
}

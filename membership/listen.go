package membership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// resolveTime bounds a look-up of names.
const resolveTime = 3 * time.Second

// bindTries is how often a free port is asked for that is free for UDP and TCP alike.
const bindTries = 16

// sockets are what a node has of the network. Tests have some without a kernel, whose time is
// virtual.
type sockets struct {
	addr    netip.AddrPort // of both packets and streams
	packets packetConn
	streams net.Listener
	dial    func(ctx context.Context, addr string) (net.Conn, error)
}

// packetConn is the part of [net.UDPConn] that gossip needs.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (n int, err error)
	Close() error
}

func (s sockets) close() error {
	return errors.Join(ignoreClosed(s.packets.Close()), ignoreClosed(s.streams.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// listen binds the kernel's sockets.
func listen(bind string) (sockets, error) {
	udp, tcp, err := bindBoth(bind)
	if err != nil {
		return sockets{}, err
	}
	bound, ok := udp.LocalAddr().(*net.UDPAddr)
	if !ok {
		panic(fmt.Sprintf("membership: a UDP socket has address %T", udp.LocalAddr()))
	}
	return sockets{
		addr: bound.AddrPort(), packets: udp, streams: tcp,
		dial: func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
	}, nil
}

// bindBoth binds the same port for packets and for streams.
func bindBoth(bind string) (*net.UDPConn, *net.TCPListener, error) {
	addr, err := net.ResolveTCPAddr("tcp", bind)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: bind %q: %w", ErrConfig, bind, err)
	}
	for range bindTries {
		var tcp *net.TCPListener
		tcp, err = net.ListenTCP("tcp", addr)
		if err != nil {
			return nil, nil, fmt.Errorf("bind %q for streams: %w", bind, err)
		}
		bound, ok := tcp.Addr().(*net.TCPAddr)
		if !ok {
			panic(fmt.Sprintf("membership: a TCP listener has address %T", tcp.Addr()))
		}
		var udp *net.UDPConn
		same := &net.UDPAddr{IP: addr.IP, Port: bound.Port, Zone: addr.Zone}
		udp, err = net.ListenUDP("udp", same)
		if err == nil {
			if err := udp.SetReadBuffer(receiveBuffer); err != nil {
				return nil, nil, errors.Join(
					fmt.Errorf("size the packet buffer: %w", err), udp.Close(), tcp.Close())
			}
			return udp, tcp, nil
		}
		err = errors.Join(err, tcp.Close())
		if addr.Port != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, nil, fmt.Errorf("bind %q for packets: %w", bind, err)
}

// Advertised returns the address that others are told for a listening one (host:port): with the
// host that the operator named, if any, and else, where it listens everywhere, with this machine's
// first address that another could reach.
func Advertised(want, listen string) (string, error) {
	bound, err := netip.ParseAddrPort(listen)
	if err != nil {
		return "", fmt.Errorf("%w: listening address: %w", ErrConfig, err)
	}
	if host, _, err := net.SplitHostPort(want); err == nil {
		want = host
	}
	return advertised(want, bound)
}

// advertised returns the address that our record says: what the configuration wants, else where we
// listen, else the first address of this machine that another could reach.
func advertised(want string, bound netip.AddrPort) (string, error) {
	if want == "" {
		ip := bound.Addr().Unmap()
		if ip.IsUnspecified() {
			var err error
			if ip, err = ownAddress(); err != nil {
				return "", err
			}
		}
		return netip.AddrPortFrom(ip, bound.Port()).String(), nil
	}
	if _, _, err := net.SplitHostPort(want); err != nil {
		want = net.JoinHostPort(want, strconv.Itoa(int(bound.Port())))
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	addrs, err := resolve(ctx, want)
	if err != nil {
		return "", fmt.Errorf("%w: advertise: %w", ErrConfig, err)
	}
	if _, err := parseSwimAddr(addrs[0]); err != nil {
		return "", fmt.Errorf("%w: advertise: %w", ErrConfig, err)
	}
	return addrs[0], nil
}

var errNoOwnAddress = fmt.Errorf("%w: no address to advertise: bind one, or set advertise",
	ErrConfig)

// ownAddress returns this machine's first address that is not loopback or link-local, IPv4 before
// IPv6.
func ownAddress() (netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	var six netip.Addr
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || !prefix.Addr().IsGlobalUnicast() {
			continue
		}
		ip := prefix.Addr().Unmap()
		if ip.Is4() {
			return ip, nil
		}
		if !six.IsValid() {
			six = ip
		}
	}
	if !six.IsValid() {
		return netip.Addr{}, errNoOwnAddress
	}
	return six, nil
}

// resolvedMax bounds how many addresses of one name are tried.
const resolvedMax = 4

var errNotContact = errors.New("want host:port, the port from 1 to 65535")

// checkContact says what is wrong with the form of a contact address.
func checkContact(contact string) error {
	host, port, err := net.SplitHostPort(contact)
	if err != nil {
		return fmt.Errorf("address %q: %w: %w", contact, errNotContact, err)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || host == "" {
		return fmt.Errorf("address %q: %w", contact, errNotContact)
	}
	return nil
}

// resolve turns a contact address, host:port, into addresses that can be dialled.
func resolve(ctx context.Context, contact string) ([]string, error) {
	if err := checkContact(contact); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(contact)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", contact, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("address %q: port: %w", contact, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", contact, err)
	}
	var addrs []string
	for _, ip := range ips[:min(len(ips), resolvedMax)] {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(number)).String())
	}
	return addrs, nil
}

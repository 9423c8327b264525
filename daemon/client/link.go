package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"byzd/daemon/api/byzdpb"
	"byzd/pbft/message"
)

const (
	// dialTimeout bounds one try to connect; pauses between tries grow from reconnectLeast to
	// reconnectMost.
	dialTimeout    = 5 * time.Second
	reconnectLeast = 50 * time.Millisecond
	reconnectMost  = 2 * time.Second
	// pingAfter and pingTimeout find nodes that are gone without a word.
	pingAfter   = 20 * time.Second
	pingTimeout = 5 * time.Second
	// adviceEvery is how often a node is asked where the others are.
	adviceEvery = 10 * time.Second
	// replyBytesMax bounds a frame of a node.
	replyBytesMax = message.MaxReplyBytes + 4<<20
	// queuedRequests is how many requests may wait for one node that takes none.
	queuedRequests = 256
)

// target returns what gRPC calls an endpoint: host:port, or unix:PATH.
func target(endpoint string) (string, error) {
	if path, is := strings.CutPrefix(endpoint, "unix:"); is {
		if strings.TrimLeft(path, "/") == "" {
			return "", endpointError(endpoint)
		}
		return endpoint, nil
	}
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil || host == "" || port == "" || port == "0" {
		return "", endpointError(endpoint)
	}
	return "passthrough:///" + endpoint, nil
}

func endpointError(endpoint string) error {
	return &adviceError{
		fmt.Errorf("endpoint %q: %w", endpoint, ErrEndpoint),
		"a node's client endpoint looks like 127.0.0.1:4001",
	}
}

// Dial connects to one client endpoint without authentication; what comes from it is believed for
// the signatures in it. The connection is made when it is used.
func Dial(endpoint string) (*grpc.ClientConn, error) {
	to, err := target(endpoint)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(to,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(replyBytesMax)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: pingAfter, Timeout: pingTimeout, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			MinConnectTimeout: dialTimeout,
			Backoff: backoff.Config{
				BaseDelay: reconnectLeast, Multiplier: 2, Jitter: 0.5, MaxDelay: reconnectMost,
			},
		}))
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", endpoint, err)
	}
	return conn, nil
}

// link is the connection to one endpoint. It connects again for as long as the client lives.
type link struct {
	client   *Client
	endpoint string
	given    bool // not advised: it is asked for advice
	conn     *grpc.ClientConn
	requests chan []byte
	puzzled  chan struct{} // holds a token when the node may be in another epoch
	cancel   context.CancelFunc
	done     sync.WaitGroup

	mu        sync.Mutex
	listening bool
	strikes   int // requests handed to it that had to go elsewhere, since one that had not
}

func (c *Client) openLink(endpoint string, given bool) (*link, error) {
	conn, err := Dial(endpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{
		client: c, endpoint: endpoint, given: given, conn: conn, cancel: cancel,
		requests: make(chan []byte, queuedRequests), puzzled: make(chan struct{}, 1),
	}
	l.done.Go(func() { l.run(ctx) })
	l.done.Go(func() { l.askForEpochs(ctx) })
	if given {
		l.done.Go(func() { l.askForOthers(ctx) })
	}
	return l, nil
}

func (l *link) close() error {
	l.cancel()
	err := l.conn.Close()
	l.done.Wait()
	return err
}

// run keeps a session stream open.
func (l *link) run(ctx context.Context) {
	for pause := reconnectLeast; ctx.Err() == nil; pause = min(2*pause, reconnectMost) {
		started := time.Now()
		err := l.session(ctx)
		l.setListening(false)
		if err != nil {
			l.client.note(l.endpoint, err)
		}
		if time.Since(started) > reconnectMost {
			pause = reconnectLeast
		}
		if sleep(ctx, rand.N(pause)+1) != nil { //nolint:gosec // jitter is no secret
			return
		}
	}
}

// session runs one stream until it ends.
func (l *link) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := byzdpb.NewByzdClient(l.conn).Session(ctx)
	if err != nil {
		return err
	}
	id := l.client.key.ID()
	if err := stream.Send(&byzdpb.SessionRequest{Client: id[:]}); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	l.setListening(true)
	l.wonder()
	var sender sync.WaitGroup
	defer sender.Wait()
	defer cancel()
	sender.Go(func() { l.send(ctx, stream) })
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, raw := range frame.GetReplies() {
			if l.client.receive(raw) {
				l.wonder()
			}
		}
		for _, refusal := range frame.GetRefusals() {
			l.client.refused(l, refusal)
		}
	}
}

func (l *link) send(
	ctx context.Context,
	stream grpc.BidiStreamingClient[byzdpb.SessionRequest, byzdpb.SessionResponse],
) {
	for {
		select {
		case raw := <-l.requests:
			if stream.Send(&byzdpb.SessionRequest{Requests: [][]byte{raw}}) != nil {
				return // Recv tells why.
			}
		case <-ctx.Done():
			return
		}
	}
}

func (l *link) setListening(on bool) {
	l.mu.Lock()
	l.listening = on
	l.mu.Unlock()
	if on {
		l.client.wake()
	}
}

func (l *link) isListening() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listening
}

// offer hands a request to the node if it can take one now.
func (l *link) offer(raw []byte) bool {
	if !l.isListening() {
		return false
	}
	select {
	case l.requests <- raw:
		return true
	default:
		return false
	}
}

// strike counts against a link that had to be helped, and clears it when it had not.
func (l *link) strike(bad bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bad {
		l.strikes++
	} else {
		l.strikes = 0
	}
}

func (l *link) struck() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.strikes
}

// askForOthers learns where the other members are. It is this node's advice.
func (l *link) askForOthers(ctx context.Context) {
	for pause := reconnectLeast; ; pause = min(2*pause, adviceEvery) {
		asked, cancel := context.WithTimeout(ctx, dialTimeout)
		members, err := byzdpb.NewByzdClient(l.conn).Members(asked, &byzdpb.MembersRequest{})
		cancel()
		if err == nil {
			l.client.advised(l.endpoint, members)
			pause = adviceEvery
		}
		if sleep(ctx, pause) != nil {
			return
		}
	}
}

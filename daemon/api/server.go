package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"byzd/crypto"
	"byzd/daemon/api/byzdpb"
	"byzd/daemon/kv"
	"byzd/pbft/message"
)

// Limits of the endpoint. What a client may make a node hold is their product at most, and in fact
// far less: operations under way are bounded by the node.
const (
	// FrameBytesMax bounds a message that a client sends.
	FrameBytesMax = kv.OpBytesMax + 1<<20
	// maxConnections bounds the connections, maxStreams the calls under way on one of them.
	maxConnections = 4096
	maxStreams     = 4096

	headerBytesMax   = 16 << 10
	handshakeTimeout = 10 * time.Second
	// pingAfter and pingTimeout find clients that are gone; pingsEvery is how often theirs are
	// suffered (the numbers are etcd's).
	pingAfter   = 30 * time.Second
	pingTimeout = 10 * time.Second
	pingsEvery  = 5 * time.Second
	// answerTimeout ends calls whose clients set no deadline.
	answerTimeout = 10 * time.Second
)

// Config is what a server is made of.
type Config struct {
	Node    Node
	Cluster *message.Config // of any epoch: only what never changes is used
	ID      crypto.NodeID   // of this node
	Self    func() int      // this member's number, now; -1 if it is none
	Genesis []byte          // the genesis file, as it is handed to clients
	// Epochs returns the proofs of the epochs that ended, from the first on, as
	// [message.EncodeEpochs] writes them; nil if there can be none.
	Epochs func() []byte
}

// Server is the client endpoint. Make one with [New].
type Server struct {
	cfg     Config
	header  pb.ResponseHeader // what all of etcd's responses have in common
	opBytes int               // the largest operation that is taken
	grpc    *grpc.Server

	checks  chan struct{} // one for each signature check that may run at once
	closing chan struct{}
	once    sync.Once
	streams sync.WaitGroup
}

// New returns a server that serves nothing yet.
func New(cfg Config) *Server {
	s := &Server{
		cfg: cfg, opBytes: min(kv.OpBytesMax, cfg.Cluster.MaxOp()), closing: make(chan struct{}),
		checks: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	node := cfg.ID
	s.header.ClusterId = firstEight(cfg.Cluster.Cluster[:])
	s.header.MemberId = firstEight(node[:])
	s.grpc = grpc.NewServer(
		grpc.MaxRecvMsgSize(FrameBytesMax),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(headerBytesMax),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: pingsEvery, PermitWithoutStream: true,
		}),
		grpc.UnknownServiceHandler(unknownService),
		grpc.WaitForHandlers(true),
	)
	pb.RegisterKVServer(s.grpc, &etcd{server: s})
	byzdpb.RegisterByzdServer(s.grpc, &byzd{server: s})
	healthpb.RegisterHealthServer(s.grpc, &health{server: s})
	reflection.Register(s.grpc)
	return s
}

// Serve answers the connections of a listener until [Server.Stop]; it closes the listener. After a
// stop it returns nil.
func (s *Server) Serve(l net.Listener) error {
	bounded := &listener{Listener: l, slots: make(chan struct{}, maxConnections)}
	if err := s.grpc.Serve(bounded); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("client endpoint: %w", err)
	}
	return nil
}

// Stop ends streams at once, lets calls under way finish until the context ends, then ends them,
// too. When it returns no goroutine of the server is left. The node must still answer, or have
// answered, what it was given.
func (s *Server) Stop(ctx context.Context) {
	s.once.Do(func() { close(s.closing) })
	finished := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(finished)
	}()
	select {
	case <-finished:
	case <-ctx.Done():
		s.grpc.Stop()
		<-finished
	}
	s.streams.Wait()
}

// unknownService answers what etcd clients may ask and byzd does not have.
func unknownService(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	return status.Errorf(codes.Unimplemented, "byzd has no %s; of etcd's API it has "+
		"etcdserverpb.KV with Range, Put, DeleteRange and Txn", method)
}

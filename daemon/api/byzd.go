package api

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"byzd/crypto"
	"byzd/daemon/api/byzdpb"
	"byzd/pbft/message"
)

// byzd serves byzd.v1.Byzd.
type byzd struct {
	byzdpb.UnimplementedByzdServer

	server *Server
}

// Genesis returns the genesis file.
func (b *byzd) Genesis(
	context.Context, *byzdpb.GenesisRequest,
) (*byzdpb.GenesisResponse, error) {
	return &byzdpb.GenesisResponse{
		Genesis: b.server.cfg.Genesis, Epochs: b.server.cfg.Epochs(),
	}, nil
}

// Members returns what this node knows of the others.
func (b *byzd) Members(
	context.Context, *byzdpb.MembersRequest,
) (*byzdpb.MembersResponse, error) {
	self := uint32(max(b.server.cfg.Self(), 0)) //nolint:gosec // a member's number
	out := &byzdpb.MembersResponse{Self: self}
	for _, m := range b.server.cfg.Node.Members() {
		out.Members = append(out.Members, &byzdpb.Member{
			Index: uint32(m.Index), //nolint:gosec // a member's number
			Name:  m.Name, PeerId: m.ID.String(), Client: m.Client, Seen: m.Seen,
		})
	}
	return out, nil
}

// answer is a signed reply, or this node's word that there will be none.
type answer struct {
	reply   *message.Reply
	refusal *byzdpb.Refusal
}

func (a answer) size() int {
	if a.reply == nil {
		return len(a.refusal.GetText())
	}
	return len(a.reply.Result) + len(a.reply.Sig) + len(crypto.Digest{})*len(a.reply.Path)
}

// Session listens for one client and takes its requests.
func (b *byzd) Session(
	stream grpc.BidiStreamingServer[byzdpb.SessionRequest, byzdpb.SessionResponse],
) error {
	s := &session{server: b.server, stream: stream, out: newOutbox[answer]()}
	return b.server.serveStream(stream, s.out.overflow, s.read, s.write)
}

type session struct {
	server *Server
	stream grpc.BidiStreamingServer[byzdpb.SessionRequest, byzdpb.SessionResponse]
	client crypto.NodeID
	out    *outbox[answer]
}

// read takes the client's frames until it has no more.
func (s *session) read() error {
	defer s.out.close()
	first, err := s.stream.Recv()
	if err != nil {
		return ended(err)
	}
	if len(first.GetClient()) != len(s.client) {
		return status.Errorf(codes.InvalidArgument, "byzd: the first frame of a session names the "+
			"client's Ed25519 key of %d bytes; it has %d", len(s.client), len(first.GetClient()))
	}
	s.client = crypto.NodeID(first.GetClient())
	stop := s.server.cfg.Node.Listen(s.client, func(p *message.Reply) {
		s.out.put(answer{reply: p})
	})
	defer stop()
	if s.out.open(s.stream.Context()) != nil {
		return s.stream.Context().Err()
	}
	for frame := first; ; {
		for _, raw := range frame.GetRequests() {
			s.take(raw)
		}
		if frame, err = s.stream.Recv(); err != nil {
			return ended(err)
		}
	}
}

// ended takes the end of a stream for what it is.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// take hands one request on, or says why not.
func (s *session) take(raw []byte) {
	req, err := message.DecodeClientRequest(raw)
	if err != nil {
		s.refuse(&message.ClientRequest{}, fmt.Errorf("%w: %w", errBadRequest, err))
		return
	}
	if err = s.check(req); err != nil {
		s.refuse(req, err)
		return
	}
	if err = s.server.cfg.Node.Deliver(req); err != nil {
		s.refuse(req, err)
	}
}

// check keeps out what would spoil the bundle that the request rides in.
func (s *session) check(req *message.ClientRequest) error {
	switch {
	case req.Client != s.client:
		return fmt.Errorf("%w: it is signed by %s, this session is of %s",
			errBadRequest, req.Client, s.client)
	case req.Session != 0 && req.Session < message.FirstClientSession:
		return fmt.Errorf("%w: session %d belongs to a member", errBadRequest, req.Session)
	case len(req.Op) > s.server.opBytes:
		return fmt.Errorf("%w: operation of %d bytes, this cluster's limit is %d",
			errBadRequest, len(req.Op), s.server.opBytes)
	}
	s.server.checks <- struct{}{}
	valid := req.Client.Verify(req.SignBytes(s.server.cfg.Cluster.RequestDomain()), req.Sig)
	<-s.server.checks
	if !valid {
		return fmt.Errorf("%w: the signature is not the client's for cluster %s",
			errBadRequest, s.server.cfg.Cluster.Cluster.Short())
	}
	return nil
}

func (s *session) refuse(req *message.ClientRequest, err error) {
	s.out.put(answer{refusal: &byzdpb.Refusal{
		Session: req.Session, Seq: req.Seq, Reason: reasonOf(err), Text: err.Error(),
	}})
}

// write sends what waits, first the empty frame.
func (s *session) write() error {
	return s.out.drain(s.stream.Context(), func(answers []answer) error {
		frame := &byzdpb.SessionResponse{}
		for _, a := range answers {
			if a.reply != nil {
				frame.Replies = append(frame.Replies, message.EncodeReply(a.reply))
			} else {
				frame.Refusals = append(frame.Refusals, a.refusal)
			}
		}
		return s.stream.Send(frame)
	})
}

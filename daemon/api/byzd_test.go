package api_test

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"byzd/crypto"
	"byzd/daemon/api/apitest"
	"byzd/daemon/api/byzdpb"
	"byzd/daemon/genesis"
	"byzd/daemon/kv"
	"byzd/pbft"
	"byzd/pbft/message"
)

func encode(t *testing.T, op kv.Op) []byte {
	t.Helper()
	b, err := kv.Encode(op)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGenesisAndMembers(t *testing.T) {
	c := apitest.Start(t, "members", 4)
	ctx := within(t)
	client := byzdpb.NewByzdClient(dial(t, c.Endpoints[1]))
	g, err := client.Genesis(ctx, &byzdpb.GenesisRequest{})
	if err != nil || !bytes.Equal(g.GetGenesis(), c.Genesis.Encode()) {
		t.Errorf("genesis: %v, %v", g, err)
	}
	m, err := client.Members(ctx, &byzdpb.MembersRequest{})
	if err != nil || len(m.GetMembers()) != 4 || m.GetSelf() != 1 {
		t.Fatalf("members: %v, %v", m, err)
	}
	if two := m.GetMembers()[2]; two.GetClient() != c.Endpoints[2] || two.GetIndex() != 2 ||
		two.GetPeerId() != c.Config.Members[2].Node.String() {
		t.Errorf("member 2: %v", two)
	}
}

// The health service, reflection and their bounds.
func TestHealthAndReflection(t *testing.T) {
	c := apitest.Start(t, "health", 1)
	ctx := within(t)
	conn := dial(t, c.Endpoints[0])
	checks := healthpb.NewHealthClient(conn)
	for _, service := range []string{"", "etcdserverpb.KV", "byzd.v1.Byzd"} {
		got, err := checks.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, got, err)
		}
	}
	_, err := checks.Check(ctx, &healthpb.HealthCheckRequest{Service: "etcdserverpb.Watch"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("health of a service that is not there: %v", err)
	}
	for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"byzd.v1.Byzd":       healthpb.HealthCheckResponse_SERVING,
		"etcdserverpb.Watch": healthpb.HealthCheckResponse_SERVICE_UNKNOWN,
	} {
		watched, failed := checks.Watch(ctx, &healthpb.HealthCheckRequest{Service: service})
		if failed != nil {
			t.Fatal(failed)
		}
		got, failed := watched.Recv()
		if failed != nil || got.GetStatus() != want {
			t.Errorf("watched health of %q: %v, %v", service, got, failed)
		}
	}
	stream, err := reflectpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err = stream.Send(&reflectpb.ServerReflectionRequest{
		MessageRequest: &reflectpb.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: "byzd.v1.Byzd",
		},
	}); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil || len(got.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("reflection: %v, %v", got, err)
	}
}

// Many operations travel in few frames, each finds its result by its tag, and a bad one fails
// alone.
func TestOrder(t *testing.T) {
	c := apitest.Start(t, "order", 4)
	stream, err := byzdpb.NewByzdClient(dial(t, c.Endpoints[3])).Order(within(t))
	if err != nil {
		t.Fatal(err)
	}
	const frames, each = 8, 100
	for f := range uint64(frames) {
		frame := &byzdpb.OrderRequest{}
		for i := range uint64(each) {
			tag := f*each + i
			frame.Tags = append(frame.Tags, tag)
			frame.Operations = append(frame.Operations,
				encode(t, kv.Put{Key: fmt.Appendf(nil, "k%d", tag), Value: []byte("v")}))
		}
		if f == 3 {
			frame.Operations[7] = nil
		}
		if err = stream.Send(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err = stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	seen, failed := map[uint64]bool{}, 0
	for len(seen)+failed < frames*each {
		got, err := stream.Recv()
		if err != nil {
			t.Fatalf("after %d results: %v", len(seen), err)
		}
		for i, tag := range got.GetTags() {
			r, err := kv.DecodeResult(got.GetResults()[i])
			if err != nil || r.Code != kv.CodeOK || seen[tag] {
				t.Errorf("tag %d: %+v, %v", tag, r, err)
			}
			seen[tag] = true
		}
		for _, f := range got.GetFailures() {
			failed++
			if f.GetTag() != 307 || f.GetReason() != byzdpb.Reason_REASON_BAD_REQUEST {
				t.Errorf("failure %v", f)
			}
		}
	}
	if _, err := stream.Recv(); err == nil || failed != 1 {
		t.Errorf("at the end: %v, %d failures", err, failed)
	}
}

func TestOrderRefusesCrookedFrames(t *testing.T) {
	c := apitest.Start(t, "crooked", 1)
	stream, err := byzdpb.NewByzdClient(dial(t, c.Endpoints[0])).Order(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err = stream.Send(&byzdpb.OrderRequest{Tags: []uint64{1}}); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a frame with one tag and no operation: %v", err)
	}
}

// A session hands out this member's signed replies, also to requests that went elsewhere, and
// refuses what would spoil a bundle.
func TestSession(t *testing.T) {
	const bundleBytes = 64 << 10
	c := apitest.Start(t, "session", 4, func(g *genesis.Genesis) {
		g.Params.MaxBundleBytes = bundleBytes
	})
	ctx := within(t)
	key := crypto.NewNetworkKey(crypto.DeriveSeed([32]byte{}, "client"))
	id := key.ID()
	open := func(
		member int,
	) (send func(...*message.ClientRequest), recv func() *byzdpb.SessionResponse) {
		stream, err := byzdpb.NewByzdClient(dial(t, c.Endpoints[member])).Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&byzdpb.SessionRequest{Client: id[:]}); err != nil {
			t.Fatal(err)
		}
		recv = func() *byzdpb.SessionResponse {
			got, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		recv()
		return func(reqs ...*message.ClientRequest) {
			frame := &byzdpb.SessionRequest{}
			for _, req := range reqs {
				frame.Requests = append(frame.Requests, message.EncodeClientRequest(req))
			}
			if err := stream.Send(frame); err != nil {
				t.Fatal(err)
			}
		}, recv
	}
	send, recv := open(0)
	_, listen := open(2)

	register := &message.ClientRequest{Seq: 1}
	message.SealClientRequest(c.Config.RequestDomain(), key, register)
	send(register)
	var session uint64
	for member, from := range map[int]func() *byzdpb.SessionResponse{0: recv, 2: listen} {
		p, err := message.DecodeReply(from().GetReplies()[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Verify(c.Config); err != nil || p.Member != member ||
			pbft.Outcome(p.Outcome) != pbft.Registered {
			t.Errorf("reply of member %d: %+v, %v", member, p, err)
		}
		session = p.Session
	}

	large := make([]byte, bundleBytes)
	stranger := crypto.NewNetworkKey(crypto.DeriveSeed([32]byte{}, "stranger"))
	for name, req := range map[string]*message.ClientRequest{
		"another's key":      sealed(c, stranger, &message.ClientRequest{Session: session}),
		"a member's session": sealed(c, key, &message.ClientRequest{Session: 3}),
		"a large operation":  sealed(c, key, &message.ClientRequest{Session: session, Op: large}),
		"another cluster":    foreign(key, &message.ClientRequest{Session: session}),
	} {
		send(req)
		got := recv()
		if len(got.GetRefusals()) != 1 ||
			got.GetRefusals()[0].GetReason() != byzdpb.Reason_REASON_BAD_REQUEST {
			t.Errorf("%s: %v", name, got)
		}
	}
	c.SetFault(0, apitest.Fault{Busy: true})
	send(sealed(c, key, &message.ClientRequest{Session: session}))
	if got := recv(); got.GetRefusals()[0].GetReason() != byzdpb.Reason_REASON_BUSY {
		t.Errorf("a busy node: %v", got)
	}
}

func sealed(
	c *apitest.Cluster, key crypto.NetworkKey, req *message.ClientRequest,
) *message.ClientRequest {
	message.SealClientRequest(c.Config.RequestDomain(), key, req)
	return req
}

func foreign(key crypto.NetworkKey, req *message.ClientRequest) *message.ClientRequest {
	message.SealClientRequest(crypto.Domain{Cluster: crypto.Hash("another")}, key, req)
	return req
}

func TestSessionNeedsAKey(t *testing.T) {
	c := apitest.Start(t, "nokey", 1)
	stream, err := byzdpb.NewByzdClient(dial(t, c.Endpoints[0])).Session(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err = stream.Send(&byzdpb.SessionRequest{Client: []byte("short")}); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a session without a key: %v", err)
	}
}

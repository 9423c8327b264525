package api

import (
	"context"
	"encoding/binary"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"byzd/daemon/kv"
)

// etcd serves etcd's KV. Every request becomes one operation of the store, is ordered like any
// other, reads included, and what the store says is put into etcd's words.
type etcd struct {
	pb.UnimplementedKVServer

	server *Server
}

// Range reads. It is linearizable, also where less was asked for.
func (e *etcd) Range(ctx context.Context, req *pb.RangeRequest) (*pb.RangeResponse, error) {
	op, err := rangeOp(req)
	if err != nil {
		return nil, err
	}
	r, err := e.order(ctx, op)
	if err != nil {
		return nil, err
	}
	return rangeResponse(r, e.head(r)), nil
}

// RangeStream is Range in pieces, which etcd has since 3.7.
func (*etcd) RangeStream(
	*pb.RangeRequest, grpc.ServerStreamingServer[pb.RangeStreamResponse],
) error {
	return unimplemented("RangeStream (use Range)")
}

// Put writes one key.
func (e *etcd) Put(ctx context.Context, req *pb.PutRequest) (*pb.PutResponse, error) {
	op, err := putOp(req)
	if err != nil {
		return nil, err
	}
	r, err := e.order(ctx, op)
	if err != nil {
		return nil, err
	}
	return putResponse(r, e.head(r)), nil
}

// DeleteRange removes keys.
func (e *etcd) DeleteRange(
	ctx context.Context, req *pb.DeleteRangeRequest,
) (*pb.DeleteRangeResponse, error) {
	op, err := deleteOp(req)
	if err != nil {
		return nil, err
	}
	r, err := e.order(ctx, op)
	if err != nil {
		return nil, err
	}
	return deleteResponse(r, e.head(r)), nil
}

// Txn compares and then does one thing or the other.
func (e *etcd) Txn(ctx context.Context, req *pb.TxnRequest) (*pb.TxnResponse, error) {
	op, err := txnOp(req)
	if err != nil {
		return nil, err
	}
	r, err := e.order(ctx, op)
	if err != nil {
		return nil, err
	}
	return txnResponse(&op, r, e.head(r))
}

// Compact would forget history, of which byzd keeps none.
func (*etcd) Compact(
	context.Context, *pb.CompactionRequest,
) (*pb.CompactionResponse, error) {
	return nil, unimplemented("Compact (it keeps no history: only the newest revision)")
}

// head completes the header of a response.
func (e *etcd) head(r *kv.Result) *pb.ResponseHeader {
	return &pb.ResponseHeader{
		ClusterId: e.server.header.ClusterId, MemberId: e.server.header.MemberId,
		Revision: r.Revision, RaftTerm: e.server.cfg.Node.View(),
	}
}

// order has one operation agreed upon and executed.
func (e *etcd) order(ctx context.Context, op kv.Op) (*kv.Result, error) {
	encoded, err := kv.Encode(op)
	if err != nil {
		return nil, encodeError(err)
	}
	if len(encoded) > e.server.opBytes {
		return nil, rpctypes.ErrGRPCRequestTooLarge
	}
	raw, err := e.wait(ctx, encoded)
	if err != nil {
		return nil, err
	}
	r, err := kv.DecodeResult(raw)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "byzd: this node's result is none: %v", err)
	}
	return &r, codeError(&r)
}

// outcome is what became of a single operation.
type outcome struct {
	result []byte
	err    error
}

func (e *etcd) wait(ctx context.Context, op []byte) ([]byte, error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTimeout)
		defer cancel()
	}
	answer := make(chan outcome, 1)
	e.server.cfg.Node.Order(&Orders{
		Client: clientOf(ctx), Ops: [][]byte{op},
		Done: func(_ int, result []byte, err error) { answer <- outcome{result, err} },
	})
	select {
	case got := <-answer:
		if got.err != nil {
			return nil, orderError(got.err)
		}
		return got.result, nil
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// clientOf names the connection that a call came by.
func clientOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return "unknown"
}

// firstEight makes an etcd ID of the start of a digest or key.
func firstEight(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

package api

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"byzd/daemon/api/byzdpb"
)

// Limits of one Order stream: beyond them the next frame is not read.
const (
	maxOrdersUnderWay  = 1 << 14
	maxOrderBytesWaits = 64 << 20
)

// result is what became of a tagged operation.
type result struct {
	tag   uint64
	value []byte
	err   error
}

func (r result) size() int { return len(r.value) }

// Order takes frames of plain operations and returns frames of results.
func (b *byzd) Order(
	stream grpc.BidiStreamingServer[byzdpb.OrderRequest, byzdpb.OrderResponse],
) error {
	o := &orders{server: b.server, stream: stream, out: newOutbox[result]()}
	o.client = clientOf(stream.Context())
	o.under = newAllowance(maxOrdersUnderWay, maxOrderBytesWaits)
	return b.server.serveStream(stream, o.out.overflow, o.read, o.write)
}

// orders is one Order stream.
type orders struct {
	server *Server
	stream grpc.BidiStreamingServer[byzdpb.OrderRequest, byzdpb.OrderResponse]
	client string
	out    *outbox[result]
	under  *allowance // operations whose results were not sent
}

func (o *orders) read() error {
	defer o.out.close()
	if err := o.out.open(o.stream.Context()); err != nil {
		return err
	}
	for {
		frame, err := o.stream.Recv()
		if err != nil {
			if err = ended(err); err == nil {
				err = o.under.wait(o.stream.Context()) // The results are still to come.
			}
			return err
		}
		if len(frame.GetTags()) != len(frame.GetOperations()) {
			return status.Errorf(codes.InvalidArgument,
				"byzd: a frame of %d operations has %d tags",
				len(frame.GetOperations()), len(frame.GetTags()))
		}
		if err := o.take(frame); err != nil {
			return err
		}
	}
}

// take hands a frame's operations to the node when there is room for them.
func (o *orders) take(frame *byzdpb.OrderRequest) error {
	tags, ops := frame.GetTags(), frame.GetOperations()
	total := 0
	for _, op := range ops {
		total += len(op)
	}
	if len(ops) > maxOrdersUnderWay {
		return status.Errorf(codes.InvalidArgument,
			"byzd: a frame of %d operations; the limit is %d", len(ops), maxOrdersUnderWay)
	}
	if err := o.under.take(o.stream.Context(), len(ops), total); err != nil {
		return err
	}
	tags, ops = o.sift(tags, ops)
	if len(ops) == 0 {
		return nil
	}
	o.server.cfg.Node.Order(&Orders{
		Client: o.client, Ops: ops,
		Done: func(i int, value []byte, err error) {
			o.done(result{tags[i], value, err}, len(ops[i]))
		},
	})
	return nil
}

// sift answers those operations that no bundle can carry and returns the others.
func (o *orders) sift(tags []uint64, ops [][]byte) ([]uint64, [][]byte) {
	n := 0
	for i, op := range ops {
		if len(op) > 0 && len(op) <= o.server.opBytes {
			tags[n], ops[n] = tags[i], op
			n++
			continue
		}
		err := fmt.Errorf("%w: operation of %d bytes; this cluster orders 1 to %d",
			errBadRequest, len(op), o.server.opBytes)
		o.done(result{tags[i], nil, err}, len(op))
	}
	return tags[:n], ops[:n]
}

// done may be called from any goroutine and does not block.
func (o *orders) done(r result, opBytes int) {
	o.out.put(r)
	o.under.reduce(opBytes)
}

func (o *orders) write() error {
	return o.out.drain(o.stream.Context(), func(results []result) error {
		frame := &byzdpb.OrderResponse{}
		for _, r := range results {
			if r.err != nil {
				frame.Failures = append(frame.Failures, &byzdpb.Failure{
					Tag: r.tag, Reason: reasonOf(r.err), Text: r.err.Error(),
				})
				continue
			}
			frame.Tags = append(frame.Tags, r.tag)
			frame.Results = append(frame.Results, r.value)
		}
		err := o.stream.Send(frame)
		o.under.give(len(results))
		return err
	})
}

package api

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"byzd/daemon/api/byzdpb"
)

// health says by gRPC's own health protocol whether the node takes part in agreement. It has one
// opinion for the whole server and for each of its services.
type health struct {
	healthpb.UnimplementedHealthServer

	server *Server
}

// watchEvery is how often a watched health is looked at.
const watchEvery = time.Second

// Check answers at once.
func (h *health) Check(
	_ context.Context, req *healthpb.HealthCheckRequest,
) (*healthpb.HealthCheckResponse, error) {
	if !h.known(req.GetService()) {
		return nil, status.Errorf(codes.NotFound, "byzd has no service %q", req.GetService())
	}
	return &healthpb.HealthCheckResponse{Status: h.status()}, nil
}

// Watch tells the health now and when it changes.
func (h *health) Watch(
	req *healthpb.HealthCheckRequest,
	stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse],
) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		now := healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		if h.known(req.GetService()) {
			now = h.status()
		}
		if now != last {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-ticker.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-h.server.closing:
			return errStopped
		}
	}
}

func (*health) known(service string) bool {
	switch service {
	case "", pb.KV_ServiceDesc.ServiceName, byzdpb.Byzd_ServiceDesc.ServiceName:
		return true
	default:
		return false
	}
}

func (h *health) status() healthpb.HealthCheckResponse_ServingStatus {
	if h.server.cfg.Node.Ready() != nil {
		return healthpb.HealthCheckResponse_NOT_SERVING
	}
	return healthpb.HealthCheckResponse_SERVING
}

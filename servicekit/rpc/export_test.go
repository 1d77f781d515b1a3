package rpc

import (
	"context"

	"google.golang.org/grpc"
)

// IsDirect tells a handler whether its call came without frames.
func IsDirect(ctx context.Context) bool {
	_, ok := grpc.ServerTransportStreamFromContext(ctx).(*directStream)
	return ok
}

package api

import (
	"context"
	"fmt"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/rpc"
	"google.golang.org/grpc/metadata"
)

// Headers of POL-21 and POL-118, as metadata.
const (
	headerETag    = "etag"
	headerIfMatch = "if-match"
	headerWarning = "entente-policy-warning"
	widensDefault = "widens-default"
)

func etag(revision int64) string { return fmt.Sprintf(`W/"%d"`, revision) }

// tag sends the ETag of an object that is answered.
func tag(ctx context.Context, revision int64) { rpc.SetHeader(ctx, headerETag, etag(revision)) }

// matches refuses a change when the client named another state of the object
// (POL-118).
func matches(ctx context.Context, revision int64) error {
	md, _ := metadata.FromIncomingContext(ctx)
	wanted := md.Get(headerIfMatch)
	if len(wanted) == 0 {
		return nil
	}
	for list := range strings.SplitSeq(wanted[0], ",") {
		if t := strings.TrimSpace(list); t == "*" || t == etag(revision) {
			return nil
		}
	}
	return fault.Aborted(errorspb.Reason_STALE_ETAG, "The object has changed since it was read.")
}

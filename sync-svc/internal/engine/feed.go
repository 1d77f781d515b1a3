package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// errExpired says that a position is not in the feed any more.
var errExpired = errors.New("the position in the change feed expired")

// findings are what the change feeds say about a job since its watermark.
type findings struct {
	// objects are source users that changed in a way that matters.
	objects []uuid.UUID
	// targets are target users whose life cycle changed.
	targets []uuid.UUID
	// principals are users or groups whose assignment changed.
	principals []uuid.UUID
	// rescope is set when assignments changed in a way that concerns an unknown
	// set of users.
	rescope bool
	// position is the watermark after these changes.
	position string
	more     bool
	oldest   time.Time
}

func (f *findings) any() bool {
	return len(f.objects) > 0 || len(f.targets) > 0 || len(f.principals) > 0 || f.rescope
}

// watermark joins the positions in the feeds of source and target.
func watermark(source, target string) string { return source + " " + target }

func positions(watermark string) (source, target string) {
	source, target, _ = strings.Cut(watermark, " ")
	return source, target
}

// position is the present end of both feeds.
func (r *run) position(ctx context.Context) (string, error) {
	var ends [2]string
	for i, t := range [...]tenant.ID{r.job.Tenant, r.job.Target} {
		p, err := r.Feed.GetFeedPosition(ctx, &directorypb.GetFeedPositionRequest{TenantId: t.String()})
		if err != nil {
			return "", fmt.Errorf("read feed position: %w", err)
		}
		ends[i] = p.GetPosition()
	}
	return watermark(ends[0], ends[1]), nil
}

// changes reads both feeds from the watermark on.
func (r *run) changes(ctx context.Context) (*findings, error) {
	f := &findings{}
	source, target := positions(r.job.Watermark)
	seen := map[string]bool{}
	var err error
	source, err = r.readFeed(ctx, r.job.Tenant, source, nil, f, func(c *directorypb.Change) {
		if id := r.concerns(c, f); id != "" && !seen[id] {
			seen[id] = true
			if parsed, err := uuid.Parse(id); err == nil {
				f.objects = append(f.objects, parsed)
			}
			if f.oldest.IsZero() {
				f.oldest = c.GetTime().AsTime()
			}
		}
	})
	if err != nil {
		return nil, err
	}
	target, err = r.readFeed(ctx, r.job.Target, target, []string{"user"}, f, func(c *directorypb.Change) {
		switch c.GetKind() {
		case directorypb.Change_deleted, directorypb.Change_purged, directorypb.Change_restored:
			if id, err := uuid.Parse(c.GetObjectId()); err == nil && !slices.Contains(f.targets, id) {
				f.targets = append(f.targets, id)
			}
		}
	})
	f.position = watermark(source, target)
	return f, err
}

func (r *run) readFeed(ctx context.Context, t tenant.ID, position string, types []string, f *findings, see func(*directorypb.Change)) (string, error) {
	for {
		page, err := r.Feed.ListChanges(ctx, &directorypb.ListChangesRequest{TenantId: t.String(), Position: position, Limit: 2000, Types: types})
		if fault.Is(err, errorspb.Reason_SYNC_STATE_NOT_FOUND) {
			return "", errExpired
		}
		if err != nil {
			return "", fmt.Errorf("read change feed: %w", err)
		}
		for _, c := range page.GetChanges() {
			see(c)
		}
		position = page.GetPosition()
		if !page.GetMore() {
			return position, nil
		}
		if len(f.objects) >= maxCandidates || len(f.targets) >= maxCandidates {
			f.more = true
			return position, nil
		}
	}
}

// concerns returns the source user a change is about, or nothing. Changes of
// assignments and groups may concern users it cannot name: those set rescope.
func (r *run) concerns(c *directorypb.Change, f *findings) string {
	moved := c.GetKind() == directorypb.Change_linked || c.GetKind() == directorypb.Change_unlinked
	switch c.GetType() {
	case "user":
		switch {
		case moved && slices.Contains(c.GetProperties(), "appRoleAssignments"):
			return c.GetObjectId()
		case moved, c.GetKind() == directorypb.Change_updated:
			for _, name := range c.GetProperties() {
				if r.program.Relevant(name) {
					return c.GetObjectId()
				}
			}
			return ""
		}
		return c.GetObjectId()
	case "group":
		if r.meaning.SyncAll {
			return ""
		}
		if moved {
			if slices.Contains(c.GetProperties(), "members") {
				return c.GetRelatedId()
			}
			f.rescope = f.rescope || slices.Contains(c.GetProperties(), "appRoleAssignments")
			return ""
		}
		f.rescope = f.rescope || c.GetKind() != directorypb.Change_updated && c.GetKind() != directorypb.Change_created || slices.Contains(c.GetProperties(), "securityEnabled")
	case "servicePrincipal":
		if c.GetObjectId() != r.job.ServicePrincipal.String() {
			return ""
		}
		switch id, err := uuid.Parse(c.GetRelatedId()); {
		case c.GetKind() == directorypb.Change_deleted:
			f.rescope = true // the cycle finds out that the configuration is gone
		case r.meaning.SyncAll || !moved:
		case err != nil:
			f.rescope = true
		case !slices.Contains(f.principals, id):
			f.principals = append(f.principals, id)
		}
	}
	return ""
}

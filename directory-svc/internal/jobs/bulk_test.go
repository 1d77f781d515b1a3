package jobs_test

import (
	"context"
	"fmt"
	"testing"

	"entente.dev/directory-svc/internal/bulk"
	"entente.dev/directory-svc/internal/jobs"
	"entente.dev/directory-svc/internal/property"
	"entente.dev/directory-svc/internal/store"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// fading does every row, for somebody who loses the right to after a while.
type fading struct {
	store *store.Store
	home  tenant.ID
	asked int
}

func (f *fading) Actor(context.Context, tenant.ID, *store.BulkOperation) (who caller.Caller, refusal, err error) {
	if f.asked++; f.asked > 2 {
		refusal = property.Denied()
	}
	return caller.Caller{Kind: caller.User, Tenant: f.home, RequestID: "request"}, refusal, nil
}

func (f *fading) Do(ctx context.Context, _ *store.BulkOperation, _ store.BulkRow, done func(*store.Tx) error) (uuid.UUID, error) {
	return uuid.Nil, f.store.Write(ctx, f.home, done)
}

func TestLostRightsStopABulkOperation(t *testing.T) {
	t.Parallel()
	s, clock, home := open(t)
	o := store.BulkOperation{ID: uuid.Must(uuid.NewV7()), Kind: bulk.DeleteUsers, Status: store.BulkQueued, Total: 240, By: uuid.New(), Created: clock.Now()}
	rows := make([]store.BulkRow, o.Total)
	for i := range rows {
		rows[i] = store.BulkRow{Number: i + 3, Input: []string{fmt.Sprint("u", i)}}
	}
	if err := s.Write(t.Context(), home, func(tx *store.Tx) error { return tx.InsertBulk(o, rows) }); err != nil {
		t.Fatal(err)
	}
	work := &jobs.Bulk{Store: s, Clock: clock, Rows: &fading{store: s, home: home}}
	if n, err := work.RunOnce(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	err := s.Read(t.Context(), home, func(tx *store.Tx) error {
		ended, err := tx.Bulk(o.ID, false)
		if err != nil {
			return err
		}
		if ended.Status != store.BulkCompletedWithErrors || ended.Success != 100 || ended.Failure != 140 {
			t.Errorf("%+v", ended)
		}
		left, err := tx.BulkRows(o.ID, 102, 1, false)
		if err != nil || len(left) != 1 || left[0].Code == nil || *left[0].Code != "Authorization_RequestDenied" {
			t.Errorf("%+v %v", left, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"entente.dev/deploy/entente/internal/graph"
)

const bulkPath = "/entente/v1/bulkOperations"

// bulkPoll is how often --wait asks how far the work is.
const bulkPoll = time.Second

var bulkActions = []action{
	{"start <kind> <file>", "send a CSV (- for the standard input): createUsers, inviteUsers, deleteUsers, restoreUsers, importMembers or removeMembers", startBulk},
	{"export", "the users of the tenant as CSV, once they are gathered", exportUsers},
	{"list", "what was started, newest first; without inviteUsers", listBulk},
	{"status <id>", "how far it is", bulkStatus},
	{"results <id>", "the rows with their outcome, as CSV", bulkFile("results", "id", "/%s/results")},
	{"template <kind>", "the CSV to fill in", bulkFile("template", "kind", "/%s/template")},
	{"cancel <id>", "stop; what is done stays done", cancelBulk},
}

// bulkOperation is what a command needs to know of one.
type bulkOperation struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	Total     int    `json:"totalCount"`
	Succeeded int    `json:"successCount"`
	Failed    int    `json:"failureCount"`
}

func (b bulkOperation) ended() bool { return b.Status != "queued" && b.Status != "running" }

func startBulk(ctx context.Context, args []string, s Streams) error {
	var (
		group string
		wait  bool
	)
	f := newForm("bulk start", s)
	f.fs.StringVar(&group, "group", "", "id of the group of importMembers and removeMembers")
	f.fs.BoolVar(&wait, "wait", false, "return when it has ended, and fail when a row did")
	values, err := f.open(args, "kind", "file")
	if err != nil {
		return err
	}
	file, err := readBody(values[1], s.In)
	if err != nil {
		return err
	}
	started, err := f.startBulk(ctx, values[0], group, file)
	if err != nil {
		return err
	}
	if !wait {
		return f.say("%s", started.ID)
	}
	ended, err := f.await(ctx, started)
	if err != nil {
		return err
	}
	return f.say("%s is completed: %d rows", ended.ID, ended.Succeeded)
}

// exportUsers has the directory gather its users, and prints them.
func exportUsers(ctx context.Context, args []string, s Streams) error {
	f := newForm("bulk export", s)
	if _, err := f.open(args); err != nil {
		return err
	}
	started, err := f.startBulk(ctx, "exportUsers", "", []byte{})
	if err != nil {
		return err
	}
	ended, err := f.await(ctx, started)
	if err != nil {
		return err
	}
	return f.file(ctx, bulkPath+"/"+url.PathEscape(ended.ID)+"/results")
}

// startBulk sends a file in; group is "" for kinds that are about none.
func (f *form) startBulk(ctx context.Context, kind, group string, file []byte) (bulkOperation, error) {
	path := bulkPath + "/" + url.PathEscape(kind)
	if group != "" {
		path += "?groupId=" + url.QueryEscape(group)
	}
	var started bulkOperation
	err := f.client.DoRequest(ctx, graph.Request{
		Method: http.MethodPost, Path: path, Header: http.Header{"Content-Type": {"text/csv"}}, Body: file,
	}, &started)
	return started, err
}

// await asks until the operation has ended; one with failed rows is an error.
func (f *form) await(ctx context.Context, b bulkOperation) (bulkOperation, error) {
	tick := time.NewTicker(bulkPoll)
	defer tick.Stop()
	for !b.ended() {
		select {
		case <-ctx.Done():
			return b, fmt.Errorf("wait for %s, which goes on: %w", b.ID, context.Cause(ctx))
		case <-tick.C:
		}
		if err := f.client.Do(ctx, http.MethodGet, bulkPath+"/"+url.PathEscape(b.ID), nil, &b); err != nil {
			return b, err
		}
	}
	if b.Status != "completed" {
		return b, fmt.Errorf("%s is %s: %d of %d rows failed; `entente bulk results %s` tells why", b.ID, b.Status, b.Failed, b.Total, b.ID)
	}
	return b, nil
}

func listBulk(ctx context.Context, args []string, s Streams) error {
	l := newLister("bulk list", s, column{"id", "id"}, column{"kind", "kind"}, column{"status", "status"}, column{"rows", "totalCount"},
		column{"succeeded", "successCount"}, column{"failed", "failureCount"}, column{"started", "createdDateTime"}).paged()
	l.whole = true
	if _, err := l.open(args); err != nil {
		return err
	}
	return l.print(ctx, bulkPath)
}

func bulkStatus(ctx context.Context, args []string, s Streams) error {
	f := newForm("bulk status", s)
	values, err := f.open(args, "id")
	if err != nil {
		return err
	}
	var operation json.RawMessage
	if err := f.client.Do(ctx, http.MethodGet, bulkPath+"/"+url.PathEscape(values[0]), nil, &operation); err != nil {
		return err
	}
	return printJSON(s.Out, operation)
}

// bulkFile makes the action that prints a file as it comes; path holds the place of the argument.
func bulkFile(name, positional, path string) func(context.Context, []string, Streams) error {
	return func(ctx context.Context, args []string, s Streams) error {
		f := newForm("bulk "+name, s)
		values, err := f.open(args, positional)
		if err != nil {
			return err
		}
		return f.file(ctx, bulkPath+fmt.Sprintf(path, url.PathEscape(values[0])))
	}
}

// file prints what is at the path.
func (f *form) file(ctx context.Context, path string) error {
	resp, err := f.client.Send(ctx, graph.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(f.s.Out, resp.Body); err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	return nil
}

func cancelBulk(ctx context.Context, args []string, s Streams) error {
	f := newForm("bulk cancel", s)
	values, err := f.open(args, "id")
	if err != nil {
		return err
	}
	if err := f.client.Do(ctx, http.MethodPost, bulkPath+"/"+url.PathEscape(values[0])+"/cancel", struct{}{}, nil); err != nil {
		return err
	}
	return f.say("%s is canceled", values[0])
}

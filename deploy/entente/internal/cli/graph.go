package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"entente.dev/deploy/entente/internal/graph"
)

// runGraph sends one request as it is, and prints what came.
func runGraph(ctx context.Context, args []string, s Streams) error {
	var (
		at      directory
		body    string
		headers setting
		all     bool
	)
	fs := flag.NewFlagSet("graph", flag.ContinueOnError)
	at.flags(fs)
	fs.StringVar(&body, "body", "", "what to send: JSON, a file, or - for the standard input")
	fs.Var(&headers, "header", "`name=value` of a header, such as ConsistencyLevel=eventual; may be repeated")
	fs.BoolVar(&all, "all", false, "follow the links to further pages and print one list (GET only)")
	values, err := parse(fs, args, s, "method", "path")
	if err != nil {
		return err
	}
	r := graph.Request{Method: strings.ToUpper(values[0]), Path: values[1], Header: http.Header{}}
	if all && r.Method != http.MethodGet {
		return usagef("--all goes with GET")
	}
	if body != "" {
		if r.Body, err = readBody(body, s.In); err != nil {
			return err
		}
		if filepath.Ext(body) == ".csv" {
			r.Header.Set("Content-Type", "text/csv")
		}
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, "=")
		r.Header.Set(name, value)
	}
	client, err := at.client()
	if err != nil {
		return err
	}
	resp, err := client.Send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return printAnswer(ctx, client, resp, r, all, s)
}

// readBody takes a body from where the option says: JSON speaks for itself,
// "-" is the standard input, all else is a file.
func readBody(from string, in io.Reader) ([]byte, error) {
	switch trimmed := strings.TrimSpace(from); {
	case strings.HasPrefix(trimmed, "{"), strings.HasPrefix(trimmed, "["):
		return []byte(from), nil
	case from == "-":
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("read the standard input: %w", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return data, nil
}

// printAnswer prints JSON in lines and anything else as it is. An answer
// without a body says where its object or its job is, if it does.
func printAnswer(ctx context.Context, client *graph.Client, resp *http.Response, r graph.Request, all bool, s Streams) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != "application/json" {
		return printText(resp, kind, s)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if all {
		if data, err = graph.Join(ctx, client, data, r.Header); err != nil {
			return err
		}
	}
	var lines bytes.Buffer
	if err := json.Indent(&lines, bytes.TrimSpace(data), "", "  "); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	lines.WriteByte('\n')
	_, err = s.Out.Write(lines.Bytes())
	return err
}

func printText(resp *http.Response, kind string, s Streams) error {
	n, err := io.Copy(s.Out, resp.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	switch location := resp.Header.Get("Location"); {
	case n == 0 && location != "":
		_, err = fmt.Fprintln(s.Err, "location:", location)
	case n > 0 && kind == "text/plain":
		_, err = fmt.Fprintln(s.Out) // a number alone
	}
	return err
}

package suite

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Tenant is one demo tenant of entente.json.
type Tenant struct {
	Name, TenantID, Domain, TenantType, ClientID, ClientSecret string
}

// Connection is what entente.json tells.
type Connection struct {
	GraphURL, LoginURL, HTTPURL, CAFile, MailURL string
	GRPC                                         map[string]string
	Tenants                                      []Tenant
}

// Refusal is an answer that is no success.
type Refusal struct {
	Status int
	text   string
}

// Error tells the request and the whole answer.
func (r *Refusal) Error() string { return r.text }

// Suite is a running program.
type Suite struct {
	Connection
	Dir    string
	binary string
	cmd    *exec.Cmd
	client *http.Client
	mu     sync.Mutex
	tokens map[string]string
}

// Start runs `entente up --demo` on the server of dsn with its data in dir and
// waits until it serves. What it prints goes to log.
func Start(ctx context.Context, binary, dir, dsn string, log io.Writer, args ...string) (*Suite, error) {
	cmd := exec.CommandContext(ctx, binary, append([]string{"up", "--demo", "--data-dir", dir,
		"--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--dsn", dsn}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		announced := false
		for lines.Scan() {
			fmt.Fprintln(log, lines.Text())
			if !announced && lines.Text() == "ready" {
				announced = true
				close(ready)
			}
		}
		if !announced {
			close(ready)
		}
	}()
	<-ready
	s := &Suite{Dir: dir, binary: binary, cmd: cmd, tokens: map[string]string{}, client: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
	text, err := os.ReadFile(filepath.Join(dir, "entente.json"))
	if err == nil {
		err = json.Unmarshal(text, &s.Connection)
	}
	if err != nil {
		_ = s.Stop()
		return nil, fmt.Errorf("the suite did not come up: %w", err)
	}
	return s, nil
}

// Stop asks the suite to end, as Ctrl-C does, and waits for it.
func (s *Suite) Stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt)
	return s.cmd.Wait()
}

// ResetPeakMemory lets PeakMemory begin anew from the present size.
func (s *Suite) ResetPeakMemory() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// PeakMemory is the greatest resident size so far, in MiB.
func (s *Suite) PeakMemory() (int, error) { return s.memory("VmHWM:") }

// Memory is the present resident size, in MiB.
func (s *Suite) Memory() (int, error) { return s.memory("VmRSS:") }

func (s *Suite) memory(key string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("the system does not report %s", key)
}

// Token signs in as the tenant's administrator application, once.
func (s *Suite) Token(ctx context.Context, t Tenant) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token, ok := s.tokens[t.TenantID]; ok {
		return token, nil
	}
	token, err := s.IssueToken(ctx, t)
	if err == nil {
		s.tokens[t.TenantID] = token
	}
	return token, err
}

// IssueToken asks the token endpoint, every time.
func (s *Suite) IssueToken(ctx context.Context, t Tenant) (string, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {t.ClientID}, "client_secret": {t.ClientSecret},
		"scope": {s.GraphURL + "/.default"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.HTTPURL+"/"+t.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := s.do(req, &answer); err != nil {
		return "", err
	}
	return answer.AccessToken, nil
}

// Call sends one Graph request as the tenant's administrator application and
// decodes the answer into out, unless out is nil.
func (s *Suite) Call(ctx context.Context, t Tenant, method, path string, body, out any) error {
	token, err := s.Token(ctx, t)
	if err != nil {
		return err
	}
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.HTTPURL+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return s.do(req, out)
}

func (s *Suite) do(req *http.Request, out any) error {
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &Refusal{Status: resp.StatusCode, text: fmt.Sprintf("%s %s: %d %s", req.Method, req.URL.Path, resp.StatusCode, text)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"entente.dev/deploy/entente/internal/atomicfile"
)

// Ports opens listeners and remembers which free ports were picked. Links in
// mails and issuers in tokens carry a port, so a restart asks for the same one.
type Ports struct {
	path     string
	previous map[string]string
	opened   map[string]string
}

// Ports reads what the last run picked.
func (f *Folder) Ports() (*Ports, error) {
	p := &Ports{path: filepath.Join(f.root, "ports.json"), previous: make(map[string]string), opened: make(map[string]string)}
	data, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ports: %w", err)
	}
	if err := json.Unmarshal(data, &p.previous); err != nil {
		// Only a memory: without it the run picks new ports.
		p.previous = make(map[string]string)
	}
	return p, nil
}

// Listen opens the address for the named use. Port 0 means the port that this
// use had the last time if it is free, else any free one. option is the flag
// that chose the address, for the message when it is taken.
func (p *Ports) Listen(use, address, option string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: write host:port, port 0 for any free one", option, address)
	}
	if port == "0" {
		if before, ok := p.previous[use]; ok {
			if l, err := net.Listen("tcp", net.JoinHostPort(host, before)); err == nil {
				p.opened[use] = before
				return l, nil
			}
		}
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken by another program: choose another address with --%s (port 0 picks a free one)", address, option)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for --%s: %w", option, err)
	}
	if port == "0" {
		_, p.opened[use], _ = net.SplitHostPort(l.Addr().String())
	}
	return l, nil
}

// Save remembers the ports picked by this run.
func (p *Ports) Save() error {
	for use, port := range p.opened {
		p.previous[use] = port
	}
	data, err := json.MarshalIndent(p.previous, "", "  ")
	if err != nil {
		return fmt.Errorf("write ports: %w", err)
	}
	return atomicfile.Write(p.path, append(data, '\n'), 0o600)
}

package mailcatcher

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// A volume is a file of many mails, one behind the other, each after a line
// with its id and size. Making a file costs the disk much more than a mail
// does, and a database writes to the same disk.
const suffix = ".mails"

// volumesPerLimit is how many volumes hold the mails that are kept; the oldest
// mails leave the disk a volume at a time.
const volumesPerLimit = 10

// headLine bounds the line before a mail.
const headLine = 64

type volume struct {
	*os.File
	path  string
	size  int64
	added int // by this process
	live  int // mails that are still listed
}

// place is where a mail is.
type place struct {
	volume *volume
	offset int64
	size   int
}

// newVolume makes a volume that begins with the mail of the id.
func newVolume(dir, id string) (*volume, error) {
	path := filepath.Join(dir, id+suffix)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &volume{File: f, path: path}, nil
}

// add appends a mail.
func (v *volume) add(id string, raw []byte) (place, error) {
	head := fmt.Sprintf("%s %d\n", id, len(raw))
	if _, err := v.WriteAt(append([]byte(head), raw...), v.size); err != nil {
		return place{}, err
	}
	at := place{volume: v, offset: v.size + int64(len(head)), size: len(raw)}
	v.size = at.offset + int64(at.size)
	v.added++
	v.live++
	return at, nil
}

func (p place) read() ([]byte, error) {
	raw := make([]byte, p.size)
	if _, err := p.volume.ReadAt(raw, p.offset); err != nil {
		return nil, fmt.Errorf("read mail: %w", err)
	}
	return raw, nil
}

// drop forgets a mail, and the volume with the last of its mails.
func (p place) drop() error {
	if p.volume.live--; p.volume.live > 0 {
		return nil
	}
	_ = p.volume.Close()
	if err := os.Remove(p.volume.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readVolumes finds every mail in the folder. A mail that a killed process has
// left unfinished is at the end of its volume and is not found.
func readVolumes(dir string, found func(id string, at place)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), suffix); !ok || uuid.Validate(id) != nil {
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		v := &volume{File: f, path: f.Name()}
		if err := v.index(found); err != nil {
			return errors.Join(err, f.Close())
		}
		if v.live == 0 {
			if err := errors.Join(f.Close(), os.Remove(v.path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// heading reads the line before a message; a line that is none has no id.
func heading(line string) (id string, size int) {
	id, figure, _ := strings.Cut(line, " ")
	size, err := strconv.Atoi(figure)
	if err != nil || size < 0 || uuid.Validate(id) != nil {
		return "", 0
	}
	return id, size
}

func (v *volume) index(found func(id string, at place)) error {
	stat, err := v.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, headLine)
	for {
		n, err := v.ReadAt(head, v.size)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		line, _, whole := bytes.Cut(head[:n], []byte("\n"))
		id, size := heading(string(line))
		at := place{volume: v, offset: v.size + int64(len(line)) + 1, size: size}
		if !whole || id == "" || at.offset+int64(size) > stat.Size() {
			return nil
		}
		found(id, at)
		v.live++
		v.size = at.offset + int64(size)
	}
}

package expression

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

const (
	digits   = "0123456789"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	specials = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/"
)

func guid(r *run, _ []Value) (Value, error) {
	var b [16]byte
	if err := r.random(b[:]); err != nil {
		return NullValue, err
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return TextValue(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])), nil
}

func (r *run) random(b []byte) error {
	if r.env.Random == nil {
		return failed("no random source")
	}
	if _, err := io.ReadFull(r.env.Random, b); err != nil {
		return failed("the random source failed")
	}
	return nil
}

// below draws a number in [0, n) without bias.
func (r *run) below(n int) (int, error) {
	limit := (uint64(1) << 32) / uint64(n) * uint64(n)
	for {
		if err := r.step(1); err != nil {
			return 0, err
		}
		var b [4]byte
		if err := r.random(b[:]); err != nil {
			return 0, err
		}
		if v := uint64(binary.BigEndian.Uint32(b[:])); v < limit {
			return int(v % uint64(n)), nil
		}
	}
}

func randomString(r *run, a []Value) (Value, error) {
	var n [5]int64
	for i := range n {
		v, err := whole(a[i])
		if err != nil {
			return NullValue, err
		}
		if v < 0 || v > 256 {
			return NullValue, failed("a length is outside 0 to 256")
		}
		n[i] = v
	}
	if n[0] < 1 || n[0] < n[1]+n[2]+n[3]+n[4] {
		return NullValue, failed("the length is below the sum of the minima")
	}
	avoid, err := text(opt(a, 5))
	if err != nil {
		return NullValue, err
	}
	without := func(s string) string {
		return strings.Map(func(c rune) rune {
			if strings.ContainsRune(avoid, c) {
				return -1
			}
			return c
		}, s)
	}
	sets := [4]string{without(digits), without(specials), without(capitals), without(lowers)}
	all := strings.Join(sets[:], "")
	out := make([]byte, 0, n[0])
	draw := func(set string, times int64) error {
		for range times {
			if set == "" {
				return failed("no characters are left to choose from")
			}
			i, err := r.below(len(set))
			if err != nil {
				return err
			}
			out = append(out, set[i])
		}
		return nil
	}
	for i, set := range sets {
		if err := draw(set, n[i+1]); err != nil {
			return NullValue, err
		}
	}
	if err := draw(all, n[0]-int64(len(out))); err != nil {
		return NullValue, err
	}
	for i := len(out) - 1; i > 0; i-- {
		j, err := r.below(i + 1)
		if err != nil {
			return NullValue, err
		}
		out[i], out[j] = out[j], out[i]
	}
	return TextValue(string(out)), nil
}

// selectUniqueValue takes the first candidate that no target object holds.
func selectUniqueValue(_ *Node, args []eval) (eval, error) {
	return func(r *run) (Value, error) {
		for _, a := range args {
			v, err := a(r)
			if err != nil {
				return NullValue, err
			}
			s, err := text(v)
			if err != nil {
				return NullValue, err
			}
			if s != "" && (r.env.Taken == nil || !r.env.Taken(s)) {
				return TextValue(s), nil
			}
		}
		return NullValue, &EvalError{Code: CodeConflict, Reason: "every candidate is taken in the target"}
	}, nil
}

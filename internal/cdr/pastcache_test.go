package cdr

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// refusing is a file that takes so many bytes of each block past the cache, and then says that it has no such thing.
type refusing struct {
	*os.File
	takes  int
	blocks int // that it takes whole before
}

func (r *refusing) WriteAt(block []byte, at int64) (int, error) {
	if r.blocks--; r.blocks >= 0 {
		return r.File.WriteAt(block, at)
	}
	n, err := r.File.WriteAt(block[:r.takes], at)
	if err != nil {
		return n, err
	}
	return n, unix.EINVAL
}

// Whatever the pieces, and wherever the system refuses to write past the cache, the file holds what was written, at each
// Flush and at the end.
func TestPastCache(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*folderPart){
		"past the cache":  func(*folderPart) {},
		"through it":      func(p *folderPart) { p.pastCache.file = nil },
		"refused at once": func(p *folderPart) { p.pastCache.file = &refusing{File: p.File} },
		"refused later":   func(p *folderPart) { p.pastCache.file = &refusing{File: p.File, takes: 4096, blocks: 2} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part, err := Folder{Dir: t.TempDir()}.Create(t.Context(), "calls.csv", 1, nil)
			must(t, err)
			p := part.(*folderPart)
			prepare(p)
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			source := rand.NewChaCha8([32]byte{})
			var want []byte
			check := func() {
				t.Helper()
				got, err := os.ReadFile(p.part)
				must(t, err)
				if !bytes.Equal(got, want) {
					t.Fatalf("seed %d: the file has %d bytes that are not the %d that were written", seed, len(got), len(want))
				}
			}
			for len(want) < 5*pastCacheBlock {
				piece := make([]byte, random.IntN(pastCacheBlock))
				if random.IntN(8) == 0 {
					piece = make([]byte, random.IntN(2*pastCacheBlock)+pastCacheBlock)
				}
				_, _ = source.Read(piece) // which never fails
				n, err := p.Write(piece)
				if must(t, err); n != len(piece) {
					t.Fatalf("%d bytes of %d are written", n, len(piece))
				}
				want = append(want, piece...)
				if random.IntN(3) == 0 {
					must(t, p.Flush())
					check()
				}
			}
			must(t, p.Sync())
			check()
			must(t, p.Commit(t.Context(), nil, nil))
			if got, err := os.ReadFile(filepath.Join(p.folder.Dir, "calls.csv")); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes have the name, %v", len(got), err)
			}
		})
	}
}

// A part whose name leads to another's file by now is not written there.
func TestPastCacheOfAnothersFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, err := os.Create(filepath.Join(dir, "ours"))
	must(t, err)
	defer ours.Close()
	theirs := filepath.Join(dir, "theirs")
	must(t, os.WriteFile(theirs, nil, fileMode))
	if p := openPastCache(ours, theirs); p.file != nil {
		t.Error("the other's file is open to be written")
	}
}

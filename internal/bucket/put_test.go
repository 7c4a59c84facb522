package bucket

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
)

// sizes are those of files that are put in every way there is.
var sizes = map[string]int{"nothing": 0, "a few bytes": 10, "at once": putPart, "two parts": putPart + 1, "many parts": 4*putPart + 7}

func TestPut(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server, bucket string) {
		b := open(t, server, bucket)
		for what, size := range sizes {
			name := "a/b/" + what + ".csv"
			content := text(size, 1)
			for _, want := range []bool{false, true} {
				there, err := b.Put(t.Context(), name, contentOf(content))
				if err != nil || there != want {
					t.Errorf("%s: that it was there is %v, %v, want %v", what, there, err, want)
				}
			}
			other := text(max(size, 1), 2)
			if _, err := b.Put(t.Context(), name, contentOf(other)); !fault.Is(err, fault.Conflict) || fault.Passes(err) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: other bytes: %v", what, err)
			}
			wantFile(t, b, name, content)
			if n := uploads(t, b, name); n != 0 {
				t.Errorf("%s: %d uploads are left", what, n)
			}
		}
	})
}

// What a crashed attempt has sent is removed by the next one, also by one that finds the file there.
func TestPutAfterACrash(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server, bucket string) {
		b := open(t, server, bucket)
		for range 3 {
			crashed(t, b, "calls.csv", 9)
		}
		crashed(t, b, "calls.csv.gz", 9)
		content := text(2*putPart, 1)
		_, err := b.Put(t.Context(), "calls.csv", contentOf(content))
		must(t, err)
		wantFile(t, b, "calls.csv", content)
		if n, others := uploads(t, b, "calls.csv"), uploads(t, b, "calls.csv.gz"); n != 0 || others != 1 {
			t.Errorf("%d uploads of the file are left, and %d of another, want none and its one", n, others)
		}
		crashed(t, b, "calls.csv", 9)
		if there, err := b.Put(t.Context(), "calls.csv", contentOf(content)); err != nil || !there || uploads(t, b, "calls.csv") != 0 {
			t.Errorf("that it is there is %v, %v, and %d uploads are left", there, err, uploads(t, b, "calls.csv"))
		}
		must(t, b.AbortOld(t.Context(), time.Now().Add(-time.Hour), func(string) bool { return true }))
		must(t, b.AbortOld(t.Context(), time.Now().Add(time.Hour), func(name string) bool { return name == "another.csv" }))
		if uploads(t, b, "calls.csv.gz") != 1 {
			t.Error("an upload was removed that is young, or somebody else's")
		}
		must(t, b.AbortOld(t.Context(), time.Now().Add(time.Hour), func(name string) bool { return name == "calls.csv.gz" }))
		if uploads(t, b, "calls.csv.gz") != 0 {
			t.Error("an old upload is left")
		}
	})
}

// crashed leaves what an attempt has sent before it was killed.
func crashed(t *testing.T, b *Bucket, name string, seed uint64) *Upload {
	t.Helper()
	u, err := b.Begin(t.Context(), name)
	must(t, err)
	must(t, u.Put(t.Context(), 1, bytes.NewReader(text(LeastPart, seed)), LeastPart))
	return u
}

// An upload that is late finds itself ended, and replaces nothing.
func TestUploadThatWasSuperseded(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server, bucket string) {
		b := open(t, server, bucket)
		late, current := crashed(t, b, "calls.csv", 8), crashed(t, b, "calls.csv", 9)
		must(t, current.AbortOthers(t.Context()))
		if _, err := current.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := late.Complete(t.Context()); !errors.Is(err, ErrSuperseded) || !fault.Passes(err) {
			t.Errorf("the late upload is completed with %v", err)
		}
		if err := late.Put(t.Context(), 2, bytes.NewReader(nil), 0); err == nil {
			t.Error("the late upload goes on")
		}
		must(t, late.Abort(t.Context()))
		must(t, current.Abort(t.Context()))
		wantFile(t, b, "calls.csv", text(LeastPart, 9))
	})
}

func TestUploadWithAHole(t *testing.T) {
	t.Parallel()
	b := open(t, pbxtest.FakeS3(t), "calls")
	u, err := b.Begin(t.Context(), "calls.csv")
	must(t, err)
	must(t, u.Put(t.Context(), 2, bytes.NewReader([]byte("x")), 1))
	if _, err := u.Complete(t.Context()); err == nil || !strings.Contains(err.Error(), "part 1 of calls.csv was not sent") {
		t.Errorf("got %v", err)
	}
	if err := u.Put(t.Context(), 1, bytes.NewReader([]byte("x")), 2); err == nil || !strings.Contains(err.Error(), "had 1") {
		t.Errorf("a part that is shorter than it was said to be: %v", err)
	}
}

// Of two that put different files under one name at once, one does.
func TestPutsThatMeet(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	for what, size := range map[string]int{"at once": 1000, "parts": putPart + 1} {
		proxy := pbxtest.NewProxy(t, s.URL())
		b := open(t, proxy.URL, bucket)
		// Both have looked before either writes.
		var looked sync.WaitGroup
		looked.Add(2)
		var looks atomic.Int64
		proxy.Meddle(lookTogether(&looks, &looked))
		var group sync.WaitGroup
		var conflicts, done atomic.Int64
		for seed := range uint64(2) {
			group.Go(func() {
				_, err := b.Put(t.Context(), what, contentOf(text(size, seed)))
				for fault.Passes(err) {
					_, err = b.Put(t.Context(), what, contentOf(text(size, seed)))
				}
				switch {
				case err == nil:
					done.Add(1)
				case fault.Is(err, fault.Conflict):
					conflicts.Add(1)
				default:
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		group.Wait()
		if done.Load() != 1 || conflicts.Load() != 1 {
			t.Errorf("%s: %d were put and %d refused", what, done.Load(), conflicts.Load())
		}
		// The same bytes from two sides are no conflict.
		looked.Add(2)
		looks.Store(0)
		for range 2 {
			group.Go(func() {
				if _, err := b.Put(t.Context(), what+" the same", contentOf(text(size, 1))); err != nil && !fault.Passes(err) {
					t.Errorf("%s: the same bytes: %v", what, err)
				}
			})
		}
		group.Wait()
		wantFile(t, b, what+" the same", text(size, 1))
	}
}

// What is read otherwise than it was recorded is put nowhere.
func TestPutOfADamagedFile(t *testing.T) {
	t.Parallel()
	b := open(t, pbxtest.FakeS3(t), "calls")
	for what, size := range sizes {
		if size == 0 {
			continue
		}
		damaged := contentOf(text(size, 1))
		damaged.SHA256 = contentOf(text(size, 2)).SHA256
		if _, err := b.Put(t.Context(), what, damaged); !fault.Is(err, fault.ServerError) || !strings.Contains(err.Error(), "SHA-256") {
			t.Errorf("%s: got %v", what, err)
		}
		short := contentOf(text(size, 1))
		short.Bytes++
		if _, err := b.Put(t.Context(), what, short); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%s, which is too short: got %v", what, err)
		}
		if n := uploads(t, b, what); n != 0 {
			t.Errorf("%s: %d uploads are left", what, n)
		}
	}
	wantNames(t, b)
	if _, err := b.Put(t.Context(), "calls.csv", Content{Bytes: 1 << 50}); err == nil || !strings.Contains(err.Error(), "625 GiB") {
		t.Errorf("a file of a petabyte: %v", err)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server, bucket string) {
		b := open(t, server, bucket)
		other := openAs(t, pbxtest.BucketURL(server, bucket, "other/"), Options{AccessKey: "AKOWNER", SecretKey: "the-secret-of-the-owner"})
		must(t, other.Write(t.Context(), "x", []byte("elsewhere")))
		for _, name := range []string{"a.csv", "b/c.csv", "with a blank & +%.csv", "ü.csv", ".hidden"} {
			must(t, b.Write(t.Context(), name, []byte(name)))
			must(t, b.Write(t.Context(), name, []byte(name+" again")))
			wantFile(t, b, name, []byte(name+" again"))
		}
		wantNames(t, b, ".hidden", "a.csv", "b/c.csv", "with a blank & +%.csv", "ü.csv")
		if _, err := b.Stat(t.Context(), "none.csv"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
		if _, _, err := b.Open(t.Context(), "none.csv"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opening a file that is not there: %v", err)
		}
		for range 2 {
			must(t, b.Delete(t.Context(), "b/c.csv"))
		}
		wantNames(t, b, ".hidden", "a.csv", "with a blank & +%.csv", "ü.csv")
		wantNames(t, other, "x")
		must(t, b.CheckStore(t.Context()))
		wantNames(t, b, ".hidden", "a.csv", "with a blank & +%.csv", "ü.csv")
		for _, name := range []string{"", "../x", "a//b", "/a", "a/", "a/./b", "a\nb", `a\b`, strings.Repeat("a", 1100)} {
			if err := b.Write(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), "not allowed") {
				t.Errorf("the name %q: %v", name, err)
			}
			_, err1 := b.Stat(t.Context(), name)
			_, err2 := b.Put(t.Context(), name, contentOf(nil))
			_, err3 := b.Link(t.Context(), name, time.Minute, nil)
			if err1 == nil || err2 == nil || err3 == nil || b.Delete(t.Context(), name) == nil {
				t.Errorf("the name %q was taken", name)
			}
		}
	})
}

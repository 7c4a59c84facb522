package bucket

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// reads reports whether a request reads a file.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet && !r.URL.Query().Has("list-type") && !r.URL.Query().Has("uploads")
}

func looks(r *http.Request) bool { return r.Method == http.MethodHead }

// deaf takes nothing of what it is sent.
func deaf(which func(*http.Request) bool) meddler {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if which(r) {
			select {
			case <-r.Context().Done():
			case <-time.After(patienceOfTests): // nobody tells a server that does not read that its client is gone
			}
			return
		}
		pass.ServeHTTP(w, r)
	}
}

// patienceOfTests is longer than any server is waited for.
const patienceOfTests = 3 * quick

// half answers with half of a file.
func half(which func(*http.Request) bool) meddler {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if !which(r) {
			pass.ServeHTTP(w, r)
			return
		}
		pass.ServeHTTP(&cut{ResponseWriter: w, r: r}, r)
	}
}

// cut is an answer of which so much goes out before it stands still.
type cut struct {
	http.ResponseWriter
	r *http.Request
}

func (c *cut) Write(p []byte) (int, error) {
	if n, err := c.ResponseWriter.Write(p[:len(p)/2]); err != nil {
		return n, err
	}
	if err := http.NewResponseController(c.ResponseWriter).Flush(); err != nil {
		return 0, err
	}
	<-c.r.Context().Done()
	return 0, c.r.Context().Err()
}

// A server that stands still is given up, and not asked again at once, which would take as long. What it was at is tried
// again later and ends well.
func TestServerThatStandsStill(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	for what, c := range map[string]struct {
		which  func(*http.Request) bool
		meddle func(func(*http.Request) bool) meddler
		most   int64 // such requests
	}{
		"takes nothing":                {sends, deaf, putsAtOnce},
		"takes all and answers not":    {sends, hanging, putsAtOnce},
		"does not complete it":         {completes, hanging, 1},
		"does not say if it is there":  {looks, hanging, 1},
		"does not begin":               {func(r *http.Request) bool { return r.URL.Query().Has("uploads") }, hanging, 1},
		"does not let it be read":      {reads, hanging, 1},
		"sends half of what it has":    {reads, half, readTries},
		"does not let it be read back": {func(r *http.Request) bool { return reads(r) && r.Header.Get("Range") == "" }, hanging, 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b, proxy := behindProxy(t, s.URL(), bucket)
			content := text(2*putPart+1, 1)
			if strings.Contains(what, "read") || strings.Contains(what, "half") { // it is there, and compared
				_, err := b.Put(t.Context(), what, contentOf(content))
				must(t, err)
			}
			var asked atomic.Int64
			proxy.Meddle(c.meddle(func(r *http.Request) bool {
				if is := c.which(r); !is || r.Context().Err() != nil {
					return is
				}
				asked.Add(1)
				return true
			}))
			_, err := b.Put(t.Context(), what, contentOf(content))
			if !fault.Passes(err) || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "stands still") {
				t.Errorf("got %v", err)
			}
			if n := asked.Load(); n == 0 || n > c.most {
				t.Errorf("it was asked %d times, want 1 to %d", n, c.most)
			}
			proxy.Meddle(nil)
			_, err = b.Put(t.Context(), what, contentOf(content))
			must(t, err)
			wantFile(t, b, what, content)
			if n := uploads(t, b, what); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

// A server that is slow and moves is waited for, however long all of it takes.
func TestServerThatIsSlow(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	proxy := pbxtest.NewProxy(t, s.URL())
	const stall = 3 * time.Second
	b := openAs(t, pbxtest.BucketURL(proxy.URL, pbxtest.NewBucket(t, s), "exports"), Options{
		AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey, Stall: stall, tries: 1,
	})
	const pieces, pause = 10, stall / readsFaster / 8 // which are more than a read may take together
	proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		switch {
		case sends(r):
			r.Body = io.NopCloser(&slow{from: r.Body, pieces: pieces, pause: pause})
		case completes(r):
			<-time.After(stall * 3 / 2) // longer than others may take
		case reads(r):
			w = &slowly{ResponseWriter: w, pieces: pieces, pause: pause}
		}
		pass.ServeHTTP(w, r)
	})
	content := text(putPart+1000, 1)
	for _, there := range []bool{false, true} { // put, and then read and compared
		if was, err := b.Put(t.Context(), "calls.csv", contentOf(content)); err != nil || was != there {
			t.Errorf("that it was there is %v, %v, want %v", was, err, there)
		}
	}
}

// slow is what is sent in pieces, the first so many of which are slow.
type slow struct {
	from   io.Reader
	pieces int
	pause  time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	if s.pieces--; s.pieces > 0 {
		<-time.After(s.pause)
	}
	return s.from.Read(p)
}

// slowly is an answer that comes so.
type slowly struct {
	http.ResponseWriter
	pieces int
	pause  time.Duration
}

func (s *slowly) Write(p []byte) (int, error) {
	if s.pieces--; s.pieces > 0 {
		<-time.After(s.pause)
	}
	return s.ResponseWriter.Write(p)
}

// What is written to a connection that nobody reads from ends.
func TestConnectionThatIsNotRead(t *testing.T) {
	t.Parallel()
	proxy := pbxtest.NewProxy(t, pbxtest.FakeS3(t))
	proxy.Meddle(deaf(sends))
	b := openAs(t, pbxtest.BucketURL(proxy.URL, "calls", "exports"), Options{AccessKey: "a", SecretKey: "b", Stall: quick})
	u, err := b.Begin(t.Context(), "calls.csv")
	must(t, err)
	const more = 64 << 20 // than the system keeps for a connection
	if err := u.Put(t.Context(), 1, bytes.NewReader(make([]byte, more)), more); !fault.Passes(err) || !strings.Contains(err.Error(), "stands still") {
		t.Errorf("got %v", err)
	}
}

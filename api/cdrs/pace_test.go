package cdrs

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
)

// taker takes so many bytes of an answer a second.
type taker struct {
	*httptest.ResponseRecorder
	rate     int
	deadline time.Time
	moved    int
}

func (c *taker) SetWriteDeadline(t time.Time) error {
	c.deadline = t
	c.moved++
	return nil
}

func (c *taker) Write(p []byte) (int, error) {
	takes := time.Duration(len(p)) * time.Second / time.Duration(c.rate)
	if left := time.Until(c.deadline); takes > left {
		pbxtest.Pass(max(left, 0))
		return 0, os.ErrDeadlineExceeded
	}
	pbxtest.Pass(takes)
	return c.ResponseRecorder.Write(p)
}

// A download goes on for as long as it takes, if enough is taken over every window, and else breaks off.
func TestDownloadsKeepPace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate  int
		whole bool
	}{
		"just enough": {leastDownloadRate, true},
		"much more":   {1 << 30, true},
		"too little":  {leastDownloadRate - 100, false},
		"drops":       {1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				caller := &taker{ResponseRecorder: httptest.NewRecorder(), rate: c.rate}
				answer := keepPace(caller)
				file := bytes.Repeat([]byte("x"), 5*paceBytes+1)
				began := time.Now()
				http.ServeContent(answer, httptest.NewRequest(http.MethodGet, "/", nil), "", time.Time{}, bytes.NewReader(file))
				if got := caller.Body.Len(); (got == len(file)) != c.whole {
					t.Errorf("%d of %d bytes were taken", got, len(file))
				}
				if fault.Is(answer.tooSlow(), fault.Timeout) == c.whole {
					t.Errorf("it ended with %v", answer.err)
				}
				if !c.whole && time.Since(began) > 2*paceWindow {
					t.Errorf("it was held for %v", time.Since(began))
				}
				if c.whole && caller.moved != 6 {
					t.Errorf("the deadline was moved %d times, want once for every window's bytes", caller.moved)
				}
			})
		})
	}
}

// What a bucket takes its time over is not the caller's, who takes what there is.
func TestDownloadOfWhatComesSlowly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate  int
		whole bool
	}{"a good caller": {1 << 30, true}, "one that drops": {1, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				caller := &taker{ResponseRecorder: httptest.NewRecorder(), rate: c.rate}
				answer := keepPace(caller)
				file := bytes.Repeat([]byte("x"), paceBytes)
				http.ServeContent(answer, httptest.NewRequest(http.MethodGet, "/", nil), "", time.Time{}, answer.source(comesSlowly{bytes.NewReader(file)}))
				if got := caller.Body.Len(); (got == len(file)) != c.whole || fault.Is(answer.tooSlow(), fault.Timeout) == c.whole {
					t.Errorf("%d of %d bytes were taken, and it ended with %v", got, len(file), answer.err)
				}
			})
		})
	}
}

// comesSlowly is a file of which each piece is waited for.
type comesSlowly struct{ io.ReadSeeker }

func (c comesSlowly) Read(p []byte) (int, error) {
	pbxtest.Pass(paceWindow)
	return c.ReadSeeker.Read(p)
}

// Whoever hangs up was not too slow.
func TestHangingUpIsNotTooSlow(t *testing.T) {
	t.Parallel()
	answer := keepPace(httptest.NewRecorder())
	answer.err = io.ErrClosedPipe
	if n, err := answer.Write([]byte("x")); n != 0 || !errors.Is(err, io.ErrClosedPipe) || answer.tooSlow() != nil {
		t.Errorf("got %d, %v, %v", n, err, answer.tooSlow())
	}
	if n, err := answer.ReadFrom(strings.NewReader("x")); n != 0 || !errors.Is(err, io.ErrClosedPipe) || answer.tooSlow() != nil {
		t.Errorf("of a file: got %d, %v, %v", n, err, answer.tooSlow())
	}
}

// A file that the kernel sends is broken off too when nothing of it is taken.
func TestDownloadOfAFileKeepsPace(t *testing.T) {
	t.Parallel()
	const size = 256 << 20 // more than a connection holds that nobody reads from
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	pbxtest.Must(t, err)
	defer file.Close()
	pbxtest.Must(t, file.Truncate(size))
	ended := make(chan *paced, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &paced{ResponseWriter: w, window: 200 * time.Millisecond}
		http.ServeContent(answer, r, "", time.Time{}, file)
		ended <- answer
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	pbxtest.Must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: pbx.example\r\n\r\n")
	pbxtest.Must(t, err)
	if answer := <-ended; !fault.Is(answer.tooSlow(), fault.Timeout) {
		t.Errorf("it ended with %v", answer.err)
	}
}

// One address holds half of them at most, and each leave gives one back.
func TestDownloadSlots(t *testing.T) {
	t.Parallel()
	s := newSlots(5)
	refused := func(address string) {
		t.Helper()
		if _, err := s.take(address); !fault.Is(err, fault.RateLimited) {
			t.Errorf("%s: got %v, want %s", address, err, fault.RateLimited)
		}
	}
	take := func(address string) (leave func()) {
		t.Helper()
		leave, err := s.take(address)
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	first := take("a")
	take("a")
	refused("a")
	take("b")
	take("b")
	refused("b")
	first()
	first() // which gives back no more than was taken
	take("a")
	refused("a")
}

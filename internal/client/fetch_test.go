package client

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const fileTag = `"0123"`

// serveFile serves the content as the API does.
func serveFile(w http.ResponseWriter, r *http.Request, content string) {
	w.Header().Set("ETag", fileTag)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
}

// cut sends so many bytes of an answer, and then breaks off.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left == 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// failing takes so many bytes.
type failing struct{ left int }

var errFull = errors.New("it is full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestFetch(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 50_000)
	whole := func(w http.ResponseWriter, r *http.Request, _ int) { serveFile(w, r, content) }
	cutOnce := func(then func(http.ResponseWriter, *http.Request, int)) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, r *http.Request, nth int) {
			if nth == 1 {
				serveFile(&cut{w, 200_000}, r, content)
			}
			then(w, r, nth)
		}
	}
	for name, c := range map[string]struct {
		at     int64 // from where it is fetched
		answer func(w http.ResponseWriter, r *http.Request, nth int)
		wrong  string // what the error says; "": all of it comes
	}{
		"all of it":             {0, whole, ""},
		"the rest of it":        {123_456, whole, ""},
		"nothing more":          {int64(len(content)), nil, ""},
		"broken off":            {0, cutOnce(whole), ""},
		"broken off in between": {300_000 - 200_000, cutOnce(whole), ""},
		"by something that knows no ranges": {0, cutOnce(func(w http.ResponseWriter, r *http.Request, _ int) {
			fmt.Fprint(w, content)
		}), ""},
		"another file by then": {0, cutOnce(func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("ETag", `"4567"`)
			fmt.Fprint(w, content)
		}), "has changed"},
		"other bytes": {0, cutOnce(func(w http.ResponseWriter, r *http.Request, _ int) {
			r.Header.Set("Range", "bytes=7-")
			serveFile(w, r, content)
		}), "has others"},
		"deleted by then": {0, cutOnce(func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(http.StatusGone)
			fmt.Fprint(w, `{"code":"gone","detail":"its time was up"}`)
		}), "its time was up"},
		"silent": {0, func(w http.ResponseWriter, r *http.Request, nth int) {
			if nth == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				fmt.Fprint(w, content[:1000])
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				panic(http.ErrAbortHandler)
			}
			serveFile(w, r, content)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nth := 0
			got := bytes.NewBufferString(content[:c.at])
			client := served(t, func(w http.ResponseWriter, r *http.Request) {
				nth++
				if at := got.Len(); at > 0 && (r.Header.Get("Range") != fmt.Sprintf("bytes=%d-", at) || r.Header.Get("If-Range") != fileTag) {
					t.Errorf("with %d bytes it asks for %q if %q", at, r.Header.Get("Range"), r.Header.Get("If-Range"))
				}
				c.answer(w, r, nth)
			})
			client.pace.silence = 100 * time.Millisecond
			err := client.Fetch(t.Context(), Fetched{Path: "/file", ETag: fileTag, Size: int64(len(content))}, c.at, got)
			if c.wrong == "" && (err != nil || got.String() != content) {
				t.Errorf("%d of %d bytes came: %v", got.Len(), len(content), err)
			}
			if c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What cannot be written ends a download, and is not asked for again.
func TestFetchToWhatIsFull(t *testing.T) {
	t.Parallel()
	asked := 0
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		serveFile(w, r, strings.Repeat("x", 500_000))
	})
	if err := c.Fetch(t.Context(), Fetched{Path: "/file", ETag: fileTag, Size: 500_000}, 0, &failing{100_000}); !errors.Is(err, errFull) || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// A download from which nothing more comes is given up after a while.
func TestFetchGivesUp(t *testing.T) {
	t.Parallel()
	asked := 0
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			w.Header().Set("Content-Range", "bytes 10-99/100")
			w.WriteHeader(http.StatusPartialContent)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		serveFile(&cut{w, 10}, r, strings.Repeat("x", 100))
	})
	c.pace.again = 20 * time.Millisecond
	if err := c.Fetch(t.Context(), Fetched{Path: "/file", ETag: fileTag, Size: 100}, 0, new(bytes.Buffer)); !errors.Is(err, errBrokeOff) || asked < 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// Errors of the documented paths are read as the others are, also where they have status 200.
func TestDocumentedErrors(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadRequest, http.StatusOK} {
		c := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"status":"error","message":"Invalid Request: format: unknown","code":"invalid_request","request_id":"r"}`)
		})
		_, err := c.Ask(t.Context(), Request{Method: http.MethodPost})
		if problem, ok := errors.AsType[*Problem](err); !ok || problem.Status != http.StatusBadRequest || problem.Code != "invalid_request" || !strings.Contains(err.Error(), "format: unknown") {
			t.Errorf("with status %d: got %v", status, err)
		}
	}
	asked := 0
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked++; {
		case asked == 1:
			w.Header().Set("Retry-After", "1")
			fmt.Fprint(w, `{"status":"error","message":"too many","code":"rate_limited"}`)
		case r.Method == http.MethodPost:
			fmt.Fprint(w, `{"status":"pending","job_id":"j","state":"queued","ignored_parameters":["x"]}`)
		default:
			fmt.Fprint(w, jobIn("running"))
		}
	})
	if job, err := c.Ask(t.Context(), Request{Method: http.MethodPost}); err != nil || job.State != "running" || len(job.Ignored) != 1 {
		t.Errorf("a limit, and then a job that is pending, with status 200: got %+v, %v", job, err)
	}
}

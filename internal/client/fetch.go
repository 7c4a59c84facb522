package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Fetched is a file as the API keeps it: what its bytes are is known before the first of them comes.
type Fetched struct {
	Path string // below the API's address
	ETag string // with its quotes
	Size int64  // in bytes
}

// fetchBytes is how much of a file is read at once.
const fetchBytes = 64 << 10

// Fetch writes what a file has from the byte at on, of which to has the ones before. A download that breaks off goes
// on where it ended, for as long as something comes within a minute. An error of to's ends it as it is.
func (c *Client) Fetch(ctx context.Context, f Fetched, at int64, to io.Writer) error {
	pause, moved := c.pace.firstPause, time.Now()
	for at < f.Size {
		n, err := c.fetchRest(ctx, f, at, to)
		at += n
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil, !errors.Is(err, errBrokeOff):
			return err
		case n > 0:
			pause, moved = c.pace.firstPause, time.Now()
		case time.Since(moved) > c.pace.again:
			return err
		}
		c.note(fmt.Sprintf("%v after %d of %d bytes; asking for the rest", err, at, f.Size))
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, c.pace.lastPause)
	}
	return ctx.Err()
}

var (
	// errBrokeOff: the answer began well and did not come to its end.
	errBrokeOff = errors.New("the download broke off")
	// errOtherFile: what is there now is not what was there before.
	errOtherFile = fmt.Errorf("%w: the file has changed since it was asked for", errForGood)
)

// fetchRest asks once for the bytes from at on, and returns how many of them it has written.
func (c *Client) fetchRest(ctx context.Context, f Fetched, at int64, to io.Writer) (written int64, err error) {
	// The file is wanted as it stands: packed for the way it would have no ranges of its own.
	// Asked for by its ETag it comes from the API, which may send others to where it lies: there the token must not go.
	r := Request{Path: f.Path, Headers: map[string]string{"Accept-Encoding": "identity", "If-Range": f.ETag}}
	if at > 0 {
		r.Headers["Range"] = fmt.Sprintf("bytes=%d-", at)
	}
	resp, err := retried(ctx, c, r, func() (download, error) {
		resp, stop, err := c.send(ctx, r, "*/*")
		return download{resp, stop}, err
	})
	if err != nil {
		return 0, err
	}
	defer resp.stop()
	if etag := resp.Header.Get("ETag"); etag != "" && etag != f.ETag {
		return 0, errOtherFile
	}
	skip := int64(0)
	switch {
	case resp.StatusCode != http.StatusPartialContent:
		skip = at // something on the way knows no ranges
	case !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", at)):
		return 0, fmt.Errorf("%w: the bytes from %d on were asked for, and the answer has others", errForGood, at)
	}
	return c.take(ctx, resp, skip, f.Size-at, to)
}

// take writes up to most bytes of an answer, behind those that are skipped. One that sends nothing for long has broken
// off too; how long to takes does not count.
func (c *Client) take(ctx context.Context, resp download, skip, most int64, to io.Writer) (written int64, err error) {
	buffer := make([]byte, fetchBytes)
	silent := time.AfterFunc(c.pace.silence, resp.stop)
	defer silent.Stop()
	for written < most {
		silent.Reset(c.pace.silence)
		n, broke := resp.Body.Read(buffer)
		silent.Stop()
		came := buffer[:n]
		skipped := min(skip, int64(n))
		came, skip = came[skipped:], skip-skipped
		if came = came[:min(int64(len(came)), most-written)]; len(came) > 0 {
			n, err := to.Write(came)
			if written += int64(n); err != nil {
				return written, err
			}
		}
		if broke != nil && written < most {
			if ctx.Err() != nil {
				return written, ctx.Err()
			}
			return written, errBrokeOff
		}
	}
	return written, nil
}

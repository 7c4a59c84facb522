package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/iotest"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
)

func refuse(err error) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
}

func TestReader(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server, bucket string) {
		b := open(t, server, bucket)
		content := text(3000, 1)
		must(t, b.Write(t.Context(), "calls.csv", content))
		file, _, err := b.Open(t.Context(), "calls.csv")
		must(t, err)
		defer file.Close()
		must(t, iotest.TestReader(file, content))
		if _, err := file.Seek(-1, io.SeekStart); err == nil {
			t.Error("it seeks before the beginning")
		}
	})
}

// A file is read on where the connection broke off, and not asked for before it is read.
func TestReadingOn(t *testing.T) {
	t.Parallel()
	b, proxy := behindProxy(t, pbxtest.FakeS3(t), "calls")
	content := text(5<<20, 1)
	_, err := b.Put(t.Context(), "calls.csv", contentOf(content))
	must(t, err)
	isGet := func(r *http.Request) bool { return r.Method == http.MethodGet }
	gets := 0
	proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if isGet(r) {
			gets++
			w = &cutting{ResponseWriter: w, left: 1 << 20}
		}
		pass.ServeHTTP(w, r)
	})
	file, _, err := b.Open(t.Context(), "calls.csv")
	must(t, err)
	defer file.Close()
	if gets != 0 {
		t.Error("it was read before anybody reads it")
	}
	got, err := io.ReadAll(file)
	if err != nil || !bytes.Equal(got, content) || gets < 5 {
		t.Errorf("read %d of %d bytes, asked %d times, %v", len(got), len(content), gets, err)
	}

	proxy.Meddle(breaking(isGet, 1<<30, false))
	_, err = file.Seek(1, io.SeekStart)
	must(t, err)
	if _, err := file.Read(make([]byte, 1)); !fault.Passes(err) {
		t.Errorf("a server that is away: %v", err)
	}
	// Nothing of another file is taken for the rest of this one.
	proxy.Meddle(nil)
	must(t, b.Write(t.Context(), "calls.csv", text(5000, 2)))
	if _, err := file.Read(make([]byte, 1)); !fault.Is(err, fault.Gone) && !fault.Is(err, fault.ServerError) {
		t.Errorf("a file that was replaced: %v", err)
	}
}

// cutting breaks an answer off after so many bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; err == nil && n < len(p) {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// What answers with less than a file of the size that it says is not believed.
func TestReaderOfAServerThatSendsLess(t *testing.T) {
	t.Parallel()
	r := &reader{size: 10, from: func(int64) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(nil)), nil }}
	if n, err := r.Read(make([]byte, 4)); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %d, %v", n, err)
	}
}

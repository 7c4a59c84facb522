package bucket

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Options are what a location does not say. Both keys are required.
type Options struct {
	AccessKey, SecretKey string
	// Roots are the authorities of which one must have signed the server's certificate; nil: the system's.
	Roots *x509.CertPool
	// Dial opens the connections, and may refuse to with a *fault.Error; nil: to wherever the name leads, by the proxy of the
	// environment if there is one.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Stall is how long the server may stand still: see stallTimeout, which 0 is.
	Stall time.Duration

	tries int // as requestTries; 0 is that
}

// requestTries is how often a request is made to which the server says that it is busy, or whose connection breaks off: within
// some seconds.
const requestTries = 5

// Bucket is files in a bucket, below a prefix. Names are relative to that prefix, with one / between folders.
//
// Errors are a *fault.Error that is safe to show and whose Passes says whether a retry may help, the context's own, or
// fs.ErrNotExist where a file is asked for.
type Bucket struct {
	location Location
	core     minio.Core
	secure   bool
	// unconditional is set once the server has said that it knows no conditions of writing.
	unconditional atomic.Bool
	idle          func()
}

// Open connects to nothing yet. Its error says what is wrong with the location.
func Open(l Location, o Options) (*Bucket, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	host, secure := l.server()
	lookup := minio.BucketLookupAuto
	if l.PathStyle != nil {
		lookup = minio.BucketLookupDNS
		if *l.PathStyle {
			lookup = minio.BucketLookupPath
		}
	}
	transport := o.transport()
	core, err := minio.NewCore(host, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Secure: secure, Transport: answers{transport, o.stall()},
		Region: l.region(), BucketLookup: lookup, MaxRetries: o.requestTries(),
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint: %s cannot be used: %w", host, err)
	}
	core.SetAppInfo("trunkline", "1")
	return &Bucket{location: l, core: *core, secure: secure, idle: transport.CloseIdleConnections}, nil
}

// Location is where the files stand.
func (b *Bucket) Location() Location { return b.location }

// Close closes the connections that are not in use.
func (b *Bucket) Close() { b.idle() }

// key is where a name leads.
func (b *Bucket) key(name string) (string, error) {
	key := b.location.Prefix + name
	if name == "" || strings.HasPrefix(name, "/") {
		return "", refused(errBadKey.Error())
	}
	if err := checkKey(key); err != nil {
		return "", refused(err.Error())
	}
	return key, nil
}

// answers is what the library asks through. It bounds the answers that are no files: those of a server that means ill end.
type answers struct {
	http.RoundTripper
	stall time.Duration // as Options.Stall
}

// maxAnswerBytes is more than a list of 1,000 names can have.
const maxAnswerBytes = 8 << 20

// askedFor is in the context of requests whose caller wants to see the answer's header, or reads a file from it.
type askedFor struct{}

type wanted struct {
	file   bool
	header http.Header
}

// RoundTrip implements http.RoundTripper.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		sent := &sentBody{ReadCloser: r.Body}
		defer sent.end()
		r = r.WithContext(r.Context())
		r.Body = sent
	}
	answer, err := a.ask(r)
	if errors.Is(err, errStoodStill) {
		return stoodStill(r), nil
	}
	if err != nil {
		return nil, err
	}
	w, _ := r.Context().Value(askedFor{}).(*wanted)
	if w != nil {
		w.header = answer.Header
	}
	if w == nil || !w.file {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswerBytes)
	}
	return answer, nil
}

// asking has the answer's header in w.header, of the last request that is made with the context.
func asking(ctx context.Context, w *wanted) context.Context {
	return context.WithValue(ctx, askedFor{}, w)
}

// sentBody is what a request sends, until it is answered or has failed. A request that has failed may go on reading for a
// while, and what it reads is sent by the next try then.
type sentBody struct {
	io.ReadCloser
	mu    sync.Mutex
	ended bool
}

// Read implements io.Reader.
func (s *sentBody) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, errors.New("the request has ended")
	}
	return s.ReadCloser.Read(p)
}

func (s *sentBody) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

package bucket

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// behindProxy is a bucket behind a proxy, with a connection that stands still given up soon.
func behindProxy(t *testing.T, server, bucket string) (*Bucket, *pbxtest.Proxy) {
	t.Helper()
	proxy := pbxtest.NewProxy(t, server)
	return openAs(t, pbxtest.BucketURL(proxy.URL, bucket, "exports"), Options{
		AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey, Stall: quick, tries: 3,
	}), proxy
}

// What was changed on its way is found, whoever looks: the server by the MD5, we by its ETag, or by reading the file back. It
// is not left under its name.
func TestBytesChangedOnTheirWay(t *testing.T) {
	t.Parallel()
	for what, meddle := range map[string]meddler{
		"the server looks": flipping(false),
		"the ETag":         flipping(true),
		"read back":        opaque(flipping(true)),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b, proxy := behindProxy(t, pbxtest.FakeS3(t), "calls")
			for which, size := range map[string]int{"small": 10, "large": 2*putPart + 1} {
				proxy.Meddle(meddle)
				if _, err := b.Put(t.Context(), which, contentOf(text(size, 1))); !fault.Passes(err) || !strings.Contains(err.Error(), "bytes") {
					t.Errorf("%s: got %v", which, err)
				}
				if err := b.Write(t.Context(), which, text(10, 1)); !fault.Passes(err) {
					t.Errorf("%s, written: got %v", which, err)
				}
				proxy.Meddle(nil)
				wantNames(t, b)
				if n := uploads(t, b, which); n != 0 {
					t.Errorf("%s: %d uploads are left", which, n)
				}
			}
		})
	}
}

// A server that encrypts has ETags of its own, and compares the MD5 itself. Of others that have such, the file is read back.
func TestETagsThatAreNone(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change func(http.Header)
		reads  bool
	}{
		"encrypted": {func(h http.Header) {
			h.Set("ETag", `"0123456789abcdef0123456789abcdef"`)
			h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
		}, false},
		"opaque": {func(h http.Header) { h.Set("ETag", `"opaque"`) }, true},
		"none":   {func(h http.Header) { h.Del("ETag") }, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b, proxy := behindProxy(t, pbxtest.FakeS3(t), "calls")
			proxy.Meddle(answering(sends, c.change, passOn))
			_, err := b.Put(t.Context(), "small", contentOf(text(10, 1)))
			must(t, err)
			reads := 0
			for _, asked := range proxy.Asked() {
				if strings.HasPrefix(asked, "GET /calls/exports/small") {
					reads++
				}
			}
			if (reads > 0) != c.reads {
				t.Errorf("the file was read %d times, want that to be %v", reads, c.reads)
			}
			wantFile(t, b, "small", text(10, 1))
		})
	}
}

// A server that fails for a moment is asked again, and one that goes on so gives an error that passes. The file is whole
// afterwards, or is not there.
func TestServerThatFails(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	bucket := pbxtest.NewBucket(t, s)
	const always = 1 << 30
	for what, c := range map[string]struct {
		meddle meddler
		puts   bool // in spite of it
	}{
		"busy for a moment":               {busy(sends, 2), true},
		"busy":                            {busy(sends, always), false},
		"busy at the end":                 {busy(completes, always), false},
		"breaks off for a moment":         {breaking(sends, 2, false), true},
		"breaks off":                      {breaking(sends, always, false), false},
		"breaks off answers for a moment": {breaking(sends, 1, true), true},
		"breaks off answers":              {breaking(sends, always, true), false},
		"hangs":                           {hanging(sends), false},
		"hangs at the end":                {hanging(completes), false},
		"hangs when it is looked for":     {hanging(func(r *http.Request) bool { return r.Method == http.MethodHead }), false},
		"an error within 200":             {refusing(completes, http.StatusOK, "InternalError"), false},
		"no sense":                        {refusing(sends, http.StatusTeapot, "s3cret"), false},
		"no such upload":                  {refusing(completes, http.StatusNotFound, "NoSuchUpload"), false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b, proxy := behindProxy(t, s.URL(), bucket)
			proxy.Meddle(c.meddle)
			content := contentOf(text(2*putPart+1, 1))
			_, err := b.Put(t.Context(), what, content)
			if (err == nil) != c.puts || err != nil && !fault.Passes(err) && what != "no sense" {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") && what != "no sense" {
				t.Errorf("what the server says is shown: %v", err)
			}
			proxy.Meddle(nil)
			_, err = b.Put(t.Context(), what, content)
			must(t, err)
			wantFile(t, b, what, text(2*putPart+1, 1))
			if n := uploads(t, b, what); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

// The end of a large file whose answer is lost is found out.
func TestAnswerThatIsLost(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	b, proxy := behindProxy(t, s.URL(), pbxtest.NewBucket(t, s))
	proxy.Meddle(breaking(completes, 1, true))
	content := contentOf(text(2*putPart+1, 1))
	if _, err := b.Put(t.Context(), "calls.csv", content); err != nil && !fault.Passes(err) {
		t.Errorf("got %v", err)
	}
	proxy.Meddle(nil)
	if there, err := b.Put(t.Context(), "calls.csv", content); err != nil || !there {
		t.Errorf("that it is there is %v, %v", there, err)
	}
}

// A server that knows no conditions is written to without one.
func TestServerWithoutConditions(t *testing.T) {
	t.Parallel()
	b, proxy := behindProxy(t, pbxtest.FakeS3(t), "calls")
	proxy.Meddle(refusing(func(r *http.Request) bool { return r.Header.Get("If-None-Match") != "" }, http.StatusNotImplemented, "NotImplemented"))
	for what, size := range map[string]int{"small": 10, "large": putPart + 1} {
		if _, err := b.Put(t.Context(), what, contentOf(text(size, 1))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := b.Put(t.Context(), what, contentOf(text(size, 2))); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: other bytes: %v", what, err)
		}
		wantFile(t, b, what, text(size, 1))
	}
}

// The file that a check has written is read back, and not whatever the server sends in its place.
func TestCheckOfServerThatSendsTooMuch(t *testing.T) {
	t.Parallel()
	const endless = 64 << 20
	var sent atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.Method {
		case http.MethodPut:
			sum := md5.Sum(body)
			w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		case http.MethodHead, http.MethodGet:
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
			w.Header().Set("Content-Length", strconv.Itoa(endless))
			piece := make([]byte, 64<<10)
			for r.Method == http.MethodGet && sent.Load() < endless {
				n, err := w.Write(piece)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		case http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	b := openAs(t, pbxtest.BucketURL(server.URL, "calls", ""), Options{AccessKey: "a", SecretKey: "b"})
	if err := b.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not read back as it was written") {
		t.Errorf("got %v", err)
	}
	b.Close()
	server.Close() // once it has answered all
	// What the systems on the way hold for either side was sent too.
	if n := sent.Load(); n == 0 || n > endless/2 {
		t.Errorf("%d bytes were taken", n)
	}
}

// What somebody has set wrongly is said with the remedy, and a retry does not help.
func TestWhatIsSetWrongly(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	owned := pbxtest.NewBucket(t, s)
	const list, uploads = rightList, rightListUploads
	readOnly, noRead := pbxtest.NewBucket(t, s, rightGet, list), pbxtest.NewBucket(t, s, rightPut)
	noDelete, noList := pbxtest.NewBucket(t, s, rightPut, rightGet), pbxtest.NewBucket(t, s, rightPut, rightGet, rightDelete)
	all := pbxtest.NewBucket(t, s, rightPut, rightGet, rightDelete, list, uploads, rightAbort)
	notS3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>s3cret")) }))
	t.Cleanup(notS3.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	owner := Options{AccessKey: servers.S3AccessKey, SecretKey: servers.S3SecretKey}
	guest := Options{AccessKey: servers.S3GuestKey, SecretKey: servers.S3GuestSecret}
	at := func(bucket string) string { return pbxtest.BucketURL(s.URL(), bucket, "exports") }
	for what, c := range map[string]struct {
		url    string
		keys   Options
		want   string // "" for nothing
		passes bool
	}{
		"no such bucket":     {at("nowhere"), owner, "there is no such bucket", false},
		"a wrong access key": {at(owned), Options{AccessKey: "AKNOBODY", SecretKey: "s3cret"}, "does not know the access key", false},
		"a wrong secret":     {at(owned), Options{AccessKey: servers.S3AccessKey, SecretKey: "s3cret"}, "the secret key is not the access key's", false},
		"a wrong region":     {strings.Replace(at(owned), servers.S3Region, "us-west-2", 1), owner, "the region", false},
		"no rights":          {at(owned), guest, "may not do s3:PutObject", false},
		"only reading":       {at(readOnly), guest, "may not do s3:PutObject", false},
		"no reading":         {at(noRead), guest, "may not do s3:GetObject", false},
		"no deleting":        {at(noDelete), guest, "may not do s3:DeleteObject", false},
		"no listing":         {at(noList), guest, "may not do s3:ListBucket", false},
		"all that is needed": {at(all), guest, "", false},
		"nobody there":       {pbxtest.BucketURL("http://"+pbxtest.FreeAddr(t), "calls", ""), owner, "does not answer", true},
		"no such host":       {pbxtest.BucketURL("http://nowhere.invalid", "calls", ""), owner, "nowhere.invalid", false},
		"no server of S3":    {pbxtest.BucketURL(notS3.URL, "calls", ""), owner, "S3", true},
		"TLS without":        {pbxtest.BucketURL(strings.Replace(s.URL(), "http:", "https:", 1), "calls", ""), owner, "does not speak TLS", false},
		"a certificate":      {pbxtest.BucketURL(secure.URL, "calls", ""), owner, "certificate", false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c.keys.tries = 1
			b := openAs(t, c.url, c.keys)
			for which, err := range map[string]error{"checking": b.CheckStore(t.Context()), "putting": put(t, b)} {
				if c.want == "" {
					must(t, err)
					continue
				}
				if which == "putting" && (what == "no deleting" || what == "no listing") {
					must(t, err) // neither is needed for that
					continue
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || fault.Passes(err) != c.passes && what != "no such host" {
					if which == "putting" && what == "no rights" && err != nil && strings.Contains(err.Error(), "may not do s3:") {
						continue
					}
					t.Errorf("%s: got %v, want %q", which, err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%s: the error shows what it must not: %v", which, err)
				}
			}
		})
	}
}

// Amazon's servers know whether a file is there, also where the key may only write.
func TestKeyThatMayOnlyWrite(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	name := pbxtest.NewBucket(t, s, rightPut)
	b := openAs(t, pbxtest.BucketURL(s.URL(), name, "exports"), Options{AccessKey: servers.S3GuestKey, SecretKey: servers.S3GuestSecret})
	for what, size := range map[string]int{"small": 10, "large": putPart + 1} {
		b.location.Endpoint = s.URL()
		if _, err := b.Put(t.Context(), what, contentOf(text(size, 1))); !denied(err) {
			t.Errorf("%s, elsewhere: got %v", what, err)
		}
		b.location.Endpoint = "" // as if it were Amazon's
		_, err := b.Put(t.Context(), what, contentOf(text(size, 1)))
		must(t, err)
		if _, err := b.Put(t.Context(), what, contentOf(text(size, 2))); !fault.Is(err, fault.Conflict) || fault.Passes(err) || !strings.Contains(err.Error(), rightGet) {
			t.Errorf("%s: other bytes: %v", what, err)
		}
		wantFile(t, open(t, s.URL(), name), what, text(size, 1))
	}
}

func put(t *testing.T, b *Bucket) error {
	t.Helper()
	_, err := b.Put(t.Context(), "put.csv", contentOf(text(10, 1)))
	return err
}

// Whatever ends a context ends what is done with it, in its own words.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	b, proxy := behindProxy(t, pbxtest.FakeS3(t), "calls")
	why := errors.New("the job was cancelled")
	for what, size := range map[string]int{"small": 10, "large": putPart + 1} {
		ctx, cancel := context.WithCancelCause(t.Context())
		proxy.Meddle(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if sends(r) {
				cancel(why)
			}
			pass.ServeHTTP(w, r)
		})
		if _, err := b.Put(ctx, what, contentOf(text(size, 1))); err != nil && !errors.Is(err, why) {
			t.Errorf("%s: got %v", what, err)
		}
		proxy.Meddle(nil)
		if n := uploads(t, b, what); n != 0 {
			t.Errorf("%s: %d uploads are left", what, n)
		}
	}
}

// A dialler's refusal is said as it is.
func TestDiallerThatRefuses(t *testing.T) {
	t.Parallel()
	refusal := &fault.Error{Code: fault.Forbidden, Message: "that address is nobody else's business"}
	b := openAs(t, pbxtest.BucketURL(pbxtest.FakeS3(t), "calls", ""), Options{AccessKey: "a", SecretKey: "b", Dial: refuse(refusal)})
	if err := b.Check(t.Context()); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
}

func TestETags(t *testing.T) {
	t.Parallel()
	sum := [16]byte{1, 2, 3}
	same, other := hex.EncodeToString(sum[:]), strings.Repeat("0", 32)
	kms := http.Header{"X-Amz-Server-Side-Encryption": {"aws:kms:dsse"}}
	aes := http.Header{"X-Amz-Server-Side-Encryption": {"AES256"}}
	for _, c := range []struct {
		etag      string
		answer    http.Header
		has, sure bool
	}{
		{same, nil, true, true}, {strings.ToUpper(same), nil, true, true}, {other, nil, false, false}, {other, aes, false, false},
		{other, kms, true, true}, {"", nil, true, false}, {same + "-1", nil, true, false}, {"opaque", aes, true, false},
	} {
		if has, sure := received(sum, c.etag, c.answer); has != c.has || sure != c.sure {
			t.Errorf("%q, %v: got %v, %v", c.etag, c.answer, has, sure)
		}
	}
}

// A presigned link gives the file to whoever has it, with the headers that it was made for, until its time is up.
func TestLink(t *testing.T) {
	t.Parallel()
	s := pbxtest.S3(t)
	b := open(t, s.URL(), pbxtest.NewBucket(t, s))
	must(t, b.Write(t.Context(), "calls.csv", []byte("a,b\n")))
	get := func(link string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
		must(t, err)
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		_ = answer.Body.Close()
		return answer
	}
	link, err := b.Link(t.Context(), "calls.csv", time.Minute, map[string]string{"content-type": "text/csv", "content-disposition": `attachment; filename="x.csv"`})
	must(t, err)
	if answer := get(link); answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/csv" || answer.Header.Get("Content-Disposition") != `attachment; filename="x.csv"` {
		t.Errorf("got %d, %v", answer.StatusCode, answer.Header)
	}
	if answer := get(strings.Replace(link, "x.csv", "y.csv", 1)); answer.StatusCode != http.StatusForbidden {
		t.Errorf("with another header it answers %d", answer.StatusCode)
	}
	short, err := b.Link(t.Context(), "calls.csv", time.Second, nil)
	must(t, err)
	pbxtest.Eventually(t, "the link ends", func() bool { return get(short).StatusCode == http.StatusForbidden })
}

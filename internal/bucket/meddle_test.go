package bucket

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
)

// meddler is what a proxy does to requests.
type meddler = func(w http.ResponseWriter, r *http.Request, pass http.Handler)

// sends reports whether a request sends what a file holds.
func sends(r *http.Request) bool { return r.Method == http.MethodPut }

// completes reports whether a request gives a file of several parts its name.
func completes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

// lookTogether holds the first two looks for a file until both are made.
func lookTogether(looks *atomic.Int64, both *sync.WaitGroup) meddler {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		held := r.Method == http.MethodHead && looks.Add(1) <= 2
		pass.ServeHTTP(w, r)
		if held {
			both.Done()
			both.Wait()
		}
	}
}

// flip changes a bit of what is sent on its way.
func flip(r *http.Request) {
	content, err := io.ReadAll(r.Body)
	if err != nil || len(content) == 0 {
		return
	}
	content[len(content)/2] ^= 1
	r.Body = io.NopCloser(bytes.NewReader(content))
}

// flipping flips, and has the server not know what was sent.
func flipping(unchecked bool) meddler {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if sends(r) {
			flip(r)
			if unchecked {
				r.Header.Del("Content-Md5")
			}
		}
		pass.ServeHTTP(w, r)
	}
}

// answering changes answers that were got.
func answering(which func(*http.Request) bool, change func(http.Header), then meddler) meddler {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if !which(r) {
			then(w, r, pass)
			return
		}
		got := httptest.NewRecorder()
		then(got, r, pass)
		for name, values := range got.Header() {
			w.Header()[name] = values
		}
		change(w.Header())
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	}
}

func passOn(w http.ResponseWriter, r *http.Request, pass http.Handler) { pass.ServeHTTP(w, r) }

// breaking breaks off so many requests before they have arrived, or else their answers.
func breaking(which func(*http.Request) bool, times int64, arrives bool) meddler {
	var broken atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if !which(r) || broken.Add(1) > times {
			pass.ServeHTTP(w, r)
			return
		}
		if arrives {
			pass.ServeHTTP(httptest.NewRecorder(), r)
		} else {
			_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		}
		panic(http.ErrAbortHandler)
	}
}

// busy says of so many requests that they are too many.
func busy(which func(*http.Request) bool, times int64) meddler {
	var said atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if !which(r) || said.Add(1) > times {
			pass.ServeHTTP(w, r)
			return
		}
		http.Error(w, "<Error><Code>SlowDown</Code><Message>not now</Message></Error>", http.StatusServiceUnavailable)
	}
}

// hanging answers nothing.
func hanging(which func(*http.Request) bool) meddler {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if which(r) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		pass.ServeHTTP(w, r)
	}
}

// refusing answers with an error.
func refusing(which func(*http.Request) bool, status int, code string) meddler {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if !which(r) {
			pass.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>s3cret</Message>"+strings.Repeat(" ", 10)+"</Error>")
	}
}

// opaque has the server call what it received by names that say nothing.
func opaque(then meddler) meddler {
	const before = "no-digest-"
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if completes(r) { // there it has to know what is meant
			content, _ := io.ReadAll(r.Body)
			content = bytes.ReplaceAll(content, []byte(before), nil)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
		}
		answering(sends, func(h http.Header) { h.Set("ETag", before+strings.Trim(h.Get("ETag"), `"`)) }, then)(w, r, pass)
	}
}

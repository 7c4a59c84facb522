package web

import (
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
)

// FileWriter is Writer for an answer that is a file as it stands on disk: copied to it, the file goes to the server's
// own writer, which has the kernel send it (sendfile) where the connection is neither TLS nor HTTP/2. Gin's writer
// hides that the server's can do so.
func (r *Request) FileWriter() http.ResponseWriter {
	if over, ok := r.c.Writer.(interface{ Unwrap() http.ResponseWriter }); ok {
		return fileWriter{r.c.Writer, over.Unwrap()}
	}
	return r.c.Writer
}

// fileWriter is gin's writer over the server's.
type fileWriter struct {
	gin.ResponseWriter
	server http.ResponseWriter
}

// ReadFrom sends the head of the answer, if that was not sent yet, and what src has. Gin's Size leaves it out; that
// the answer has begun, gin knows.
func (w fileWriter) ReadFrom(src io.Reader) (int64, error) {
	w.WriteHeaderNow()
	return io.Copy(w.server, src)
}

// Unwrap is for http.ResponseController.
func (w fileWriter) Unwrap() http.ResponseWriter { return w.server }

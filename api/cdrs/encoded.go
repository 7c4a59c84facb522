package cdrs

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"trunkline/internal/export"
)

// encoded sends a whole file with a Content-Encoding: packed as it goes, as one gzip member or zstd frame, since many who
// read an answer stop at the end of the first. Its headers are those of the file, but for what tells of its bytes.
func encoded(answer http.ResponseWriter, file io.Reader, coding export.Compression) error {
	header := answer.Header()
	header.Set("Content-Encoding", string(coding))
	for _, ofTheFile := range []string{"ETag", "Digest", "Repr-Digest"} {
		header.Del(ofTheFile)
	}
	packer, err := export.NewPacker(answer, coding)
	if err != nil {
		return err
	}
	_, err = io.Copy(packer, file)
	if err := errors.Join(err, packer.Close()); err != nil {
		return fmt.Errorf("sending a file: %w", err)
	}
	return nil
}

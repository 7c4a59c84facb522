package export

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a file is packed.
type Compression string

const (
	// None is not at all.
	None Compression = ""
	// Gzip packs each slice as a gzip member of its own, which every reader of gzip reads as one file.
	Gzip Compression = "gzip"
	// Zstd packs each slice as a zstd frame of its own, likewise.
	Zstd Compression = "zstd"
)

// packing is one entry of the table of compressions.
type packing struct {
	compression Compression
	extension   string // behind that of the format, without the dot
	mediaType   string
	pack        func(io.Writer) (resettable, error)
}

// resettable packs one slice after the other: each ends with Close, and Reset begins the next.
type resettable interface {
	io.WriteCloser
	Reset(io.Writer)
}

var packings = []packing{
	{compression: Gzip, extension: "gz", mediaType: "application/gzip", pack: func(to io.Writer) (resettable, error) {
		return gzip.NewWriterLevel(to, gzip.BestSpeed)
	}},
	{compression: Zstd, extension: "zst", mediaType: "application/zstd", pack: func(to io.Writer) (resettable, error) {
		return zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithZeroFrames(true))
	}},
}

// zstdWindow is how far back zstd looks, in bytes: what it gains by more is not worth the memory.
const zstdWindow = 1 << 20

// Compressions are all ways to pack a file, by name.
func Compressions() []string {
	names := make([]string, len(packings))
	for i, p := range packings {
		names[i] = string(p.compression)
	}
	return names
}

// ParseCompression reads a compression's name in any case; "none" and "" are None. Its error names the ones there are.
func ParseCompression(s string) (Compression, error) {
	if s == "" || strings.EqualFold(s, "none") {
		return None, nil
	}
	for _, p := range packings {
		if strings.EqualFold(s, string(p.compression)) {
			return p.compression, nil
		}
	}
	return None, fmt.Errorf("compression: %q is not known; use none, %s", s, strings.Join(Compressions(), " or "))
}

// CheckCompression says if a file of that format is not packed so. The error begins with the parameter's name.
func CheckCompression(f Format, c Compression) error {
	if f == Parquet && c != None {
		return errors.New("compression: PARQUET is packed with zstd within; leave it out")
	}
	_, err := ParseCompression(string(c))
	return err
}

// packing is the compression's entry, empty for None.
func (c Compression) packing() packing {
	for _, p := range packings {
		if p.compression == c {
			return p
		}
	}
	return packing{}
}

// NewPacker packs what is written to it as one gzip member or zstd frame, which Close ends.
func NewPacker(to io.Writer, c Compression) (io.WriteCloser, error) {
	pack := c.packing().pack
	if pack == nil {
		return nil, fmt.Errorf("unknown compression %q", c)
	}
	return pack(to)
}

// Extension is the usual end of the name of a file of that format, packed so, without the dot before it.
func Extension(f Format, c Compression) string {
	if packed := c.packing(); packed.extension != "" {
		return f.form().extension + "." + packed.extension
	}
	return f.form().extension
}

// ContentType is the media type for a Content-Type header, of a file of that format, packed so.
func ContentType(f Format, c Compression) string {
	if packed := c.packing(); packed.mediaType != "" {
		return packed.mediaType
	}
	return f.form().mediaType + f.form().parameters
}

package export

import (
	"bytes"
	stdgzip "compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// unpack reads a packed file with another reader than the writer's kin where there is one.
func unpack(t testing.TB, c Compression, packed io.Reader) io.Reader {
	t.Helper()
	switch c {
	case Gzip:
		r, err := stdgzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		return r
	case Zstd:
		r, err := zstd.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	}
	return packed
}

// TestPackedFiles are read by the programs that people have.
func TestPackedFiles(t *testing.T) {
	t.Parallel()
	source := newCalls(t, 5000)
	for _, format := range []Format{CSV, JSON, XML} {
		want, _ := whole(t, source, Options{Format: format, SliceRows: 500})
		for _, compression := range []Compression{Gzip, Zstd} {
			got, m := whole(t, source, Options{Format: format, Compression: compression, SliceRows: 500})
			if !bytes.Equal(unpackByProgram(t, compression, got), want) {
				t.Errorf("%s unpacks another %s", compression, format)
			}
			if len(got) > len(want)/2 || m.Bytes != int64(len(got)) || m.Compression != compression {
				t.Errorf("%s %s: %d bytes of %d, and %+v", format, compression, len(got), len(want), m)
			}
			if read, err := io.ReadAll(unpack(t, compression, bytes.NewReader(got))); err != nil || !bytes.Equal(read, want) {
				t.Errorf("%s %s: read back otherwise: %v", format, compression, err)
			}
		}
	}
	members := 0
	got, _ := whole(t, source, Options{Format: CSV, Compression: Gzip, SliceRows: 500})
	from := bytes.NewReader(got)
	for r, err := stdgzip.NewReader(from); err == nil; err = r.Reset(from) {
		r.Multistream(false)
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		members++
	}
	if members < 9 {
		t.Errorf("%d members, want one a slice", members)
	}
}

func TestParseCompression(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Compression{"": None, "none": None, "GZIP": Gzip, "zstd": Zstd} {
		if got, err := ParseCompression(in); got != want || err != nil {
			t.Errorf("%q is %q, %v", in, got, err)
		}
	}
	if _, err := ParseCompression("rar"); err == nil || !strings.Contains(err.Error(), "compression: ") || !strings.Contains(err.Error(), "gzip or zstd") {
		t.Errorf("error %v does not name the compressions", err)
	}
	if CheckCompression(Parquet, Gzip) == nil || CheckCompression(Parquet, None) != nil || CheckCompression(CSV, Zstd) != nil {
		t.Error("what is packed within is packed again, or what is not is refused")
	}
	if got := Extension(CSV, Gzip) + " " + Extension(JSON, Zstd) + " " + ContentType(CSV, Gzip) + " " + ContentType(CSV, Zstd); got != "csv.gz json.zst application/gzip application/zstd" {
		t.Errorf("got %s", got)
	}
}

package cdrs

import (
	"slices"
	"testing"

	"trunkline/internal/export"
)

func TestAsksForFile(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]fileAsked{
		"":                                       {},
		"*/*":                                    {},
		"application/json":                       {},
		"text/csv":                               {true, "CSV"},
		"TEXT/CSV;charset=utf-8":                 {true, "CSV"},
		"application/xml":                        {true, "XML"},
		"text/xml, */*":                          {true, "XML"},
		"application/octet-stream":               {true, ""},
		"text/csv;q=0.5, application/xml":        {true, "XML"},
		"application/json, text/csv":             {},
		"application/json;q=0.1, text/csv;q=0.2": {true, "CSV"},
		"text/csv;q=0":                           {},
		"text/csv;q=x":                           {},
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": {},
		",;;,":                                 {},
		"text/csv;q=2, application/json;q=0.1": {},
		"text/csv;q=1e-9999, application/json;q=-1": {},
		"application/json;q=NaN, text/csv;q=0.1":    {true, "CSV"},
		"text/csv;q=Inf":                            {},
	} {
		if got := asksForFile(accept); got != want {
			t.Errorf("%q: got %+v, want %+v", accept, got, want)
		}
	}
}

func TestAsksForCoding(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[string]export.Compression{
		"":                        export.None,
		"gzip":                    export.Gzip,
		"GZip, deflate, br, zstd": export.Gzip,
		"gzip;q=0.5, zstd;q=0.9":  export.Zstd,
		"gzip;q=0":                export.None,
		"gzip;q=0, zstd":          export.Zstd,
		"gzip;q=NaN, zstd;q=0.1":  export.Zstd,
		"gzip;q=2":                export.None,
		"gzip;q":                  export.None,
		"gzip;q=1;q=0":            export.None,
		"none":                    export.None,
		"*":                       export.None,
		"br;q=1, identity;q=0":    export.None,
		",;;,":                    export.None,
	} {
		if got := asksForCoding(accepted); got != want {
			t.Errorf("%q: got %q, want %q", accepted, got, want)
		}
	}
}

// FuzzAccept reads any header of those that say what an answer may be: what is asked for is there, and whoever takes the
// documented answer as gladly as anything else gets it.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/csv;q=0.5, application/xml", "gzip;q=0.5, zstd", "text/csv;q=NaN", "gzip;q=1e999", "text/csv;q=2", ",;;,", `text/csv;q="1"`, "gzip;q*=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if asked := asksForFile(header); asked.format != "" && (!asked.file || !slices.Contains(export.Formats(), asked.format)) {
			t.Errorf("%q asks for %+v", header, asked)
		}
		for _, both := range []string{"application/json, " + header, header + ",application/json"} {
			if asked := asksForFile(both); asked.file {
				t.Errorf("%q asks for %+v, not for the answer", both, asked)
			}
		}
		coding := asksForCoding(header)
		if coding != export.None && !slices.Contains(export.Compressions(), string(coding)) {
			t.Errorf("%q asks for %q", header, coding)
		}
	})
}

package gateways

import (
	"slices"
	"strings"
	"testing"
)

func TestParseTags(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][]string{
		"": nil, "*": {"*"}, `"0a"`: {"0a"}, `"0a", "0b"`: {"0a", "0b"}, `W/"0a" ,"0b"`: {"W/0a", "0b"}, `"*"`: {`"*"`}, `,"0a",`: {"0a"},
	} {
		got, err := parseTags(header)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", header, got, err, want)
		}
	}
	for _, header := range []string{"0a", `"0a`, `"0a" "0b"`, `*, "0a"`, ",", `w/"0a"`, strings.Repeat(`"0a",`, maxTags+1)} {
		if got, err := parseTags(header); err == nil {
			t.Errorf("%s: got %q", header, got)
		}
	}
}

func FuzzParseTags(f *testing.F) {
	f.Add(`"0a", W/"0b", *`)
	f.Fuzz(func(t *testing.T, header string) {
		if tags, err := parseTags(header); err == nil && len(tags) > maxTags {
			t.Errorf("%q: %d tags", header, len(tags))
		}
	})
}

// A place that is read is written the same.
func FuzzParsePlace(f *testing.F) {
	f.Add(place{label: "carrier", uuid: "0190b5a0-0000-7000-8000-000000000000"}.next())
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePlace(text); err == nil {
			if again, err := parsePlace(p.next()); err != nil || again != p {
				t.Errorf("%q: got %+v, then %+v, %v", text, p, again, err)
			}
		}
	})
}

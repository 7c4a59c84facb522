package config

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// However a secret is printed, it does not show.
func TestSecretIsHidden(t *testing.T) {
	t.Parallel()
	const plain = "hunter2"
	s := Secret(plain)
	holder := struct {
		Password Secret
		Pointer  *Secret
	}{s, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", holder)
		fmt.Fprintf(&out, verb+"\n", []Secret{s})
		fmt.Fprintf(&out, verb+"\n", map[Secret]Secret{s: s})
	}
	if err := json.NewEncoder(&out).Encode([]any{s, &s, holder}); err != nil {
		t.Fatal(err)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("log", "secret", s, "holder", holder)
	}
	fmt.Fprintln(&out, s.String(), s.GoString(), fmt.Errorf("wrapped: %v", s))
	for _, trace := range []string{plain, hex.EncodeToString([]byte(plain)), strings.ToUpper(hex.EncodeToString([]byte(plain)))} {
		if strings.Contains(out.String(), trace) {
			t.Errorf("%q shows in:\n%s", trace, out.String())
		}
	}
	if !strings.Contains(out.String(), hidden) || s.Reveal() != plain {
		t.Errorf("a secret prints as %q and is revealed as %q", s, s.Reveal())
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "1024": "1KiB", "1048576": "1MiB", "2GiB": "2GiB", " 3 MiB ": "3MiB", "1000": "1000", "1536KiB": "1536KiB", "-1KiB": "-1KiB",
	} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b.String() != want {
			t.Errorf("%q: got %s, %v; want %s", text, b, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "1MB", "1.5GiB", "1 k", "99999999999GiB", "99999999999999999999", "0x10"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %s", text, b)
		}
	}
}

package keyed

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// What databases hold must be found again.
func TestHashStaysAsItIs(t *testing.T) {
	t.Parallel()
	key := Key(bytes.Repeat([]byte{7}, 32))
	for want, parts := range map[string][]string{
		"9dac6a74401b46ed9b489d0e19d68d1b13cc6b5090352fdcfa5bd74df4e69d87": nil,
		"f0be6a4d7fcfd25fa1c5fd245ceb043c91b75405ae6b77dcd9652cbe5724c595": {"", "provision", "naïve"},
	} {
		if got := hex.EncodeToString(key.Hash(parts...)); got != want {
			t.Errorf("%q: got %s, want %s", parts, got, want)
		}
	}
}

func TestHashKeepsPartsApart(t *testing.T) {
	t.Parallel()
	key := NewKey()
	seen := map[string][]string{}
	for _, parts := range [][]string{nil, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"1:a"}, {"a1:b"}} {
		hash := string(key.Hash(parts...))
		if other, ok := seen[hash]; ok {
			t.Errorf("%q and %q are one", parts, other)
		}
		seen[hash] = parts
	}
	if bytes.Equal(key.Hash("a"), NewKey().Hash("a")) {
		t.Error("two keys are one")
	}
}

package totp

import (
	"errors"
	"testing"
	"time"
)

// secret is that of RFC 6238's examples, "12345678901234567890", whose codes of eight digits end in these of six.
const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func TestStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret, code string
		at           int64
		want         int64 // the step; -1: none
	}{
		"RFC 6238, 59 s":         {secret, "287082", 59, 1},
		"RFC 6238, 2005":         {secret, "081804", 1111111109, 37037036},
		"RFC 6238, 2009":         {secret, "005924", 1234567890, 41152263},
		"RFC 6238, 2033":         {secret, "279037", 2000000000, 66666666},
		"RFC 6238, 2603":         {secret, "353130", 20000000000, 666666666},
		"one step before":        {secret, "287082", 89, 1},
		"one step after":         {secret, "287082", 29, 1},
		"two steps before":       {secret, "287082", 90, -1},
		"as apps show it":        {secret, " 287 082 ", 59, 1},
		"small letters, padding": {"gezdgnbvgy3tqojqgezdgnbvgy3tqojq====", "287082", 59, 1},
		"wrong":                  {secret, "287083", 59, -1},
		"empty":                  {secret, "", 59, -1},
		"more digits":            {secret, "94287082", 59, -1},
		"other digits":           {secret, "２８７０８２", 59, -1},
	} {
		step, ok, err := Step(c.secret, c.code, time.Unix(c.at, 0))
		if err != nil || ok != (c.want >= 0) || ok && step != c.want {
			t.Errorf("%s: got %d, %t, %v; want %d", name, step, ok, err, c.want)
		}
	}
	for _, wrong := range []string{"", "=", "01", "not base32!", "A"} {
		if _, ok, err := Step(wrong, "287082", time.Unix(59, 0)); ok || !errors.Is(err, ErrSecret) {
			t.Errorf("the secret %q: got %t, %v", wrong, ok, err)
		}
	}
}

// FuzzStep: whatever is sent as a code, only six digits ever are one.
func FuzzStep(f *testing.F) {
	f.Add(secret, "287082")
	f.Add("A", " 1 ")
	f.Fuzz(func(t *testing.T, secret, code string) {
		_, ok, err := Step(secret, code, time.Unix(59, 0))
		if ok && (err != nil || len(plain(code)) != digits) {
			t.Fatalf("%q is taken: %v", code, err)
		}
	})
}

package webhook

import (
	"net/http"
	"testing"
	"time"

	"trunkline/internal/delivery"
)

// The vector that the standard's own libraries are tested with.
func TestTheStandardsVector(t *testing.T) {
	t.Parallel()
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := headers(delivery.Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Body: []byte(`{"test": 2432232314}`)}, time.Unix(1614265330, 0), []Secret{secret})
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got["webhook-signature"] != want || got["webhook-timestamp"] != "1614265330" {
		t.Errorf("got %v, want %s", got, want)
	}
}

// Whatever a receiver writes into Retry-After, it is waited for no longer than an hour, and not at all for what is no time.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{"", "0", "1", "3600", "3601", "-1", "1.5", "18446744073709551616", now.Add(time.Minute).Format(http.TimeFormat), "Fri, 31 Dec 1999 23:59:59 GMT"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := retryAfter(text, now); got < 0 || got > mostRetryAfter {
			t.Errorf("%q: %s", text, got)
		}
	})
}

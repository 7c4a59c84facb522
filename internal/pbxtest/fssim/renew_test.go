package fssim

import (
	"testing"
	"time"
)

// The devices of a sample register again in time: a demo that has been up for hours shows none that expired.
func TestRegistrationsAreRenewed(t *testing.T) {
	t.Parallel()
	for _, ago := range []time.Duration{0, defaultRegistrationTime, defaultRegistrationTime + registrationGrace, 26 * time.Hour} {
		r := Registration{Renews: true, Expires: time.Now().Add(defaultRegistrationTime + registrationGrace - ago)}
		left := time.Duration(r.secondsLeft()) * time.Second
		if left < registrationGrace || left > defaultRegistrationTime+registrationGrace {
			t.Errorf("registered %v ago: %v left", ago, left)
		}
	}
	once := Registration{Expires: time.Now().Add(-time.Hour)}
	if once.secondsLeft() > 0 {
		t.Error("a device that does not renew its registration does not expire")
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	"trunkline/internal/pbxtest/fssim"
)

// registrationChecks is how many checks each side of the comparison makes.
const registrationChecks = 20

// registration measures how many bytes the switch sends for a registration check, with few and with
// many others registered.
func (b *bench) registration(ctx context.Context) error {
	checked := b.Sample.Extensions(1)[0]
	sw, err := fssim.Start(fssim.Options{}) // on which nobody is registered yet
	if err != nil {
		return err
	}
	defer sw.Close()
	counter, err := countBytes(sw.Addr())
	if err != nil {
		return err
	}
	defer counter.listener.Close()
	p, err := b.start(ctx, "api", "TRUNKLINE_SWITCHES="+counter.listener.Addr().String())
	if err != nil {
		return err
	}
	defer p.stop()
	register := func(user string) {
		sw.AddRegistration(fssim.Registration{Profile: "internal", User: user, Domain: checked.Domain, Agent: "bench", IP: "192.0.2.1", Port: 5060})
	}
	register(checked.Number)
	others := 0
	bytesWith := func(registrations int) (float64, error) {
		for ; others < registrations-1; others++ {
			register(fmt.Sprintf("other-%d", others))
		}
		before := counter.read.Load()
		for range registrationChecks {
			var answer struct {
				Registered, Message string
			}
			form := url.Values{"extension": {checked.Number}, "tenant_domain": {checked.Domain}}
			status, err := b.post(ctx, p, "/app/registrations/check_registration.php", form, &answer)
			if err != nil || status != http.StatusOK || answer.Registered != "yes" {
				return 0, fmt.Errorf("the check answered %d %q %q: %w", status, answer.Registered, answer.Message, err)
			}
		}
		return float64(counter.read.Load() - before), nil
	}
	if _, err := bytesWith(100); err != nil { // the connections are made and logged in
		return err
	}
	few, err := bytesWith(100)
	if err != nil {
		return err
	}
	many, err := bytesWith(10_000)
	if err != nil {
		return err
	}
	figure("check_registration_switch_bytes_ratio", many/few, "ratio")
	return nil
}

// byteCounter stands between the front end and the switch and counts what the switch sends.
type byteCounter struct {
	listener net.Listener
	read     atomic.Int64
}

func countBytes(addr string) (*byteCounter, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &byteCounter{listener: listener}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			sw, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				defer sw.Close()
				io.Copy(sw, client)
			}()
			go func() {
				defer client.Close()
				io.Copy(io.MultiWriter(client, counting{&c.read}), sw)
			}()
		}
	}()
	return c, nil
}

// counting counts the bytes that are written to it.
type counting struct{ n *atomic.Int64 }

func (c counting) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/service"
	"trunkline/tasks"
)

const (
	// healthTimeout bounds the whole check; the front end's own time-out is shorter.
	healthTimeout = 5 * time.Second
	// maxHealthAnswer bounds what is read of the front end's answer, in bytes.
	maxHealthAnswer = 64 << 10
)

type healthCommand struct {
	Role string `arg:"" optional:"" enum:"api,worker,scheduler" default:"api" help:"What to ask: api (for serve too), worker or scheduler."`
}

func (healthCommand) Help() string {
	return `Status 0 if it works, else 1 and a line that says why. It reads the same settings as the process that it asks.

  api        asks /readyz at TRUNKLINE_LISTEN, by loopback if that means all
             addresses: Postgres and Redis answer and there is a
             whitelist. Over TLS the certificate is not verified on loopback;
             on another address it must be good for the host of
             TRUNKLINE_PUBLIC_URL.
  worker     a worker process of this host or container runs, takes jobs
             of every kind, and its last sweep reached Postgres and Redis,
             half a minute ago at most.
  scheduler  the same for a scheduler, which takes no jobs.

Example: trunkline health worker

Example: HEALTHCHECK CMD ["/usr/local/bin/trunkline", "health", "api"]`
}

func (h healthCommand) Run(cmd *command) error {
	settings, err := cmd.settings()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.ctx, healthTimeout)
	defer cancel()
	if h.Role == "api" {
		err = askFrontEnd(ctx, settings)
	} else {
		err = askRedis(ctx, settings, tasks.Role(h.Role))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", h.Role, err)
	}
	cmd.printf("%s: ok\n", h.Role)
	return nil
}

func askRedis(ctx context.Context, settings config.Settings, role tasks.Role) error {
	client, err := service.OpenRedis(settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer client.Close()
	return tasks.Alive(ctx, client, role)
}

// askFrontEnd asks the front end of this host whether it is ready.
func askFrontEnd(ctx context.Context, settings config.Settings) error {
	address, loopback, err := nearAddress(settings.Listen)
	if err != nil {
		return err
	}
	scheme, transport := "http", &http.Transport{DisableKeepAlives: true}
	if settings.TLSCert != "" {
		public, err := url.Parse(settings.PublicURL)
		if err != nil {
			return fmt.Errorf("TRUNKLINE_PUBLIC_URL: %w", err)
		}
		scheme = "https"
		// Nobody can listen in on the host's own loopback, which no certificate names.
		transport.TLSClientConfig = &tls.Config{ServerName: public.Hostname(), InsecureSkipVerify: loopback}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", address, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the front end does not answer: %w; it has not started yet, or TRUNKLINE_LISTEN is not its own", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealthAnswer))
	if err != nil {
		return fmt.Errorf("reading the front end's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready (%d): %s", resp.StatusCode, wrongParts(body))
	}
	return nil
}

// nearAddress is the address by which this host reaches what listens there.
func nearAddress(listen string) (address string, loopback bool, err error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", false, fmt.Errorf("TRUNKLINE_LISTEN: %w", err)
	}
	ip, _ := netip.ParseAddr(host) // the zero address if it is a name
	switch {
	case host == "", ip == netip.IPv4Unspecified():
		return net.JoinHostPort("127.0.0.1", port), true, nil
	case ip == netip.IPv6Unspecified():
		return net.JoinHostPort("::1", port), true, nil
	}
	return listen, host == "localhost" || ip.IsLoopback(), nil
}

// wrongParts is what a readiness answer says of the parts that are not right, in one line.
func wrongParts(body []byte) string {
	var answer struct {
		Status string            `json:"status"`
		Parts  map[string]string `json:"parts"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status == "" {
		return "what listens there is not Trunkline; check TRUNKLINE_LISTEN"
	}
	var wrong []string
	for part, said := range answer.Parts {
		if said != "ok" {
			wrong = append(wrong, part+": "+strings.Join(strings.Fields(said), " "))
		}
	}
	if len(wrong) == 0 {
		return answer.Status
	}
	slices.Sort(wrong)
	return strings.Join(wrong, "; ")
}

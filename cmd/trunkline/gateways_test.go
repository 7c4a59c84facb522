package main

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"trunkline/internal/freeswitch"
	"trunkline/internal/pbxtest/fssim"
)

// gatewayCommands runs gateway commands against a served PBX, as somebody who calls from anywhere.
func (p *samplePBX) gatewayCommands(t *testing.T) (ran func(want int, args ...string) result) {
	t.Helper()
	base, _ := p.serve(t, "serve")
	p.open(t)
	return gatewaysAs(t, p.caller(t, base, "--scope", "read,provision,admin", "--all-domains"))
}

// gatewaysAs runs gateway commands as a caller, who is shown no password and no token.
func gatewaysAs(t *testing.T, env []string) (ran func(want int, args ...string) result) {
	return func(want int, args ...string) result {
		t.Helper()
		got := runHere(t, env, append([]string{"gateways"}, args...)...)
		if got.status != want || strings.Contains(got.out+got.err, "a-carrier-password") || strings.Contains(got.out+got.err, "trunkline_") {
			t.Fatalf("trunkline gateways %s: want status %d: %s", strings.Join(args, " "), want, got)
		}
		return got
	}
}

// A gateway that a switch has lost is found by its name, and repaired when that is asked for.
func TestGatewayDriftCommand(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	ran := p.gatewayCommands(t)
	ran(0, "drift").wants(t, 0, "no drift")
	var uuid, label string
	must(t, p.pool.QueryRow(t.Context(), "select gateway_uuid::text, gateway from v_gateways where gateway_uuid::text = any($1) and profile = 'external' limit 1",
		slices.Collect(maps.Keys(p.sw.Loaded()))).Scan(&uuid, &label))
	sw := freeswitch.New(p.sw.Addr(), fssim.Password, freeswitch.Options{CommandTimeout: patience, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { must(t, sw.Close()) })
	_, err := sw.KillGateway(t.Context(), "external", uuid)
	must(t, err)
	_, err = sw.WaitGone(t.Context(), []string{uuid})
	must(t, err)
	ran(5, "drift").wants(t, 5, "not_loaded", uuid, label, p.sw.Addr())
	ran(1, "reconcile", "--all").wants(t, 1, "--yes")
	ran(0, "reconcile", "--all", "--yes").wants(t, 0, "not_loaded", uuid, "1 in all")
	if !p.loaded(uuid) {
		t.Error("it is not loaded")
	}
	ran(0, "drift", "-o", "json").wants(t, 0, `"findings": []`)
}

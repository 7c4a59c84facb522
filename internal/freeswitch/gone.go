package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// pollInterval is how often WaitGone asks, unless asking takes long: it
	// spends half of the time on it at most, since FreeSWITCH holds its
	// gateways locked while it writes their list.
	pollInterval = 50 * time.Millisecond
	// DropTime is how long FreeSWITCH keeps a killed gateway at most, with some
	// to spare: up to 2 s were seen, of one that was registered.
	DropTime = 2500 * time.Millisecond
)

// WaitGone waits until none of the gateways is in the list any more, which takes
// up to DropTime after killgw: only then does a rescan load a gateway of that
// name again. It waits as long as ctx lets it. The error is the one of the
// question that failed, or a *TimeoutError; left are those still there.
//
// Only the list tells, since by name FreeSWITCH denies a killed gateway at once.
// If it is too long to be read, WaitGone says so in the log, lets DropTime pass,
// and asks by name.
func (s *Switch) WaitGone(ctx context.Context, gatewayUUIDs []string) (left []string, err error) {
	for _, uuid := range gatewayUUIDs {
		if err := CheckUUID(uuid); err != nil {
			return gatewayUUIDs, err
		}
	}
	if len(gatewayUUIDs) == 0 {
		return nil, nil
	}
	started := time.Now()
	ask, next := s.stillListed, started
	left = gatewayUUIDs
	for sleep(ctx, time.Until(next)) {
		asked := time.Now()
		found, err := ask(ctx, gatewayUUIDs)
		switch {
		case errors.Is(err, ErrReplyTooLong):
			s.options.Logger.Warn("waiting for killed gateways by the clock, since the list of gateways cannot be read", "switch", s.addr, "error", err)
			ask, next = s.stillFound, started.Add(s.dropTime)
			continue
		case err != nil && ctx.Err() == nil:
			return left, err
		case err == nil && len(found) == 0:
			return nil, nil
		case err == nil:
			left = found
		}
		next = asked.Add(max(pollInterval, 2*time.Since(asked)))
	}
	doing := fmt.Sprintf("waiting for FreeSWITCH to drop gateway %s (%d of %d left)", left[0], len(left), len(gatewayUUIDs))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return left, &TimeoutError{Addr: s.addr, Doing: doing, After: time.Since(started)}
	}
	return left, fmt.Errorf("freeswitch %s: %s: %w", s.addr, doing, ctx.Err())
}

// sleep waits, and reports whether ctx has not ended.
func sleep(ctx context.Context, length time.Duration) bool {
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// stillListed returns those of the gateways that are in the list.
func (s *Switch) stillListed(ctx context.Context, uuids []string) ([]string, error) {
	listed, err := s.listed.ReadAnew(ctx, "", s.listNames)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(uuids), func(uuid string) bool { return !listed[uuid] }), nil
}

// listNames asks for the names in the list, one question for all who wait for gateways to go, and no sooner after
// the last one than that took.
func (s *Switch) listNames(ctx context.Context) (names map[string]bool, holds time.Duration, err error) {
	if !sleep(ctx, time.Until(s.listAgain)) {
		return nil, 0, ctx.Err()
	}
	asked := time.Now()
	names = map[string]bool{}
	err = s.EachGateway(ctx, func(g *Gateway) { names[strings.Clone(g.Name)] = true })
	s.listAgain = time.Now().Add(time.Since(asked))
	return names, 0, err
}

// stillFound returns those of the gateways that are found by name.
func (s *Switch) stillFound(ctx context.Context, uuids []string) ([]string, error) {
	var found []string
	for _, uuid := range uuids {
		switch _, err := s.Gateway(ctx, uuid); {
		case err == nil:
			found = append(found, uuid)
		case !errors.Is(err, ErrNoGateway):
			return nil, err
		}
	}
	return found, nil
}

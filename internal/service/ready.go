package service

import (
	"context"
	"strings"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/version"
)

// readyTimeout bounds asking each switch for the line that says what this process works with.
const readyTimeout = 3 * time.Second

// sayReady logs one line once the worker has started, with what there is at that time;
// carrier is what was found of Redis.
func (s *Service) sayReady(ctx context.Context, started <-chan struct{}, carrier string) error {
	select {
	case <-ctx.Done():
		return nil
	case <-started:
	}
	said, err := s.pbx.FusionPBX.Version(ctx)
	if err != nil {
		said = "unknown"
	}
	var switches []string
	for _, sw := range s.pbx.Switches {
		asking, cancel := context.WithTimeout(ctx, readyTimeout)
		status, err := sw.Status(asking)
		cancel()
		state := status.Version
		if err != nil {
			state = "away"
		}
		switches = append(switches, sw.Addr()+" ("+state+")")
	}
	s.log.Info("ready", "address", s.settings.PublicURL, "version", version.This(),
		"database", config.WithoutPasswords(s.settings.DatabaseURL), "fusionpbx", said,
		"redis", config.WithoutPasswords(s.settings.RedisURL)+" ("+carrier+")", "switches", strings.Join(switches, ", "))
	return nil
}

//go:build !linux

package export

// inBackground runs a step as others are, where threads have no priority of their own.
func inBackground(step func() error) error { return step() }

package config

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "[hidden]"

// Secret is a value that no log, error or JSON shows: printed in whatever way it is "[hidden]".
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[hidden]".
func (Secret) String() string { return hidden }

// GoString returns "[hidden]".
func (Secret) GoString() string { return hidden }

// Format writes "[hidden]", whatever the verb: %x would pass String by.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue returns "[hidden]".
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns "[hidden]", for JSON too.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

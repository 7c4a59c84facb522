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

// However a Secret is asked, it answers "[hidden]". Format is there for the verbs that pass String by, such as %x,
// and MarshalText for JSON too.

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, hidden) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

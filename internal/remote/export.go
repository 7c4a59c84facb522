package remote

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"trunkline/internal/atomicfile"
	"trunkline/internal/client"
)

type gatewayExportCommand struct {
	Filter
	File        string `arg:"" optional:"" default:"-" help:"Where to write them; - is standard output."`
	Format      string `enum:"csv,ndjson," default:"" placeholder:"csv|ndjson" help:"csv or ndjson; without it, what the file's name ends in, else csv."`
	WithSecrets bool   `help:"With the passwords, for which the token needs scope admin; the server's audit says so."`
}

func (gatewayExportCommand) Help() string {
	return `What it writes, import reads. The file can be read by you alone.

Example: trunkline gateways export gateways.csv --domain pbx.example

Example: trunkline gateways export --format ndjson --with-secrets gateways.ndjson`
}

func (c gatewayExportCommand) Run(s *session) error {
	format, mediaType := c.format()
	query := c.values()
	query.Set("format", format)
	if c.WithSecrets {
		query.Set("with_secrets", "true")
	}
	r := client.Request{Path: gatewaysPath, Query: query}
	if c.File == "-" {
		return s.worded(s.api.Download(s.ctx, r, mediaType, s.out))
	}
	var content bytes.Buffer
	if err := s.api.Download(s.ctx, r, mediaType, &content); err != nil {
		return s.worded(err)
	}
	if err := (atomicfile.Replacement{Path: c.File, Content: content.Bytes()}).Write(); err != nil {
		return fmt.Errorf("writing the gateways: %w", err)
	}
	s.tell("%d bytes are in %s", content.Len(), visible(c.File))
	return nil
}

// format is the file's, and its media type.
func (c gatewayExportCommand) format() (format, mediaType string) {
	ext := strings.ToLower(filepath.Ext(c.File))
	if c.Format == "ndjson" || c.Format == "" && (ext == ".ndjson" || ext == ".jsonl") {
		return "ndjson", formats[".ndjson"]
	}
	return "csv", formats[".csv"]
}

package remote

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"trunkline/internal/client"
)

type gatewayImportCommand struct {
	Agreement
	Format
	File           string   `arg:"" help:"CSV, NDJSON or JSON; - reads it from standard input."`
	Mode           string   `enum:"all,each" default:"all" help:"all: every row or none; each: the rows that can be, while the others fail."`
	IgnoreColumns  []string `placeholder:"NAME" help:"Columns of the file that mean nothing; several with commas."`
	TenantDomain   string   `placeholder:"NAME" help:"The domain of rows that name none; global for those of all."`
	Failures       string   `placeholder:"FILE" type:"path" help:"Where the rows go that are not in effect in the end; without it, beside the file, as NAME.failed.csv."`
	IdempotencyKey string   `placeholder:"KEY" help:"Of an import whose end is not known: it is taken up again, and not done twice."`
}

func (gatewayImportCommand) Help() string {
	return `The difference is shown and asked about before anything is written. A row names its gateway, as gateway_name or by its external_id, and what is to be set; a column's name is that of a parameter or of v_gateways.
Rows that are not in effect in the end are written, as they came, into a file of mode 0600 with why: mend them and import that file.

` + statusHelp + `

Example: trunkline gateways import gateways.csv --dry-run

Example: trunkline gateways import gateways.csv --mode each --yes`
}

// maxImport bounds a file, in bytes: beyond what a server is likely to take, it is not read into memory.
const maxImport = 256 << 20

func (c gatewayImportCommand) Run(s *session) error {
	if err := s.agreed(c.Agreement); err != nil {
		return err
	}
	if c.File == "-" && !c.Yes && !c.DryRun {
		return errors.New("the file comes from standard input, so that nobody can be asked; --dry-run shows what would be done, and --yes does it")
	}
	content, err := c.read(s)
	if err != nil {
		return err
	}
	b := bulk{session: s, what: "import", keyed: true, ask: func(dryRun bool) client.Request { return c.request(content, dryRun) }}
	job, err := b.do(c.Agreement, c.Format, c.IdempotencyKey, c.Mode == "all")
	if err != nil || job.JobID == "" {
		return err
	}
	return c.finish(s, job, content)
}

// read reads the file.
func (c gatewayImportCommand) read(s *session) ([]byte, error) {
	from := s.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("reading the gateways: %w", err)
		}
		defer file.Close()
		from = file
	}
	content, err := io.ReadAll(io.LimitReader(from, maxImport+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the gateways: %w", err)
	case len(content) > maxImport:
		return nil, fmt.Errorf("%s has more than %d bytes; import it in parts", visible(c.File), maxImport)
	case len(content) == 0:
		return nil, fmt.Errorf("%s is empty", visible(c.File))
	}
	return content, nil
}

// formats are the types of a file by what its name ends in. Of another one the server looks.
var formats = map[string]string{
	".csv": "text/csv", ".tsv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson", ".json": "application/json",
}

func (c gatewayImportCommand) request(content []byte, dryRun bool) client.Request {
	q := url.Values{"mode": {c.Mode}}
	if dryRun {
		q.Set("dry_run", "true")
	}
	if len(c.IgnoreColumns) > 0 {
		q.Set("ignore_columns", strings.Join(c.IgnoreColumns, ","))
	}
	if c.TenantDomain != "" {
		q.Set("tenant_domain", c.TenantDomain)
	}
	contentType := formats[strings.ToLower(filepath.Ext(c.File))]
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return client.Request{Path: gatewaysPath + "/bulk", Query: q, Body: content, ContentType: contentType}
}

// finish tells what was done, and writes the rows that are not in effect into a file of their own.
func (c gatewayImportCommand) finish(s *session, job client.Job, content []byte) error {
	told := s.printEnd(c.Format, job)
	if job.State == client.Succeeded {
		return told
	}
	ended := errors.Join(endOf(job), told)
	rows, err := s.failed(job)
	if err != nil {
		return errors.Join(ended, fmt.Errorf("which rows failed is not known: %w", err))
	}
	if err := s.tellFailed(rows); err != nil {
		return errors.Join(ended, err)
	}
	if len(rows) == 0 {
		return ended
	}
	path := c.failuresPath()
	if err := writeFailures(path, content, rows); err != nil {
		return errors.Join(ended, fmt.Errorf("the rows that are not in effect could not be written to %s: %w; trunkline jobs show %s --items shows them", visible(path), shown{err}, job.JobID))
	}
	s.tell("%d rows are not in effect; they are in %s, each with why: mend them and import that file", len(rows), visible(path))
	return ended
}

// failuresPath is where the rows go that are not in effect.
func (c gatewayImportCommand) failuresPath() string {
	if c.Failures != "" {
		return c.Failures
	}
	if c.File == "-" {
		return "gateways.failed"
	}
	ext := filepath.Ext(c.File)
	return strings.TrimSuffix(c.File, ext) + ".failed" + ext
}

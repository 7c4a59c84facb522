package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
)

// CDR are the commands about CDRs.
type CDR struct {
	Connection

	Export   cdrExportCommand   `cmd:"" help:"Export CDRs into a file, or to standard output."`
	Download cdrDownloadCommand `cmd:"" help:"Download the file of an export that was asked for before, or go on with it."`
}

// Help is the group's.
func (CDR) Help() string {
	return `They ask the HTTP API, so that they work from anywhere: at TRUNKLINE_URL, with the token of TRUNKLINE_TOKEN, which needs the scope export.

` + statusHelp + `

Example: trunkline cdr export --date-start 2026-01-01 --date-end 2026-01-31 --domain pbx.example -o january.csv`
}

const exportPath = "/app/xml_cdr/export_cdr.php"

type cdrExportCommand struct {
	DateStart string   `required:"" placeholder:"DATE" help:"The first day, or moment: 2026-01-31, or 2026-01-31 18:00:00."`
	DateEnd   string   `required:"" placeholder:"DATE" help:"The last day, or moment: inclusive."`
	TimeZone  string   `placeholder:"ZONE" help:"The zone in which they are read, such as Europe/Berlin; without it the domain's."`
	Domain    string   `placeholder:"NAME" help:"The domain; without it all that the token may see."`
	Format    string   `placeholder:"FORMAT" help:"csv, json, ndjson, xml or parquet; without it the template's, else what FILE ends in, else json."`
	Compress  string   `name:"compression" placeholder:"NAME" help:"gzip, zstd or none; without it what FILE ends in (january.csv.gz), else none."`
	Columns   string   `placeholder:"LIST" help:"Columns with commas between, each with another name behind a colon if you like, or a set of them: billing, fusionpbx, all."`
	Template  string   `placeholder:"NAME" help:"What a program expects to read: fusionpbx, cgrates or rating."`
	Set       []string `sep:"none" placeholder:"NAME=VALUE" help:"Any other parameter of the export, such as a filter or how rows are written. It may be there several times."`
	Output    string   `short:"o" default:"-" placeholder:"FILE" help:"Where to write it; - is standard output."`
}

func (cdrExportCommand) Help() string {
	return `What --set takes are the parameters of the endpoint export_cdr.php, which the server's docs/exports.md and /openapi.json list: direction, answered, hangup_cause, min_billsec, delimiter, date_format and more. One that the server does not know is an error.

FILE is written as FILE.part beside it, and gets its name once its SHA-256 is the one that the export has. A connection that breaks off is made again, and the download goes on where it ended. All but the rows goes to standard error, so that -o - can stand before a pipe. The file can be read by you alone.

` + statusHelp + `

Example: trunkline cdr export --date-start 2026-01-01 --date-end 2026-01-31 --domain pbx.example --columns billing -o january.csv.gz

Example: trunkline cdr export --date-start 2026-01-31 --date-end 2026-01-31 --format csv --set answered=true --set delimiter=tab -o -`
}

func (c cdrExportCommand) Run(s *session) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	to, err := s.target(c.Output)
	if err != nil {
		return err
	}
	defer to.leave()
	job, err := s.api.Ask(s.ctx, client.Request{Method: http.MethodPost, Path: exportPath, Form: form, IdempotencyKey: newKey()})
	switch {
	case err != nil && s.ctx.Err() != nil:
		return &commandline.Ended{Status: statusInterrupted, Err: errors.New("interrupted before the answer came; " + whetherAccepted)}
	case err != nil && client.Unclear(err):
		return fmt.Errorf("%w; %s", s.worded(err), whetherAccepted)
	case err != nil:
		return s.worded(err)
	}
	if len(job.Ignored) > 0 {
		return s.unknown(job)
	}
	return s.save(job, to, false)
}

const whetherAccepted = "trunkline jobs list --kind export shows whether the export was accepted"

// form are the parameters of the request.
func (c cdrExportCommand) form() (url.Values, error) {
	form := url.Values{}
	for name, value := range map[string]string{
		"date_start": c.DateStart, "date_end": c.DateEnd, "time_zone": c.TimeZone, "tenant_domain": c.Domain,
		"format": c.format(), "compression": c.compression(), "columns": c.Columns, "template": c.Template,
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	return form, addSet(form, c.Set)
}

// addSet adds the parameters that --set gives, as NAME=VALUE.
func addSet(form url.Values, set []string) error {
	for _, given := range set {
		name, value, found := strings.Cut(given, "=")
		switch {
		case !found || name == "":
			return fmt.Errorf("--set %s: write NAME=VALUE, such as --set direction=inbound", visible(given))
		case form.Has(name):
			return fmt.Errorf("--set %s: it is there already, by a flag of its own or by another --set; give it once", visible(name))
		case slices.Contains(ownParameters, name):
			return fmt.Errorf("--set %s: the command sees to that itself; leave it out", visible(name))
		}
		form.Set(name, value)
	}
	return nil
}

// ownParameters are not for --set: how long the server waits, which request it is, and who asks.
var ownParameters = []string{"wait", "idempotency_key", "username", "password"}

// formatsOf and compressionsOf are how a file is written by what its name ends in.
var (
	formatsOf      = map[string]string{".csv": "csv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".xml": "xml", ".parquet": "parquet"}
	compressionsOf = map[string]string{".gz": "gzip", ".zst": "zstd"}
)

// compression is the compression to ask for; "" is none.
func (c cdrExportCommand) compression() string {
	if c.Compress != "" {
		return c.Compress
	}
	return compressionsOf[strings.ToLower(filepath.Ext(c.Output))]
}

// format is the format to ask for; "" leaves it to the server.
func (c cdrExportCommand) format() string {
	if c.Format != "" || c.Template != "" {
		return c.Format
	}
	name := strings.ToLower(c.Output)
	if packed := filepath.Ext(name); compressionsOf[packed] != "" {
		name = strings.TrimSuffix(name, packed)
	}
	return formatsOf[filepath.Ext(name)]
}

// unknown ends an export of which the server has passed over a part: what it holds is not what was asked for.
func (s *session) unknown(job client.Job) error {
	if !job.Done {
		if _, err := s.api.Cancel(s.ctx, job.JobID); err != nil {
			s.tell("job %s goes on: %s", visible(job.JobID), visible(err.Error()))
		}
	}
	return fmt.Errorf("--set %s: the server knows no such parameter; its /openapi.json lists those of %s", visible(strings.Join(job.Ignored, ", ")), exportPath)
}

type cdrDownloadCommand struct {
	Job    string `arg:"" name:"id" help:"The id of the export's job."`
	Output string `short:"o" default:"-" placeholder:"FILE" help:"Where to write it; - is standard output."`
}

func (cdrDownloadCommand) Help() string {
	return `An export that is not finished is waited for. If there is a FILE.part the download goes on behind it.

` + statusHelp + `

Example: trunkline cdr download 0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11 -o january.csv`
}

func (c cdrDownloadCommand) Run(s *session) error {
	id, err := jobID(c.Job)
	if err != nil {
		return err
	}
	to, err := s.target(c.Output)
	if err != nil {
		return err
	}
	defer to.leave()
	job, err := s.api.Job(s.ctx, id)
	if err != nil {
		return s.worded(err)
	}
	if job.Kind != "export" {
		return fmt.Errorf("job %s is no export, and has no file; trunkline jobs list --kind export shows those", visible(id))
	}
	return s.save(job, to, true)
}

// save follows an export to its end, and writes its file. resume says that what is in FILE.part may be its beginning.
func (s *session) save(job client.Job, to target, resume bool) error {
	again := "trunkline cdr download " + visible(job.JobID) + " -o " + visible(to.name())
	ended, err := s.follow(job)
	if interrupted, ok := errors.AsType[*commandline.Ended](err); ok {
		return &commandline.Ended{Status: interrupted.Status, Err: fmt.Errorf("%w; %s gets its file", err, again)}
	}
	if err != nil {
		return err
	}
	if err := endOf(ended); err != nil {
		return err
	}
	var file exportFile
	if err := json.Unmarshal(ended.Result, &file); err != nil {
		return fmt.Errorf("reading the result of job %s: %w", visible(job.JobID), err)
	}
	if file.SHA256 == "" {
		return fmt.Errorf("the result of job %s tells of no file; the server should be of this version or a later one", visible(job.JobID))
	}
	file.path = "/v1/exports/" + url.PathEscape(job.JobID) + "/file"
	if err := s.fetch(file, to, resume, again); err != nil {
		return err
	}
	s.tell("%d rows, %d bytes, SHA-256 %s%s", file.Rows, file.Bytes, visible(file.SHA256), to.said())
	return nil
}

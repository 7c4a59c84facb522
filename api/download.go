package api

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// leastDownloadRate is what a caller who downloads must manage on average, in bytes a second.
const leastDownloadRate = 16 << 10

// downloadLink is the signed link to the job's file and when it expires: after DownloadTTL, and no
// later than the file is deleted. Both are "" where that is over.
func (s *Server) downloadLink(job tasks.Job, result cdr.Result) (link, expires string) {
	now := time.Now()
	if !result.ExpiresAt.After(now) {
		return "", ""
	}
	until := now.Add(s.settings.DownloadTTL)
	if result.ExpiresAt.Before(until) {
		until = result.ExpiresAt
	}
	query := url.Values{
		"expires":   {strconv.FormatInt(until.Unix(), 10)},
		"signature": {s.tasks.Keys().DownloadSignature(job.ID, job.DomainUUID, until.Unix())},
	}
	return s.settings.PublicURL + "/v1/exports/" + job.ID + "/file?" + query.Encode(), documentedTime(until)
}

// download sends an export's file to whoever has its link, or may see its job.
func (s *Server) download(r *request) error {
	job, err := s.downloadableJob(r)
	if err != nil {
		return err
	}
	if job.Kind != tasks.KindExport {
		return fault.Errorf(fault.NotFound, "there is no such export")
	}
	if !job.State.Done() {
		return &fault.Error{Code: fault.JobState, Message: "the export is " + string(job.State) + "; download it when it has succeeded", JobID: job.ID}
	}
	if err := endOf(job); err != nil {
		return err
	}
	result, err := exportResultOf(job)
	if err != nil {
		return err
	}
	return r.serveExport(job, result)
}

// downloadableJob is the job of the path, for its link or else for a user's credentials. A link that
// is no good says the same whether or not there is such a job.
func (s *Server) downloadableJob(r *request) (tasks.Job, error) {
	ctx, id := r.context(), r.c.Param("id")
	if !r.hasLink() {
		return r.jobOfPath()
	}
	signature := r.c.Query("signature")
	invalid := fault.Errorf(fault.InvalidLink, "this download link is not valid; ask for the job again to get a new one")
	expires, err := strconv.ParseInt(r.c.Query("expires"), 10, 64)
	if err != nil {
		return tasks.Job{}, invalid
	}
	job, err := s.job(ctx, id, tenant.All)
	var unknown *fault.Error
	if errors.As(err, &unknown) {
		return tasks.Job{}, invalid
	}
	if err != nil {
		return tasks.Job{}, err
	}
	if !s.tasks.Keys().ValidDownload(job.ID, job.DomainUUID, expires, signature) {
		return tasks.Job{}, invalid
	}
	if time.Now().Unix() >= expires {
		return tasks.Job{}, fault.Errorf(fault.LinkExpired, "this download link has expired; ask for the job again to get a new one")
	}
	return job, nil
}

// hasLink reports whether the request comes by a download's link, which stands in for credentials.
func (r *request) hasLink() bool {
	_, signed := r.c.GetQuery("signature")
	return signed
}

// serveExport sends the file, or the range of it that is asked for.
func (r *request) serveExport(job tasks.Job, result cdr.Result) error {
	file, format, err := r.s.o.Exporter.Open(r.context(), job.ID, result)
	if err != nil {
		return err
	}
	defer file.Close()
	digest, err := hex.DecodeString(result.SHA256)
	if err != nil {
		return fmt.Errorf("reading the hash of job %s: %w", job.ID, err)
	}
	// The server's own time-out is for answers, not for files.
	enough := answerTimeout + time.Duration(result.Bytes/leastDownloadRate)*time.Second
	if err := http.NewResponseController(r.c.Writer).SetWriteDeadline(time.Now().Add(enough)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("preparing a download: %w", err)
	}
	inBase64 := base64.StdEncoding.EncodeToString(digest)
	header := r.c.Writer.Header()
	header.Set("Content-Type", format.ContentType())
	header.Set("Content-Disposition", `attachment; filename="cdr-`+job.ID+`.`+format.Extension()+`"`)
	header.Set("ETag", `"`+result.SHA256+`"`)
	header.Set("Digest", "sha-256="+inBase64)
	header.Set("Repr-Digest", "sha-256=:"+inBase64+":")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "private, no-store")
	finished := time.Time{}
	if job.FinishedAt != nil {
		finished = *job.FinishedAt
	}
	http.ServeContent(r.c.Writer, r.c.Request, "", finished, file)
	return nil
}

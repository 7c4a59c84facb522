package cdrs

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/access"
	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/link"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// ExportResult is an export's result together with a fresh link to its file.
type ExportResult struct {
	cdr.Result
	DownloadURL     string `json:"download_url,omitempty"`                        // a fresh link
	DownloadExpires string `json:"download_expires,omitempty" format:"date-time"` // when it ends
	// Deliveries are where the file is brought, and how each stands.
	Deliveries []Delivered `json:"deliveries,omitempty"`
}

// Show is how callers see the result of an export. The link to its file is for those who may export.
func (s *Service) Show(r *web.Request, job tasks.Job) (any, error) {
	result, err := jobs.ResultOf[cdr.Result](job)
	if err != nil {
		return nil, err
	}
	shown := ExportResult{Result: result}
	if r.Caller.May(token.ScopeExport) {
		shown.DownloadURL, shown.DownloadExpires = s.downloadLink(r.Caller, job, result)
	}
	shown.Deliveries, err = s.deliveries(r, job)
	return shown, err
}

// Link is a signed link to an export's file.
type Link struct {
	URL     string
	Expires string // when it ends
}

// Links are fresh links to the files of exports, by the ids of their jobs, for a caller who may export and see those jobs.
// An export that has not succeeded has none, nor one whose file is gone.
func (s *Service) Links(r *web.Request, jobIDs []string) (map[string]Link, error) {
	links := map[string]Link{}
	if len(jobIDs) == 0 || !r.Caller.May(token.ScopeExport) {
		return links, nil
	}
	found, err := s.tasks.Several(r.Context(), jobIDs, r.Caller.Domains)
	if err != nil {
		return nil, err
	}
	for id, job := range found {
		if job.Kind != tasks.KindExport || job.State != tasks.StateSucceeded {
			continue
		}
		result, err := jobs.ResultOf[cdr.Result](job)
		if err != nil {
			return nil, err
		}
		if address, expires := s.downloadLink(r.Caller, job, result); address != "" {
			links[id] = Link{address, expires}
		}
	}
	return links, nil
}

// downloadLink is the signed link to the job's file that the caller gets, and when it expires: after
// DownloadTTL, and no later than the file is deleted. Both are "" if that is over. It names the caller, since it
// is good for no longer than they are.
func (s *Service) downloadLink(by access.Caller, job tasks.Job, result cdr.Result) (url, expires string) {
	until := link.Until(s.settings.DownloadTTL, result.ExpiresAt)
	if !until.After(time.Now()) {
		return "", ""
	}
	to := link.Link{JobID: job.ID, DomainUUID: job.DomainUUID, By: by.ID, Until: until}
	return to.URL(s.tasks.Keys(), s.settings.PublicURL), web.Time(until)
}

// download sends an export's file to whoever has its link, or may see its job.
func (s *Service) download(r *web.Request) error {
	if !r.HasLink() {
		return s.Download(r)
	}
	job, err := s.linkedJob(r)
	if err != nil {
		return err
	}
	return s.send(r, job)
}

// Download sends the file of the path's export to a caller who may export and see it.
func (s *Service) Download(r *web.Request) error {
	job, err := s.jobs.OfPath(r)
	if err != nil {
		return err
	}
	return s.send(r, job)
}

// send sends the file of an export's job.
func (s *Service) send(r *web.Request, job tasks.Job) error {
	result, err := fileOf(job)
	if err != nil {
		return err
	}
	if sent, err := s.redirect(r, job, result); sent || err != nil {
		return err
	}
	return s.serve(r, r.HTTP(), job, result, export.None)
}

// fileOf is the file that the export of the job has made, or why there is none.
func fileOf(job tasks.Job) (cdr.Result, error) {
	if job.Kind != tasks.KindExport {
		return cdr.Result{}, fault.Errorf(fault.NotFound, "there is no such export")
	}
	if !job.State.Done() {
		return cdr.Result{}, &fault.Error{Code: fault.JobState, Message: "the export is " + string(job.State) + "; it has a file when it has succeeded", JobID: job.ID}
	}
	if err := jobs.EndOf(job); err != nil {
		return cdr.Result{}, err
	}
	return jobs.ResultOf[cdr.Result](job)
}

// Manifest is what stands beside the file of the path's export.
func (s *Service) Manifest(r *web.Request) (m cdr.Manifest, err error) {
	job, err := s.jobs.OfPath(r)
	if err != nil {
		return m, err
	}
	result, err := fileOf(job)
	if err != nil {
		return m, err
	}
	return s.exporter.Manifest(r.Context(), job.ID, result)
}

// Link is a fresh signed link to the file of the path's export.
func (s *Service) Link(r *web.Request) (Link, error) {
	job, err := s.jobs.OfPath(r)
	if err != nil {
		return Link{}, err
	}
	result, err := fileOf(job)
	if err != nil {
		return Link{}, err
	}
	made := Link{}
	if made.URL, made.Expires = s.downloadLink(r.Caller, job, result); made.URL == "" {
		return Link{}, &fault.Error{Code: fault.Gone, Message: "the file of this export was deleted when its time was up; export again", JobID: job.ID}
	}
	return made, nil
}

// redirectLife is how long the link lives by which somebody is sent to the bucket, and may be used by whoever has it.
const redirectLife = time.Minute

// redirect sends whoever asks for all of the file to the bucket, if there is one and they are to be. Whoever asks for a part
// of it, or whether it is still the same, compares with the ETag that we give it, which the bucket does not know.
func (s *Service) redirect(r *web.Request, job tasks.Job, result cdr.Result) (sent bool, err error) {
	asked := r.HTTP()
	if !s.settings.ExportStoreRedirect || asked.Method != http.MethodGet || conditional(asked) {
		return false, nil
	}
	link, err := s.exporter.Link(asked.Context(), job.ID, result, redirectLife, map[string]string{
		"content-type": export.ContentType(result.Format, result.Compression), "content-disposition": disposition(job, result), "cache-control": uncached,
	})
	if err != nil || link == "" {
		return false, err
	}
	header := r.Writer().Header()
	header.Set("Location", link)
	header.Set("Cache-Control", uncached)
	header.Set("Referrer-Policy", "no-referrer")
	r.Writer().WriteHeader(http.StatusFound)
	return true, nil
}

// uncached is the Cache-Control of files: nobody on the way keeps them.
const uncached = "private, no-store"

// disposition is the Content-Disposition of an export's file.
func disposition(job tasks.Job, result cdr.Result) string {
	return `attachment; filename="cdr-` + job.ID + `.` + export.Extension(result.Format, result.Compression) + `"`
}

// linkedJob is the job of the path, for its link. One that is no good says the same whether or not there is such a job.
func (s *Service) linkedJob(r *web.Request) (tasks.Job, error) {
	job, err := s.tasks.Get(r.Context(), r.Path("id"), tenant.All)
	if err != nil && !errors.Is(err, tasks.ErrNotFound) {
		return tasks.Job{}, err
	}
	given, signed := link.Signed(s.tasks.Keys(), job.ID, job.DomainUUID, r.HTTP().URL.Query())
	switch {
	case err != nil || !signed:
		return tasks.Job{}, fault.Errorf(fault.InvalidLink, "this download link is not valid; ask for the job again to get a new one")
	case !time.Now().Before(given.Until):
		return tasks.Job{}, fault.Errorf(fault.LinkExpired, "this download link has expired; ask for the job again to get a new one")
	}
	return job, s.stillGives(r, given.By, job)
}

// stillGives fails if a link died with what it came from: whoever was given it may no longer export the job's
// domain, or that domain is disabled.
func (s *Service) stillGives(r *web.Request, by string, job tasks.Job) error {
	good, err := s.mayHave(r, by, job)
	if err == nil && good && job.DomainUUID != "" {
		domains, err := s.db.Domains(r.Context(), []string{job.DomainUUID})
		if err != nil {
			return err
		}
		good = len(domains) == 1 && domains[0].Enabled
	}
	if err == nil && !good {
		err = fault.Errorf(fault.InvalidLink, "this download link has ended with the user, the token, the destination or the domain that it was for; ask for the job again to get a new one")
	}
	return err
}

// mayHave reports whether that user, token or destination may have the job's file now.
func (s *Service) mayHave(r *web.Request, by string, job tasks.Job) (bool, error) {
	_, err := s.destinations.Use(r.Context(), by, job.DomainUUID)
	switch {
	case err == nil:
		return true, nil
	case fault.Is(err, fault.Forbidden), fault.Is(err, fault.Conflict): // there is such a destination
		return false, nil
	case !fault.Is(err, fault.NotFound):
		return false, err
	}
	holder, err := r.Holder(by)
	return err == nil && holder.May(token.ScopeExport) && holder.Domains.HoldUUID(job.DomainUUID), err
}

// serve sends the file, or what the request's headers ask for of it; with a coding, all of it, packed so.
func (s *Service) serve(r *web.Request, asked *http.Request, job tasks.Job, result cdr.Result, coding export.Compression) error {
	leave, err := s.downloads.take(access.Network(r.Address))
	if err != nil {
		return err
	}
	defer leave()
	gone, err := r.Place(web.AtOnceDownloads, job.DomainUUID)
	if err != nil {
		return err
	}
	defer gone()
	file, err := s.exporter.Open(r.Context(), job.ID, result)
	if err != nil {
		return err
	}
	defer file.Close()
	digest, err := hex.DecodeString(result.SHA256)
	if err != nil {
		return fmt.Errorf("reading the hash of job %s: %w", job.ID, err)
	}
	inBase64 := base64.StdEncoding.EncodeToString(digest)
	header := r.Writer().Header()
	header.Set("Content-Type", export.ContentType(result.Format, result.Compression))
	header.Set("Content-Disposition", disposition(job, result))
	header.Set("ETag", `"`+result.SHA256+`"`)
	header.Set("Digest", "sha-256="+inBase64)
	header.Set("Repr-Digest", "sha-256=:"+inBase64+":")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", uncached)
	header.Set("Vary", "Accept, Accept-Encoding")
	finished := time.Time{}
	if job.FinishedAt != nil {
		finished = *job.FinishedAt
	}
	answer := keepPace(r.FileWriter())
	source := answer.source(file)
	if coding != export.None {
		if err := encoded(answer, source, coding); answer.err == nil {
			return err
		}
		return answer.tooSlow()
	}
	http.ServeContent(answer, asked, "", finished, source)
	return answer.tooSlow()
}

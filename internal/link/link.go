// Package link is the signed links by which exports' files are downloaded without credentials. It knows nothing of what is
// behind one, nor of whether whoever was given it may still have it.
package link

import (
	"net/url"
	"strconv"
	"time"

	"trunkline/internal/sealing"
)

// Link is the link to the file of an export's job, of that domain ("": of all), which was given to whoever has the id By: a
// user, a token, or a destination. It is good until then, to the second.
type Link struct {
	JobID, DomainUUID, By string
	Until                 time.Time
}

// Until is how long a link that is made now is good: for that time, and no longer than its file is there. It is over by now if
// there is none.
func Until(life time.Duration, fileGone time.Time) time.Time {
	if until := time.Now().Add(life); until.Before(fileGone) {
		return until
	}
	return fileGone
}

// holder is who a link is for: a tenant, by the one who was given it.
func (l Link) holder() string { return l.DomainUUID + "|" + l.By }

// URL is the link, signed.
func (l Link) URL(keys *sealing.Keys, publicURL string) string {
	query := url.Values{
		"by":        {l.By},
		"expires":   {strconv.FormatInt(l.Until.Unix(), 10)},
		"signature": {keys.DownloadSignature(l.JobID, l.holder(), l.Until.Unix())},
	}
	return publicURL + "/v1/exports/" + l.JobID + "/file?" + query.Encode()
}

// Signed reads from a URL's query to whom the link to the job's file was given and until when it is good, which may be over.
// ok: it was signed so.
func Signed(keys *sealing.Keys, jobID, domainUUID string, query url.Values) (l Link, ok bool) {
	expires, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	l = Link{JobID: jobID, DomainUUID: domainUUID, By: query.Get("by"), Until: time.Unix(expires, 0)}
	return l, err == nil && keys.ValidDownload(jobID, l.holder(), expires, query.Get("signature"))
}

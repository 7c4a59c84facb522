package bucket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"regexp"

	"github.com/minio/minio-go/v7"

	"trunkline/internal/fault"
)

// The rights that a key needs, as policies call them.
const (
	rightPut         = "s3:PutObject"
	rightGet         = "s3:GetObject"
	rightDelete      = "s3:DeleteObject"
	rightList        = "s3:ListBucket"
	rightListUploads = "s3:ListBucketMultipartUploads"
	rightAbort       = "s3:AbortMultipartUpload"
)

// errDenied is beneath the faults that say that the key lacks a right.
var errDenied = errors.New("access denied")

// refused is what is wrong as long as nobody changes it.
func refused(format string, args ...any) *fault.Error {
	return fault.Errorf(fault.NotWritable, format, args...)
}

// passing is what may be over in a moment.
func passing(err error, format string, args ...any) *fault.Error {
	return &fault.Error{Code: fault.Unavailable, Message: fmt.Sprintf(format, args...), Passes: true, Cause: err}
}

// explain says in an operator's words why what needs that right was not done. What a server says is not shown: it is anybody's
// text.
func (b *Bucket) explain(ctx context.Context, err error, right string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if worded, is := errors.AsType[*fault.Error](err); is {
		return worded
	}
	if said, is := errors.AsType[minio.ErrorResponse](err); is {
		return b.explainAnswer(said, right)
	}
	return b.explainConnection(err)
}

// codePattern matches what a server may call an error.
var codePattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (b *Bucket) explainAnswer(said minio.ErrorResponse, right string) error {
	where := b.location
	code := said.Code
	if !codePattern.MatchString(code) {
		code = http.StatusText(said.StatusCode)
	}
	if said.StatusCode == 0 {
		return passing(said, "%s: the server's answer cannot be read; see that the endpoint is one of S3", where)
	}
	if said.StatusCode == statusStoodStill {
		return b.stalled()
	}
	switch code {
	case "NoSuchKey", "NoSuchUpload":
		return fmt.Errorf("%s: %w", where, fs.ErrNotExist)
	case "NoSuchBucket":
		return refused("%s: there is no such bucket; make it, or correct its name, region or endpoint", where)
	case "InvalidAccessKeyId", "InvalidAccessKey":
		return refused("%s: the server does not know the access key; correct it", where)
	case "SignatureDoesNotMatch":
		return refused("%s: the secret key is not the access key's; correct it", where)
	case "RequestTimeTooSkewed":
		return refused("%s: the server's clock and that of this host are too far apart; have this host's set by NTP", where)
	case "AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		if regionPattern.MatchString(said.Region) && said.Region != where.region() {
			return refused("%s: the bucket is in the region %s and not in %s; correct the region", where, said.Region, where.region())
		}
		return refused("%s: the bucket is not in the region %s, or another server has it; correct the region or the endpoint", where, where.region())
	case "AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden":
		return &fault.Error{Code: fault.NotWritable, Cause: errors.Join(errDenied, said),
			Message: fmt.Sprintf("%s: the key may not do %s there; allow it in the policy of its user or of the bucket", where, right)}
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity", "EntityTooLarge":
		return fault.Errorf(fault.InsufficientStorage, "%s: the server has no room for the file (%s); make room there, or raise the quota", where, code)
	case "BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "IncompleteBody":
		return passing(said, "%s: bytes were changed on their way (%s); it is tried again", where, code)
	case "InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted": // these may come with 200
		return passing(said, "%s: the server cannot do it now (%s); it is tried again", where, code)
	}
	switch {
	case said.StatusCode >= 500 && said.StatusCode != http.StatusNotImplemented, said.StatusCode == http.StatusTooManyRequests, said.StatusCode == http.StatusRequestTimeout,
		said.StatusCode == http.StatusConflict:
		return passing(said, "%s: the server cannot do it now (%d %s); it is tried again", where, said.StatusCode, code)
	case said.StatusCode == http.StatusForbidden:
		return refused("%s: the server refuses the key (%s); see what it may do there: %s is needed", where, code, right)
	}
	return &fault.Error{Code: fault.ServerError, Cause: said, Message: fmt.Sprintf(
		"%s: the server does not do it (%d %s); see that the endpoint is one of S3, and what the server's log says", where, said.StatusCode, code)}
}

// stalled is what is said of a server that stands still.
func (b *Bucket) stalled() *fault.Error {
	return passing(errStoodStill, "%s: %s stands still: it takes nothing, or does not answer; see what the server is at, and the way to it", b.location, b.location.Host())
}

func (b *Bucket) explainConnection(err error) error {
	host, secure := b.location.server()
	if errors.Is(err, errStoodStill) {
		return b.stalled()
	}
	if certificate, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return &fault.Error{Code: fault.NotWritable, Cause: err, Message: fmt.Sprintf(
			"%s: the certificate of %s is not accepted: %v; have the server show one that a known authority has signed for its name", b.location, host, certificate.Err)}
	}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain || secure && errors.Is(err, http.ErrSchemeMismatch) {
		return refused("%s: what answers at %s does not speak TLS; correct the port, or have it do so (an export store alone may be reached without, by http://)", b.location, host)
	}
	if name, is := errors.AsType[*net.DNSError](err); is && name.IsNotFound {
		return &fault.Error{Code: fault.NotWritable, Cause: err, Message: fmt.Sprintf("%s: there is no host %s; correct the endpoint or the region", b.location, host)}
	}
	if _, asked := errors.AsType[*url.Error](err); !asked {
		if _, broken := errors.AsType[net.Error](err); !broken && !errors.Is(err, io.ErrUnexpectedEOF) {
			return passing(err, "%s: what %s answers cannot be read; see that it is a server of S3", b.location, host)
		}
	}
	return passing(err, "%s: %s does not answer; see that it runs and is reached from here", b.location, host)
}

// denied reports whether the key lacks a right.
func denied(err error) bool { return errors.Is(err, errDenied) }

// exists reports whether the server refused to write where a file is.
func exists(err error) bool {
	said, is := errors.AsType[minio.ErrorResponse](err)
	return is && said.StatusCode == http.StatusPreconditionFailed
}

// knowsNoConditions reports whether the server says that it does not do what If-None-Match asks for.
func knowsNoConditions(err error) bool {
	said, is := errors.AsType[minio.ErrorResponse](err)
	return is && said.StatusCode == http.StatusNotImplemented
}

package s3

import (
	"cmp"
	"errors"
	"strings"

	"trunkline/internal/bucket"
	"trunkline/internal/delivery"
	"trunkline/internal/fault"
)

// Settings are how a bucket is reached.
type Settings struct {
	Bucket    string `json:"bucket" about:"Its name."`
	Folder    string `json:"folder,omitempty" about:"In the bucket; left out: its top."`
	Region    string `json:"region,omitempty" about:"The bucket's, such as eu-central-1; with an endpoint it may be left out."`
	Endpoint  string `json:"endpoint,omitempty" about:"A server other than Amazon's: https://host or https://host:port."`
	PathStyle bool   `json:"path_style,omitempty" about:"true: the bucket is named in the path of requests, and not in the host. Servers other than Amazon's, Google's and Alibaba's get that anyway."`
}

// secure begins an endpoint: call records are not sent without TLS.
const secure = "https://"

// Check refuses settings that cannot be. The error names the parameter.
func (s Settings) Check() error {
	if s.Bucket == "" {
		return fault.Missing("bucket")
	}
	if err := delivery.CheckFolder(strings.TrimSuffix(s.Folder, "/")); err != nil {
		return fault.Invalid("folder", "%w", err)
	}
	err := s.location().Check() // which names the parameter
	switch {
	case errors.Is(err, bucket.ErrCredentials):
		return fault.Invalid("endpoint", "holds credentials; send them as access_key and secret_key alone")
	case err != nil:
		return fault.Errorf(fault.InvalidRequest, "%w", err)
	case s.Endpoint != "" && !strings.HasPrefix(s.Endpoint, secure):
		return fault.Invalid("endpoint", "is not one of https://, and call records are sent nowhere without TLS")
	}
	return nil
}

// location is where files are put.
func (s Settings) location() bucket.Location {
	l := bucket.Location{Bucket: s.Bucket, Prefix: strings.TrimSuffix(s.Folder, "/"), Region: s.Region, Endpoint: strings.TrimSuffix(s.Endpoint, "/")}
	if l.Prefix != "" {
		l.Prefix += "/"
	}
	if s.PathStyle {
		l.PathStyle = &s.PathStyle
	}
	return l
}

// Reached says where requests are sent that are signed with the credentials.
func (s Settings) Reached() string { return cmp.Or(s.location().Endpoint, "Amazon S3") }

// Credentials are those of whoever may write into the bucket.
type Credentials struct {
	AccessKey string `json:"access_key,omitempty" about:"The access key."`
	SecretKey string `json:"secret_key,omitempty" about:"The secret key that belongs to it."`
}

// maxKey is how long a key may be, in bytes.
const maxKey = 255

// Check refuses credentials that cannot be used. The error names the parameter, and holds nothing of them.
func (c Credentials) Check() error {
	switch {
	case c.AccessKey == "":
		return fault.Missing("access_key")
	case c.SecretKey == "":
		return fault.Missing("secret_key")
	}
	return cmp.Or(delivery.CheckLine("access_key", c.AccessKey, maxKey), delivery.CheckLine("secret_key", c.SecretKey, maxKey))
}

// Package s3 delivers files to a bucket of S3 or its likes.
package s3

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"trunkline/internal/bucket"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

// Sender is a bucket. It implements delivery.Sender.
type Sender struct {
	files *bucket.Bucket
	host  string // for people
}

// New returns a sender; nothing is connected to yet. authorities is a file as TRUNKLINE_DELIVERY_CA names it, "" for none.
func New(guard dial.Guard, authorities string, s Settings, c Credentials) (*Sender, error) {
	roots, err := dial.Authorities(authorities)
	if err != nil {
		return nil, err
	}
	location := s.location()
	files, err := bucket.Open(location, bucket.Options{
		AccessKey: c.AccessKey, SecretKey: c.SecretKey, Roots: roots,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := guard.Dial(ctx, network, address)
			if worded := dial.Fault(hostOf(address), err); worded != nil {
				return nil, worded
			}
			return conn, err
		},
	})
	if err != nil {
		return nil, fault.Errorf(fault.InvalidRequest, "%w", err)
	}
	return &Sender{files: files, host: location.Host()}, nil
}

// hostOf is an address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// Deliver implements delivery.Sender.
func (s *Sender) Deliver(ctx context.Context, content delivery.Content) (delivery.Receipt, error) {
	if err := delivery.CheckName(content.Name); err != nil {
		return delivery.Receipt{}, fault.Errorf(fault.InvalidRequest, "%w", err)
	}
	own := &ownFile{content: content}
	there, err := s.files.Put(ctx, content.Name, bucket.Content{Bytes: content.Bytes, SHA256: content.SHA256, Open: own.open})
	if own.failed != nil {
		return delivery.Receipt{}, own.failed
	}
	if err != nil {
		return delivery.Receipt{}, s.worded(ctx, err)
	}
	return delivery.Receipt{Where: s.files.Location().In(content.Name), There: there}, nil
}

// Test implements delivery.Sender.
func (s *Sender) Test(ctx context.Context) (delivery.Report, error) {
	if err := s.files.Check(ctx); err != nil {
		return delivery.Report{}, s.worded(ctx, err)
	}
	return delivery.Report{At: time.Now().UTC(), Message: "a file was put into the bucket, read and removed again"}, nil
}

// Close implements delivery.Sender.
func (s *Sender) Close() error {
	s.files.Close()
	return nil
}

// worded is an error as destinations of all kinds have it.
func (s *Sender) worded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if network := dial.Fault(s.host, err); network != nil {
		return network
	}
	said, worded := errors.AsType[*fault.Error](err)
	if !worded {
		return &fault.Error{Code: fault.ServerError, Passes: true, Cause: err, Message: s.host + ": the file could not be put there, and the log has the reason"}
	}
	switch said.Code {
	case fault.NotWritable: // for as long as nobody changes it
		return &fault.Error{Code: fault.DeliveryRefused, Message: said.Message, Cause: said}
	case fault.InsufficientStorage: // until somebody makes room there
		return &fault.Error{Code: said.Code, Message: said.Message, Cause: said, Passes: true}
	}
	return said
}

// ownFile is what is delivered. An error of reading it is nothing of the bucket's.
type ownFile struct {
	content delivery.Content
	*delivery.Reading
	failed error
}

func (f *ownFile) open(ctx context.Context) (io.ReadCloser, error) {
	f.Reading, f.failed = f.content.Read(ctx)
	return f, f.failed
}

// Read implements io.Reader.
func (f *ownFile) Read(into []byte) (int, error) {
	n, err := f.Reading.Read(into)
	if err != nil && !errors.Is(err, io.EOF) {
		f.failed = err
	}
	return n, err
}

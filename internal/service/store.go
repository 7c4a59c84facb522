package service

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"trunkline/internal/bucket"
	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/fault"
)

const (
	// markPatience is how long the start of a worker waits for the bucket of the export store.
	markPatience = 10 * time.Second
	// markInterval is how often a worker looks for a bucket that was away when it started.
	markInterval = 15 * time.Second
)

// ExportStore is where export files are kept. Nothing is connected to yet.
func ExportStore(s config.Settings) (cdr.Store, error) {
	folder := cdr.Folder{Dir: s.ExportDir, MinFreeBytes: uint64(s.ExportMinFreeBytes)}
	if s.ExportStore == "" {
		return folder, nil
	}
	files, err := ExportBucket(s)
	if err != nil {
		return nil, err
	}
	return cdr.Bucket{Files: files, Spool: folder}, nil
}

// ExportBucket is the bucket of the export store, if there is one.
func ExportBucket(s config.Settings) (*bucket.Bucket, error) {
	location, err := bucket.Parse(s.ExportStore.Reveal())
	if err != nil {
		return nil, fmt.Errorf("TRUNKLINE_EXPORT_STORE: %w", err)
	}
	o := bucket.Options{AccessKey: s.ExportStoreAccessKey.Reveal(), SecretKey: s.ExportStoreSecretKey.Reveal()}
	if s.ExportStoreCA != "" {
		if o.Roots, err = authorities(s.ExportStoreCA); err != nil {
			return nil, fmt.Errorf("TRUNKLINE_EXPORT_STORE_CA: %w", err)
		}
	}
	files, err := bucket.Open(location, o)
	if err != nil {
		return nil, fmt.Errorf("TRUNKLINE_EXPORT_STORE: %w", err)
	}
	return files, nil
}

// authorities are the certificates of a file.
func authorities(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; name a file of certificates (PEM) that can be read", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate; it must be a file of certificates (PEM)", file)
	}
	return pool, nil
}

// markStore leaves the worker's mark in the export store. A bucket that does not answer keeps no worker from its other jobs:
// keepMarking looks for it.
func (s *Service) markStore(ctx context.Context) error {
	late := &fault.Error{Code: fault.Unavailable, Passes: true, Message: fmt.Sprintf("TRUNKLINE_EXPORT_STORE: it does not answer within %s", markPatience)}
	limited, cancel := context.WithTimeoutCause(ctx, markPatience, late)
	defer cancel()
	err := s.exporter.MarkStore(limited)
	s.unmarked = fault.Passes(err)
	if s.unmarked {
		s.log.Warn("the export store does not answer; exports wait for it", "error", err)
		return nil
	}
	return err
}

// keepMarking leaves the mark once the store answers.
func (s *Service) keepMarking(ctx context.Context) error {
	tick := time.NewTicker(markInterval)
	defer tick.Stop()
	for s.unmarked {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.markStore(ctx); err != nil {
			s.unmarked = true
			s.log.Error("the export store cannot be used", "error", err)
		}
	}
	return nil
}

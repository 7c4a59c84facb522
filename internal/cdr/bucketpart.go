package cdr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"trunkline/internal/bucket"
	"trunkline/internal/fault"
)

const (
	// uploadPart is how many bytes are sent together, as soon as they are written. 156 GiB are the largest file.
	uploadPart = 16 << 20
	// uploadsAtOnce is how many such are on their way at a time, of one file.
	uploadsAtOnce = 3
	// namingTimeout bounds what gives a file its name, while the job's row is locked.
	namingTimeout = 5 * time.Minute
	// manifestBytes is more than a manifest has.
	manifestBytes = 1 << 20
	// endTimeout bounds the removal of what was sent or named, when all else has ended.
	endTimeout = 10 * time.Second
)

// bucketPart is a Part that is sent while it is written.
type bucketPart struct {
	*folderPart // the spool
	files       *bucket.Bucket
	upload      *bucket.Upload
	senders     *errgroup.Group
	send        func(span) error // sends a part, unless another one has failed
	sendingEnds func() error     // why no part is sent any more; nil: they are
	stop        func()           // ends the senders

	mu      sync.Mutex
	waiting []span // what is to be sent

	parts     int    // how many there are of the file so far
	queued    int64  // bytes of them
	mayBeSeen bool   // the file may have its name
	removed   []byte // the manifest of an older file of the name; nil: there was none
}

// span is a part of the spool.
type span struct {
	number        int
	offset, bytes int64
}

func newBucketPart(ctx context.Context, files *bucket.Bucket, spool *folderPart, upload *bucket.Upload) *bucketPart {
	ctx, stop := context.WithCancel(ctx)
	senders, sending := errgroup.WithContext(ctx)
	senders.SetLimit(uploadsAtOnce)
	return &bucketPart{
		folderPart: spool, files: files, upload: upload, senders: senders, stop: stop,
		send: func(s span) error {
			return upload.Put(sending, s.number, io.NewSectionReader(spool.File, s.offset, s.bytes), s.bytes)
		},
		sendingEnds: func() error { return context.Cause(sending) },
	}
}

// Write implements export.Out. Errors: those of the spool, and of what was sent meanwhile.
func (p *bucketPart) Write(content []byte) (int, error) {
	if err := p.sendingEnds(); err != nil {
		return 0, err
	}
	n, err := p.folderPart.Write(content)
	for err == nil && p.written-p.queued >= uploadPart {
		err = p.queue(uploadPart)
	}
	return n, err
}

// queue has so many more bytes of the spool be sent.
func (p *bucketPart) queue(bytes int64) error {
	if p.parts == bucket.MaxParts {
		return fault.Errorf(fault.InsufficientStorage, "the export is larger than %d GiB, which is the most that a file in the bucket may have; ask for less, or for a compression", int64(bucket.MaxParts)*uploadPart>>30)
	}
	p.parts++
	p.mu.Lock()
	p.waiting = append(p.waiting, span{p.parts, p.queued, bytes})
	p.mu.Unlock()
	p.queued += bytes
	p.senders.TryGo(p.sendWaiting) // else those that are under way send it, or Sync does
	return nil
}

// sendWaiting sends until nothing waits.
func (p *bucketPart) sendWaiting() error {
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 {
			p.mu.Unlock()
			return nil
		}
		next := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		if err := p.send(next); err != nil {
			return err
		}
	}
}

// Sync implements export.Out: it returns when the bucket has all that was written, and has said so of each part.
func (p *bucketPart) Sync() error {
	if rest := p.written - p.queued; rest > 0 {
		if err := p.queue(rest); err != nil {
			return err
		}
	}
	spooled := make(chan error, 1)
	go func() { spooled <- p.folderPart.Sync() }() // for the next attempt, should the power fail
	p.senders.Go(p.sendWaiting)
	err := p.senders.Wait()
	return errors.Join(err, <-spooled)
}

// Commit implements Part. The order is that of a folder: a file without a manifest is not whole, and the manifest of an older
// file never stands beside a newer one.
func (p *bucketPart) Commit(ctx context.Context, checksum, manifest []byte) error {
	if p.File == nil {
		return fmt.Errorf("export %s is already committed or discarded", p.name)
	}
	late := &fault.Error{Code: fault.Unavailable, Passes: true, Message: fmt.Sprintf("%s did not take the export's file within %s; it is tried again", p.files.Location(), namingTimeout)}
	limited, cancel := context.WithTimeoutCause(ctx, namingTimeout, late)
	defer cancel()
	if err := p.takeName(limited, checksum, manifest); err != nil {
		return errors.Join(fmt.Errorf("export %s: %w", p.name, err), p.unname())
	}
	p.stop()
	_ = p.closeFile()                                                               // what it held is in the bucket
	_ = errors.Join(removeIfThere(p.part), p.folder.removeParts(p.name, p.attempt)) // should they stay, they are deleted when a day old
	return nil
}

func (p *bucketPart) takeName(ctx context.Context, checksum, manifest []byte) error {
	if err := p.checkOurs(); err != nil {
		return err
	}
	// An attempt that was given up for lost, and that is only slow, cannot take the name any more.
	if err := p.upload.AbortOthers(ctx); err != nil {
		return err
	}
	if err := p.removeManifest(ctx); err != nil {
		return err
	}
	p.mayBeSeen = true
	if err := p.complete(ctx, checksum); err != nil {
		return err
	}
	if err := p.files.Write(ctx, p.name+checksumSuffix, checksum); err != nil {
		return err
	}
	return p.files.Write(ctx, p.name+manifestSuffix, manifest)
}

// removeManifest removes that of an older file.
func (p *bucketPart) removeManifest(ctx context.Context) (err error) {
	name := p.name + manifestSuffix
	p.removed, err = readSmall(ctx, p.files, name, manifestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return p.files.Delete(ctx, name)
}

func (p *bucketPart) complete(ctx context.Context, checksum []byte) error {
	if p.parts == 0 {
		return p.upload.CompleteEmpty(ctx)
	}
	sure, err := p.upload.Complete(ctx)
	if err != nil || sure {
		return err
	}
	sum, _, _ := strings.Cut(string(checksum), " ")
	return p.upload.ReadBack(ctx, sum)
}

// unname removes what a Commit that failed has left. A file of the name that is another attempt's stays, with its manifest: this
// one was given up for lost by a database that it does not reach any more, and the other has exported the file meanwhile.
func (p *bucketPart) unname() error {
	if !p.mayBeSeen {
		return nil
	}
	ending, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	ours, err := p.upload.Stands(ending)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("looking whose file it is: %w", err)
	case err == nil && !ours && p.removed != nil:
		return p.files.Write(ending, p.name+manifestSuffix, p.removed)
	case err == nil && !ours:
		return nil
	}
	var failed []error
	for _, name := range []string{p.name + manifestSuffix, p.name + checksumSuffix, p.name} {
		failed = append(failed, p.files.Delete(ending, name))
	}
	return errors.Join(failed...)
}

// Discard implements Part.
func (p *bucketPart) Discard() error {
	p.endSending()
	return p.folderPart.Discard()
}

// Leave implements Part. What was sent is of no use to the next attempt, and what was spooled is, on this host.
func (p *bucketPart) Leave() error {
	p.endSending()
	return p.folderPart.Leave()
}

func (p *bucketPart) endSending() {
	if p.File == nil {
		return
	}
	p.stop()
	_ = p.senders.Wait() // who waited for it knows its error
	ending, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_ = p.upload.Abort(ending) // should that fail, it is removed with what crashed attempts have left
}

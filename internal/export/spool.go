package export

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

const (
	// bufferSize is how many bytes are collected before they are hashed and written.
	bufferSize = 256 << 10
	// bufferSlack is room for the row that fills a buffer. A longer row makes its buffer grow, for once.
	bufferSlack = 32 << 10
	// bufferCount is how many buffers travel between formatting and writing: one being filled, one
	// being written, and two so that neither waits for a short delay of the other.
	bufferCount = 4
)

// spool hashes and writes buffers on a goroutine of its own, so that formatting need not wait for it.
type spool struct {
	to    io.Writer
	sum   hash.Hash
	bytes int64
	err   error // the first error of the goroutine; read it after failed or done

	full   chan []byte
	free   chan []byte
	failed chan struct{} // closed at the first error
	done   chan struct{} // closed when the goroutine has ended
}

func newSpool(to io.Writer) *spool {
	s := &spool{
		to:     to,
		sum:    sha256.New(),
		full:   make(chan []byte, bufferCount),
		free:   make(chan []byte, bufferCount),
		failed: make(chan struct{}),
		done:   make(chan struct{}),
	}
	for range bufferCount {
		s.free <- newBuffer()
	}
	go s.run()
	return s
}

func newBuffer() []byte { return make([]byte, 0, bufferSize+bufferSlack) }

func (s *spool) run() {
	defer close(s.done)
	for buffer := range s.full {
		if s.err == nil {
			s.sum.Write(buffer)
			if _, err := s.to.Write(buffer); err != nil {
				s.err = fmt.Errorf("writing: %w", err)
				close(s.failed)
			}
			s.bytes += int64(len(buffer))
		}
		if cap(buffer) > bufferSize+bufferSlack {
			buffer = newBuffer()
		}
		s.free <- buffer[:0]
	}
}

// swap hands a filled buffer over and returns an empty one, for which it waits if writing is slower
// than formatting. The goroutine holds at most bufferCount buffers, so handing over never waits.
func (s *spool) swap(ctx context.Context, buffer []byte) ([]byte, error) {
	s.full <- buffer
	return s.next(ctx)
}

// next returns an empty buffer.
func (s *spool) next(ctx context.Context) ([]byte, error) {
	select {
	case buffer := <-s.free:
		return buffer, nil
	case <-s.failed:
		return nil, s.err
	case <-ctx.Done():
		return nil, stopped(ctx)
	}
}

// close waits until all that was handed over is written, and ends the goroutine.
func (s *spool) close() error {
	close(s.full)
	<-s.done
	return s.err
}

package export

import "context"

// packer packs a reader's slices on a goroutine of its own, so that formatting need not wait for it.
type packer struct {
	in      chan unpacked
	buffers *buffers
	pack    resettable

	ctx    context.Context // of the run
	piece  *piece
	buffer []byte
	rows   int64
}

// unpacked is what a reader hands over: a chunk of a piece, or the piece's end.
type unpacked struct {
	piece *piece
	chunk chunk
	end   bool
}

func newPacker(ctx context.Context, c Compression, ahead int) (*packer, error) {
	p := &packer{in: make(chan unpacked, bufferCount), buffers: newBuffers(ahead), ctx: ctx}
	var err error
	p.pack, err = c.packing().pack(p)
	return p, err
}

// run packs until in is closed or ctx ends.
func (p *packer) run() error {
	for {
		select {
		case <-p.ctx.Done():
			return p.ctx.Err()
		case u, open := <-p.in:
			if !open {
				return nil
			}
			if err := p.take(u); err != nil {
				return err
			}
		}
	}
}

func (p *packer) take(u unpacked) error {
	if p.piece != u.piece {
		p.piece = u.piece
		p.pack.Reset(p)
	}
	if u.end {
		if err := p.pack.Close(); err != nil {
			return err
		}
		if err := p.send(); err != nil {
			return err
		}
		close(u.piece.chunks)
		return nil
	}
	p.rows += u.chunk.rows
	_, err := p.pack.Write(u.chunk.bytes)
	u.chunk.giveBack()
	return err
}

// Write takes packed bytes.
func (p *packer) Write(packed []byte) (int, error) {
	for rest := packed; len(rest) > 0; {
		if p.buffer == nil {
			var alive bool
			if p.buffer, alive = p.buffers.next(p.ctx.Done()); !alive {
				return 0, p.ctx.Err()
			}
		}
		n := min(len(rest), bufferSize-len(p.buffer))
		p.buffer, rest = append(p.buffer, rest[:n]...), rest[n:]
		if len(p.buffer) == bufferSize {
			if err := p.send(); err != nil {
				return 0, err
			}
		}
	}
	return len(packed), nil
}

// send sends the buffer on its way.
func (p *packer) send() error {
	if p.buffer == nil && p.rows == 0 {
		return nil
	}
	select {
	case p.piece.chunks <- chunk{p.buffer, p.rows, p.buffers.free}:
		p.buffer, p.rows = nil, 0
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

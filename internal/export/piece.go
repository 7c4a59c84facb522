package export

const (
	// bufferSize is how many bytes are collected before they go on their way.
	bufferSize = 256 << 10
	// bufferSlack is room for the row that fills a buffer. A longer row makes its buffer grow, for once.
	bufferSlack = 32 << 10
	// bufferCount is how many buffers travel between formatting and writing: one being filled, one
	// being written, and two so that neither waits for a short delay of the other.
	bufferCount = 4
	// aheadBuffers is how many of them a connection may fill whose slice is not the next to be written.
	aheadBuffers = 32
)

// piece is a slice on its way into the file.
type piece struct {
	span   Span
	first  bool
	last   bool       // the span is all that is left: the slice ends with its last row
	kept   *Slice     // that stands in an earlier part; nil: it comes as chunks
	chunks chan chunk // closed at its end, before which the rest is set
	slice  Slice
	note   []byte
}

// chunk is some of a piece's bytes.
type chunk struct {
	bytes []byte
	rows  int64
	free  chan<- []byte // takes the buffer back
}

func newPiece(span Span, first bool, ahead int) *piece {
	return &piece{span: span, first: first, chunks: make(chan chunk, ahead)}
}

// buffers are those of one sender, who waits for one when all are on their way.
type buffers struct {
	free chan []byte
	made int
}

func newBuffers(count int) *buffers { return &buffers{free: make(chan []byte, count)} }

// next returns an empty buffer.
func (b *buffers) next(done <-chan struct{}) ([]byte, bool) {
	select {
	case buffer := <-b.free:
		return buffer, true
	default:
	}
	if b.made < cap(b.free) {
		b.made++
		return newBuffer(), true
	}
	select {
	case buffer := <-b.free:
		return buffer, true
	case <-done:
		return nil, false
	}
}

func newBuffer() []byte { return make([]byte, 0, bufferSize+bufferSlack) }

// giveBack returns a buffer whose bytes are written; one that has grown is replaced.
func (c chunk) giveBack() {
	buffer := c.bytes
	if cap(buffer) > bufferSize+bufferSlack {
		buffer = newBuffer()
	}
	c.free <- buffer[:0]
}

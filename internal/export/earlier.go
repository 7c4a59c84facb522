package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/version"
)

// compareEarlier says which slices of earlier attempts hold what the transaction sees, and are taken over. Errors:
// ErrOutdated.
func (w *writer) compareEarlier(ctx context.Context, tx pgx.Tx) ([]bool, error) {
	earlier := w.o.Earlier
	if len(earlier) == 0 {
		return nil, nil
	}
	for _, s := range earlier {
		if s.Form != w.form || !w.seen.Tells(s.Seen) {
			return nil, ErrOutdated
		}
	}
	now, err := w.source.Compare(ctx, tx, earlier)
	if err != nil {
		return nil, fmt.Errorf("comparing what an earlier attempt has written: %w", err)
	}
	same := make([]bool, len(earlier))
	w.earlierRows = make([]int64, len(earlier))
	var before int64
	for i, s := range earlier {
		same[i] = s.Rows == now[i].Rows && !now[i].Newer && s.First == (before == 0)
		w.earlierRows[i] = now[i].Rows
		before += now[i].Rows
	}
	return same, nil
}

// formOf is the same for two attempts if they write the same rows as the same bytes. Settings may change between attempts,
// with another version of FusionPBX the types of columns, and with another build anything.
func (w *writer) formOf() (string, error) {
	type ofColumn struct {
		Name      string
		Type      uint32
		From      string
		Times     string
		Durations string
	}
	columns := make([]ofColumn, len(w.inFile))
	for i, c := range w.inFile {
		columns[i] = ofColumn{c.name, c.oid, w.columns[c.at].name, c.times.layout, c.durations}
	}
	form, err := json.Marshal([]any{version.This(), w.o.Format, w.o.Compression, w.o.Layout, w.o.FormulaGuard, w.o.Location.String(), columns})
	if err != nil {
		return "", fmt.Errorf("telling how rows are written: %w", err)
	}
	hash := sha256.Sum256(form)
	return hex.EncodeToString(hash[:8]), nil
}

// putKept writes what stands in an earlier part. Errors: ErrDamaged.
func (w *writer) putKept(ctx context.Context, p *piece, crc hash.Hash32) error {
	part, err := w.openPart(p.kept.Part)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	p.slice = *p.kept
	if w.frame.noteOf != nil {
		if p.note, err = w.frame.noteOf(part, *p.kept); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	from := io.NewSectionReader(part, p.kept.Offset, p.kept.Bytes)
	buffer := newBuffer()[:bufferSize]
	for left := p.kept.Bytes; left > 0; {
		n, err := io.ReadFull(from, buffer[:min(left, bufferSize)])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		crc.Write(buffer[:n])
		if err := w.put(ctx, buffer[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	if crc.Sum32() != p.kept.CRC {
		return fmt.Errorf("%w: the slice from %s on has another checksum", ErrDamaged, p.kept.From)
	}
	return w.count(p.kept.Rows)
}

// openPart opens an earlier part, or returns it if it is open.
func (w *writer) openPart(number int) (EarlierPart, error) {
	if part, open := w.parts[number]; open {
		return part, nil
	}
	part, err := w.o.OpenPart(number)
	if err == nil {
		if w.parts == nil {
			w.parts = map[int]EarlierPart{}
		}
		w.parts[number] = part
	}
	return part, err
}

func (w *writer) closeParts() {
	for _, part := range w.parts {
		_ = part.Close() // it was read, so there is nothing to lose
	}
}

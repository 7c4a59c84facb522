package gateway

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
)

// Change is one gateway that is to be made, changed or deleted.
type Change struct {
	Request
	Password *string // nil: not named
	By       string  // who asks, a uuid, for FusionPBX's own columns; "" for nobody
	Refused  error   // why it is not to be done; what an earlier attempt wrote of it is put back
}

func (c *Change) asks() bool { return c.Asks(c.Password) }

// named are the columns that a change asks for.
type named struct {
	values   map[string]string
	reset    []string
	password bool
}

func (c *Change) named() named { return named{c.Values, c.Reset, c.Password != nil} }

// some reports whether one of the columns is among them.
func (n named) some(columns ...string) bool {
	return slices.ContainsFunc(columns, func(column string) bool {
		_, is := n.values[column]
		return is || slices.Contains(n.reset, column) || column == "password" && n.password
	})
}

// Journal keeps what stood before the changes of one Apply until they have ended, so that a second attempt
// at them goes on where the first was lost. A change is named by its place among those given to Apply.
type Journal interface {
	// Earlier is what earlier attempts at the changes wrote and did not put back.
	Earlier() map[int]*Written
	// Keep replaces what is kept of some changes, in the transaction that writes their rows; nil: nothing is
	// to be put back. It may leave some of that to the batch, which is sent before the transaction is committed, with
	// what other journals keep there. One of the two fails if the changes are another attempt's by now, and nothing is
	// written then.
	Keep(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, entries map[int]*Written) error
	// HandsOver reports whether err means that another attempt goes on from the journal, so that this one
	// has to leave everything as it is. nil does not.
	HandsOver(err error) bool
	// Note tells whoever follows the work something about it. It may be called from any goroutine.
	Note(text string)
}

// Counter is a Journal that is told how far the work has come.
type Counter interface {
	// Ended tells how many of the changes every switch has taken up. It may be called from any goroutine, and must
	// return at once.
	Ended(n int)
}

// Written is the row that a change wrote and the one that stood there before, nil for none. Of a deleted
// one both are the row as it was.
type Written struct {
	Row      fusionpbx.Gateway  `json:"row"`
	Previous *fusionpbx.Gateway `json:"previous,omitempty"`
	Deleted  bool               `json:"deleted,omitempty"`
	// Named is set if the gateway got its external_id with the row: it loses that if the row is put back, also by an
	// attempt that finds it by that.
	Named bool `json:"named,omitempty"`
	// Files are the gateway's files as they stood before; nil if FusionPBX keeps gateways in the database.
	Files []file.File `json:"files"`
	// Providers is what stood in the access list providers for it; nil if the change does not concern that.
	Providers *Providers `json:"providers,omitempty"`
}

// Stands is the row as the change left it, nil if it deleted it.
func (w *Written) Stands() *fusionpbx.Gateway {
	if w.Deleted {
		return nil
	}
	return &w.Row
}

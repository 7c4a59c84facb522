package whitelist

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"trunkline/internal/fault"
	"trunkline/internal/watch"
)

// File is the whitelist's file. Any number of processes may edit it at once.
type File struct{ Path string }

// Editor is who edits the file, and must not lock themselves out by it.
type Editor struct {
	// Address has to be allowed after the edit; the zero value: any address has to be.
	Address netip.Addr
	// AllowLockout makes the edit even if Address, or anybody, could not call any more.
	AllowLockout bool
}

func (e Editor) check(doc *Document) error {
	set, err := doc.Set()
	switch {
	case e.AllowLockout && (err == nil || errors.Is(err, ErrEmpty)):
		return nil
	case errors.Is(err, ErrEmpty):
		return fault.Errorf(fault.Lockout, "after this edit there would be no address in the whitelist, so that nobody could call")
	case err != nil:
		return err
	case e.Address.IsValid() && !set.Contains(e.Address):
		return fault.Errorf(fault.Lockout, "after this edit %s, from where you call, would not be on the whitelist, so that you could not call any more", e.Address)
	}
	return nil
}

// Read reads the file as it stands. Its errors are ErrMissing and *UnreadableError; what is wrong with
// the text, the document's Set says.
func (f File) Read() (*Document, error) {
	content, err := readFile(f.Path)
	if err != nil {
		return nil, err
	}
	return Parse(content), nil
}

// Set is what the file allows as it stands. Its errors are those of Read and of a document's Set.
func (f File) Set() (*Set, error) {
	doc, err := f.Read()
	if err != nil {
		return nil, err
	}
	return doc.Set()
}

// Added is what Add did.
type Added struct {
	// Entry is the new one or, if Changed is false, the one that holds all of the network already.
	Entry    Entry
	Changed  bool
	Document *Document // the file as it is now
}

// Add writes a line for the network at the file's end; the file is made if there is none. A network
// that the whitelist holds already, alone or within another, changes nothing. Errors are *fault.Error.
func (f File) Add(ctx context.Context, network netip.Prefix, comment string, e Editor) (Added, error) {
	if err := CheckComment(comment); err != nil {
		return Added{}, fault.Errorf(fault.InvalidRequest, "the comment %w", err)
	}
	var done Added
	doc, err := f.edit(ctx, e, func(doc *Document) (*Document, error) {
		err := usable(doc)
		if err == nil {
			done.Entry, done.Changed = doc.add(network, comment)
		}
		return doc, err
	})
	done.Document = doc
	return done, err
}

// Removed is what Remove did.
type Removed struct {
	// Entries are the lines that were taken out: several if the network stood there several times.
	Entries []Entry
	// Covering is a wider entry by which the network may call all the same; nil: there is none.
	Covering *Entry
	Document *Document // the file as it is now
}

// Remove takes out the line of just that network. Errors are *fault.Error.
func (f File) Remove(ctx context.Context, network netip.Prefix, e Editor) (Removed, error) {
	var done Removed
	doc, err := f.edit(ctx, e, func(doc *Document) (*Document, error) {
		if err := usable(doc); err != nil {
			return nil, err
		}
		done.Entries = doc.remove(network)
		covering, covered := doc.Covering(network)
		if covered {
			done.Covering = &covering
		}
		if len(done.Entries) > 0 {
			return doc, nil
		}
		refusal := fault.Errorf(fault.NotFound, "%s is not an entry of the whitelist", Format(canonical(network)))
		if covered {
			refusal.Message += fmt.Sprintf("; it may call by line %d, %s: remove that, and add what of it may stay", covering.Line, covering.Address())
		}
		return nil, refusal
	})
	done.Document = doc
	return done, err
}

// Replace writes a whole text in place of the one of that version. Errors are *fault.Error.
func (f File) Replace(ctx context.Context, text []byte, version string, e Editor) (*Document, error) {
	return f.edit(ctx, e, func(old *Document) (*Document, error) {
		if old.Version() != version {
			return nil, errStale
		}
		doc := Parse(text)
		if _, err := doc.Set(); err != nil && !errors.Is(err, ErrEmpty) {
			return nil, fault.Errorf(fault.InvalidRequest, "%w", err)
		}
		return doc, nil
	})
}

// errStale: the file is no longer the one that was read.
var errStale error = fault.Errorf(fault.Conflict, "the whitelist has changed since you read it; read it again and make your change to that")

// usable refuses a file that would not be used, with one line more or less either.
func usable(doc *Document) error {
	if _, err := doc.Set(); err != nil && !errors.Is(err, ErrEmpty) {
		return fault.Errorf(fault.Conflict, "the whitelist as it stands is not used, nor would it be with this change; "+
			"mend these lines first, for example by trunkline whitelist edit: %w", err)
	}
	return nil
}

// edit makes one change to the file as it stands, while no other edit is made, and returns the file as it
// is then.
func (f File) edit(ctx context.Context, e Editor, change func(*Document) (*Document, error)) (*Document, error) {
	target, err := f.target()
	if err != nil {
		return nil, err
	}
	unlock, err := lockFolder(ctx, filepath.Dir(target))
	if err != nil {
		return nil, err
	}
	defer unlock()
	seen := watch.StateOf(target)
	content, err := readFile(target)
	if err != nil && !errors.Is(err, ErrMissing) {
		return nil, fault.Errorf(fault.NotWritable, "%w", err)
	}
	if len(content) > maxBytes {
		return nil, fault.Errorf(fault.Conflict, "%w", ErrTooLarge) // and the rest of it was not read
	}
	before := Parse(content).Version()
	doc, err := change(Parse(content))
	if err != nil {
		return nil, err
	}
	if doc.Version() == before {
		return doc, nil
	}
	if len(doc.Bytes()) > maxBytes {
		return nil, fault.Errorf(fault.InvalidRequest, "%w", ErrTooLarge)
	}
	if err := e.check(doc); err != nil {
		return nil, err
	}
	return doc, replaceFile(target, seen, doc.Bytes())
}

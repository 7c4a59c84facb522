// Package delivery brings finished files where others read them, and tells others of what has happened. How that is done for
// one kind of destination is a room of its own below; here is what they have in common. Jobs and HTTP are not known here.
package delivery

import (
	"context"
	"io"
	"time"
)

// Content is a file that is delivered. However often that is tried, it has the same bytes.
type Content struct {
	Name   string // what it is called at the destination: a relative path with / between folders
	Bytes  int64
	SHA256 string // of all of it, in hex
	Open   func(context.Context) (io.ReadSeekCloser, error)
	Of     Export
}

// Export is what a file holds, for destinations that tell of it in place of getting it.
type Export struct {
	DeliveryID string
	ReadyAt    time.Time
	JobID      string
	Domain     string // "": all domains
	Format     string
	DateRange  string // in words
	TimeZone   string // in which its days are
	Rows       int64
	Link       string // to the file, without credentials, for whoever reads what is told
	LinkUntil  time.Time
}

// Receipt is what became of a file that was delivered.
type Receipt struct {
	Where string `json:"where"`           // where the file stands, without credentials
	There bool   `json:"there,omitempty"` // the same bytes stood there already, and nothing was written
	// Status is the HTTP status of the answer, where there is one.
	Status int `json:"status,omitempty"`
}

// Sender is one destination of files, open for use by one delivery or test at a time.
type Sender interface {
	// Deliver has the file at the destination, whole and under its name, or not under that name at all: after an attempt that
	// was cut off too. It never replaces another file: a file of that name with the same bytes is success, one with other
	// bytes a fault.Conflict.
	//
	// Errors are a *fault.Error that is safe to show, and whose Passes says whether a retry may help.
	Deliver(ctx context.Context, content Content) (Receipt, error)
	// Test finds out whether files could be delivered now, and leaves nothing behind. Errors are those of Deliver.
	Test(ctx context.Context) (Report, error)
	Close() error
}

// Report is what a test has found.
type Report struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`            // what was tried, in words
	HostKey string    `json:"host_key,omitempty"` // of an SFTP server: its key as known_hosts has it, to be pinned
}

// Answered is an error after an answer of that HTTP status.
type Answered interface {
	error
	Status() int
}

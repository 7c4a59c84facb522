package whitelist

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// bom is what Windows editors begin a file with.
const bom = "\ufeff"

// Document is a text of the file, line by line. What is not edited stays byte for byte: comments,
// empty lines, order, line endings and a byte order mark.
type Document struct {
	mark  string // bom or ""
	lines []line
}

// line is one line of the text. It is an entry if network is valid, and broken if reason is set.
type line struct {
	raw     string // with its line ending, if it has one
	network netip.Prefix
	reason  string
}

// Entry is a line of the file with an address or network.
type Entry struct {
	Line    int          // from 1
	Network netip.Prefix // in its canonical form
	Comment string       // what stands behind #, to be shown: without what a terminal would obey
}

// Address is the entry's address or CIDR as a person would write it.
func (e Entry) Address() string { return Format(e.Network) }

// BrokenLine is a line that is neither an entry nor a comment.
type BrokenLine struct {
	Line   int    // from 1
	Text   string // its beginning, without the comment
	Reason string // and what to write instead
}

func (b BrokenLine) String() string { return fmt.Sprintf("line %d: %q %s", b.Line, b.Text, b.Reason) }

// BrokenError is every broken line of a text. Its message names the first ones.
type BrokenError struct{ Lines []BrokenLine }

func (e *BrokenError) Error() string {
	var reported []string
	for _, b := range e.Lines[:min(len(e.Lines), maxReported)] {
		reported = append(reported, b.String())
	}
	if more := len(e.Lines) - maxReported; more > 0 {
		reported = append(reported, fmt.Sprintf("and %d more lines after these", more))
	}
	return strings.Join(reported, "; ")
}

// Parse reads any text; Set and Broken say what is wrong with it.
func Parse(content []byte) *Document {
	doc := &Document{}
	text := strings.TrimPrefix(string(content), bom)
	doc.mark = string(content[:len(content)-len(text)])
	for raw := range strings.Lines(text) {
		doc.lines = append(doc.lines, parseLine(raw))
	}
	return doc
}

func parseLine(raw string) line {
	l := line{raw: raw}
	address, _ := l.parts()
	if address == "" {
		return l
	}
	var err error
	if l.network, err = ParseNetwork(address); err != nil {
		l.reason = err.Error()
	}
	return l
}

// parts are what stands before and behind the line's #, without space around it.
func (l line) parts() (address, comment string) {
	address, comment, _ = strings.Cut(l.raw, "#")
	return strings.TrimSpace(address), strings.TrimSpace(comment)
}

// Bytes is the text, which Parse reads again as this document.
func (d *Document) Bytes() []byte {
	content := []byte(d.mark)
	for _, l := range d.lines {
		content = append(content, l.raw...)
	}
	return content
}

// Version tells this text from any other: hex digits.
func (d *Document) Version() string {
	sum := sha256.Sum256(d.Bytes())
	return hex.EncodeToString(sum[:versionBytes])
}

// versionBytes is how much of a text's SHA-256 is its version.
const versionBytes = 16

// Entries are the addresses and networks, in the file's order.
func (d *Document) Entries() []Entry {
	var entries []Entry
	for i, l := range d.lines {
		if l.network.IsValid() {
			entries = append(entries, d.entry(i))
		}
	}
	return entries
}

func (d *Document) entry(i int) Entry {
	_, comment := d.lines[i].parts()
	return Entry{Line: i + 1, Network: d.lines[i].network, Comment: shown(comment)}
}

// shown replaces what is not UTF-8 and what a terminal would obey.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && isForbidden(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// isForbidden reports characters that end a line, control a terminal or reverse the direction of writing:
// what people read would not be what stands there.
func isForbidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// Broken are all the lines that are neither entry nor comment.
func (d *Document) Broken() []BrokenLine {
	var broken []BrokenLine
	for i, l := range d.lines {
		if l.reason != "" {
			address, _ := l.parts()
			broken = append(broken, BrokenLine{Line: i + 1, Text: address[:min(len(address), maxQuote)], Reason: l.reason})
		}
	}
	return broken
}

// Set is what the text allows. Of a text that is too large or has a broken line (*BrokenError) nothing
// is taken; ErrEmpty if there is no address in it.
func (d *Document) Set() (*Set, error) {
	if len(d.Bytes()) > maxBytes {
		return nil, ErrTooLarge
	}
	if broken := d.Broken(); len(broken) > 0 {
		return nil, &BrokenError{broken}
	}
	var networks []netip.Prefix
	for _, entry := range d.Entries() {
		networks = append(networks, entry.Network)
	}
	if len(networks) == 0 {
		return nil, ErrEmpty
	}
	return NewSet(networks...), nil
}

// Covering returns the first entry that holds all of the network.
func (d *Document) Covering(network netip.Prefix) (Entry, bool) {
	network = canonical(network)
	i := slices.IndexFunc(d.lines, func(l line) bool {
		return l.network.IsValid() && l.network.Bits() <= network.Bits() && l.network.Contains(network.Addr())
	})
	if i < 0 {
		return Entry{}, false
	}
	return d.entry(i), true
}

// CoveringAddr returns the first entry by which the address may call.
func (d *Document) CoveringAddr(addr netip.Addr) (Entry, bool) { return d.Covering(single(addr)) }

// CheckComment reports what is wrong with a comment, for a line that Add writes.
func CheckComment(comment string) error {
	switch {
	case !utf8.ValidString(comment):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(comment, isForbidden):
		return errors.New("holds a line break or another control character; write it in one line")
	case utf8.RuneCountInString(comment) > MaxComment:
		return fmt.Errorf("is longer than %d characters; shorten it", MaxComment)
	}
	return nil
}

// add puts a line for the network at the end and returns its entry. If another one holds all of it
// already, that is returned and nothing is changed.
func (d *Document) add(network netip.Prefix, comment string) (entry Entry, added bool) {
	if covering, found := d.Covering(network); found {
		return covering, false
	}
	ending := d.ending()
	if last := len(d.lines) - 1; last >= 0 && !strings.HasSuffix(d.lines[last].raw, "\n") {
		d.lines[last].raw += ending
	}
	raw := Format(canonical(network))
	if comment = strings.TrimSpace(comment); comment != "" {
		raw += " # " + comment
	}
	d.lines = append(d.lines, parseLine(raw+ending))
	return d.entry(len(d.lines) - 1), true
}

// ending is how the file's first line ends.
func (d *Document) ending() string {
	if len(d.lines) > 0 && strings.HasSuffix(d.lines[0].raw, "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// remove takes out every line of just that network, and no other, and returns what was removed.
func (d *Document) remove(network netip.Prefix) []Entry {
	network = canonical(network)
	removed := slices.DeleteFunc(d.Entries(), func(e Entry) bool { return e.Network != network })
	d.lines = slices.DeleteFunc(d.lines, func(l line) bool { return l.network == network })
	return removed
}

package delivery

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/fault"
)

// What a name at a destination may have, in bytes. A part on its way has a longer one, and most file systems allow 255.
const (
	maxNameBytes = 1000
	maxPartBytes = 200
)

// CheckName refuses what is no relative path of printable characters with / between folders, that leads nowhere but down.
// The error says what to do and names no parameter.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a file needs a name; write one such as cdr/2026-11-28.csv")
	case len(name) > maxNameBytes:
		return fmt.Errorf("the name has %d bytes; %d are allowed", len(name), maxNameBytes)
	case strings.HasPrefix(name, "/"):
		return fmt.Errorf("%q begins with /; leave that out, for a name stands for a file below the destination's folder", fault.Clip(name))
	case !printable(name) || strings.ContainsRune(name, '\\'):
		return fmt.Errorf("%q holds a control character, a backslash or what cannot be printed; take it out", fault.Clip(name))
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return fmt.Errorf("%q has nothing before or after a /; name the folder or the file there, or leave the / out", fault.Clip(name))
		case part[0] == '.': // .. among them, and what is on its way
			return fmt.Errorf("%q has a part that begins with a dot, which is hidden or leads elsewhere; take the dot out", fault.Clip(name))
		case len(part) > maxPartBytes:
			return fmt.Errorf("%q has a part of %d bytes; %d are allowed between two /", fault.Clip(name), len(part), maxPartBytes)
		}
	}
	return nil
}

// printable reports whether a text is UTF-8 without line breaks and other characters that cannot be seen.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// CheckFolder is CheckName for a folder, "" for the one in which the destination begins.
func CheckFolder(folder string) error {
	if folder == "" {
		return nil
	}
	return CheckName(folder)
}

// NameTemplate is a name with placeholders, such as {schedule}/{domain}-{number}.{extension}.
type NameTemplate string

// Named is what the placeholders stand for in the name of one file.
type Named struct {
	Domain   string // "": all domains
	Schedule string
	// Number is what no other file of the schedule for the same domain has: digits, b and digits of a backfill's own series,
	// x and digits of an extra file; a later revision has -r and its number behind it.
	Number     string
	Start, End time.Time // of the window, which the end is not in, in the schedule's zone
	Extension  string    // with that of the compression, without a dot before it
}

var numberPattern = regexp.MustCompile(`^[bx]?[0-9]+(-r[0-9]+)?$`)

// allDomains is what {domain} stands for in the name of a file of all domains.
const allDomains = "all-domains"

// placeholders are what a template may hold, with what each stands for.
var placeholders = []struct {
	name  string
	value func(Named) string
}{
	{"domain", func(n Named) string {
		if n.Domain == "" {
			return allDomains
		}
		return escaped(n.Domain)
	}},
	{"schedule", func(n Named) string { return escaped(n.Schedule) }},
	{"number", func(n Named) string { return n.Number }},
	{"date_start", func(n Named) string { return n.Start.Format(time.DateOnly) }},
	{"time_start", func(n Named) string { return n.Start.Format("150405") }},
	{"date_end", func(n Named) string { return n.End.Format(time.DateOnly) }},
	{"time_end", func(n Named) string { return n.End.Format("150405") }},
	{"extension", func(n Named) string { return n.Extension }},
}

// Placeholders are what a template may hold, without their braces.
func Placeholders() (names []string) {
	for _, p := range placeholders {
		names = append(names, p.name)
	}
	return names
}

// escaped is a text as part of a name: letters, digits, dots but at the beginning, dashes and underscores as they are, the
// bytes of all else as % and two hex digits, so that no two texts become one.
func escaped(text string) string {
	var out strings.Builder
	for i, b := range []byte(text) {
		plain := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.' && i > 0
		if plain {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// piece is a placeholder, or what stands between two.
type piece struct {
	text        string // without its braces
	placeholder bool
}

// pieces takes a template apart. The error says what to do.
func (t NameTemplate) pieces() (pieces []piece, err error) {
	for rest := string(t); rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("a } stands without a { before it; take it out, or write the placeholder whole")
		}
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || !slices.Contains(Placeholders(), name) {
			return nil, fmt.Errorf("{%s} is no placeholder; there are {%s}", fault.Clip(name), strings.Join(Placeholders(), "}, {"))
		}
		pieces, rest = append(pieces, piece{name, true}), behind
	}
	return pieces, nil
}

// Check refuses a template by which two files of one schedule, which has a file for each domain or one for all, could get one
// name, and one that makes names which CheckName refuses. The error says what to do.
func (t NameTemplate) Check(eachDomain bool) error {
	pieces, err := t.pieces()
	if err != nil {
		return err
	}
	if !slices.Contains(pieces, piece{"number", true}) {
		return fmt.Errorf("two files could get one name, for a window may be exported again or in addition; put {number} into it, which no two files have")
	}
	if eachDomain && !slices.Contains(pieces, piece{"domain", true}) {
		return fmt.Errorf("the files of two domains would get one name; put {domain} into it")
	}
	for i, p := range pieces {
		if p != (piece{"number", true}) {
			continue
		}
		if i > 0 && joins(pieces[i-1], last) || i+1 < len(pieces) && (joins(pieces[i+1], first) || pieces[i+1].text[0] == '-') {
			return fmt.Errorf("two files could get one name, for where {number} begins or ends cannot be seen; write - or _ before it and _ or . behind it")
		}
	}
	at := time.Date(2026, time.November, 28, 0, 0, 0, 0, time.UTC)
	name, err := t.Name(Named{Domain: "example.com", Schedule: "nightly", Number: "000001", Start: at, End: at, Extension: "csv"})
	if err != nil {
		return err
	}
	return CheckName(name)
}

func first(text string) rune { r, _ := utf8.DecodeRuneInString(text); return r }
func last(text string) rune  { r, _ := utf8.DecodeLastRuneInString(text); return r }

// joins reports whether what stands beside a number might be taken for part of it.
func joins(p piece, nearest func(string) rune) bool {
	r := nearest(p.text)
	return p.placeholder || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// Name is the name of one file. Errors: those of CheckName, of what the placeholders stand for.
func (t NameTemplate) Name(n Named) (string, error) {
	if !numberPattern.MatchString(n.Number) {
		return "", fmt.Errorf("%q is not the number of a file", fault.Clip(n.Number))
	}
	pieces, err := t.pieces()
	if err != nil {
		return "", err
	}
	var name strings.Builder
	for _, p := range pieces {
		if !p.placeholder {
			name.WriteString(p.text)
			continue
		}
		for _, known := range placeholders {
			if known.name == p.text {
				name.WriteString(known.value(n))
			}
		}
	}
	return name.String(), CheckName(name.String())
}

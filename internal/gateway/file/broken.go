package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"trunkline/internal/fault"
)

const (
	// maxLookedAt bounds how many files Broken reads.
	maxLookedAt = 20_000
	// maxBroken is how many broken files are named: repairing one may show the next.
	maxBroken = 3
)

// BrokenFile is a file that keeps FreeSWITCH from reading its configuration.
type BrokenFile struct {
	Path   string
	Reason string // with the line, which is the file's own
}

// Broken looks for files that FreeSWITCH includes and cannot read, at most maxBroken of them: first those of
// the gateways named, then all of the folder with the profiles' own. A folder that cannot be read has none.
func (f *Folder) Broken(ctx context.Context, uuids ...string) []BrokenFile {
	var broken []BrokenFile
	looked := map[string]bool{}
	look := func(path string) bool {
		if looked[path] {
			return true
		}
		looked[path] = true
		if content, _, err := readFile(path); err == nil {
			if reason := flaw(content); reason != "" {
				broken = append(broken, BrokenFile{Path: path, Reason: reason})
			}
		}
		return len(broken) < maxBroken && len(looked) < maxLookedAt && ctx.Err() == nil
	}
	profiles, _ := f.profiles()
	profiles = append(profiles, "") // the profiles' own files
	for _, uuid := range uuids {
		for _, profile := range profiles {
			if checkUUID(uuid) == nil && !look(f.path(profile, uuid)) {
				return broken
			}
		}
	}
	for _, profile := range profiles {
		dir := filepath.Join(f.dir, profile)
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			// As FreeSWITCH's *.xml: a name that begins with a dot is not included.
			name := entry.Name()
			if strings.HasSuffix(name, ".xml") && !strings.HasPrefix(name, ".") && !look(filepath.Join(dir, name)) {
				return broken
			}
		}
	}
	return broken
}

// flaw says why FreeSWITCH cannot read a file, "" if it can.
func flaw(content []byte) string {
	p := &parser{text: preprocess(content)}
	if err := p.parse(); err != nil {
		return err.Error()
	}
	return ""
}

// preprocess drops the lines that FreeSWITCH's preprocessor drops, keeping their place. Variables are left
// as they are: their values are not known here.
func preprocess(content []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(content)) {
		line, _, _ = strings.Cut(line, "\x00") // the rest of the line is lost, its end too
		switch {
		case strings.Contains(line, "<include>"), strings.Contains(line, "</include>"), strings.Contains(line, "<?"), preprocessWord.MatchString(line):
			b.WriteByte('\n')
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}

// parser follows the tags of a piece of XML as FreeSWITCH's own parser does, which minds little else: a bare
// & or < within quotes is text, and so is whatever stands between tags; but each tag and each quote must be
// closed, and tags in order. It is written by hand since encoding/xml refuses much that FreeSWITCH reads.
type parser struct {
	text string
	pos  int
	open []openTag
}

type openTag struct {
	name string
	pos  int
}

// flaw is what is wrong, and in which line.
func (p *parser) flaw(pos int, format string, args ...any) error {
	line := 1 + strings.Count(p.text[:min(pos, len(p.text))], "\n")
	return fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
}

func (p *parser) parse() error {
	for {
		next := strings.IndexByte(p.text[p.pos:], '<')
		if next < 0 {
			break
		}
		p.pos += next + 1
		if err := p.markup(); err != nil {
			return err
		}
	}
	if len(p.open) > 0 {
		last := p.open[len(p.open)-1]
		return p.flaw(last.pos, "tag <%s> is never closed", clip(last.name))
	}
	return nil
}

// skipPast moves behind the next end, and reports false if there is no other.
func (p *parser) skipPast(end string) bool {
	i := strings.Index(p.text[p.pos:], end)
	if i < 0 {
		return false
	}
	p.pos += i + len(end)
	return true
}

func (p *parser) markup() error {
	start := p.pos - 1
	rest := p.text[p.pos:]
	switch {
	case strings.HasPrefix(rest, "!--"):
		// FreeSWITCH takes the first -- for the end, and wants > behind it.
		p.pos += len("!--")
		if !p.skipPast("--") || !strings.HasPrefix(p.text[p.pos:], ">") {
			return p.flaw(start, "a comment is never closed, or holds --")
		}
		p.pos++
	case strings.HasPrefix(rest, "![CDATA["):
		if !p.skipPast("]]>") {
			return p.flaw(start, "a CDATA section is never closed")
		}
	case strings.HasPrefix(rest, "/"):
		name := until(rest[1:], space+">")
		if !p.skipPast(">") {
			return p.flaw(start, "tag </%s has no end", clip(name))
		}
		if last := len(p.open) - 1; last < 0 || p.open[last].name != name {
			return p.flaw(start, "closing tag </%s> without its opening tag", clip(name))
		}
		p.open = p.open[:len(p.open)-1]
	case strings.HasPrefix(rest, "!"), strings.HasPrefix(rest, "?"):
		if !p.skipPast(">") {
			return p.flaw(start, "a tag has no end")
		}
	default:
		return p.openTag(start)
	}
	return nil
}

const space = " \t\r\n"

func (p *parser) openTag(start int) error {
	rest := p.text[p.pos:]
	if rest == "" || !startsName(rest[0]) {
		return p.flaw(start, "a < begins no tag")
	}
	name := until(rest, space+"/>")
	p.pos += len(name)
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '>':
			p.pos++
			p.open = append(p.open, openTag{name, start})
			return nil
		case c == '/':
			if p.pos++; p.pos >= len(p.text) || p.text[p.pos] != '>' {
				return p.flaw(start, "tag <%s has no end", clip(name))
			}
			p.pos++
			return nil
		case strings.IndexByte(space, c) >= 0:
			p.pos++
		default:
			if err := p.attribute(); err != nil {
				return err
			}
		}
	}
	return p.flaw(start, "tag <%s has no end", clip(name))
}

// attribute reads a name and, behind = and spaces, a quoted value. Without one it leaves what follows to be
// the next attribute.
func (p *parser) attribute() error {
	p.pos += len(until(p.text[p.pos:], space+"=/>"))
	after := strings.TrimLeft(p.text[p.pos:], space+"=")
	if after == p.text[p.pos:] {
		return nil // / or > or the end follows
	}
	p.pos = len(p.text) - len(after)
	if after == "" || after[0] != '"' && after[0] != '\'' {
		return nil
	}
	start := p.pos
	p.pos++
	if !p.skipPast(after[:1]) {
		return p.flaw(start, "a value's %s is never closed", after[:1])
	}
	return nil
}

// until is what stands before the first of the bytes of stop, or the end.
func until(text, stop string) string {
	if i := strings.IndexAny(text, stop); i >= 0 {
		return text[:i]
	}
	return text
}

func startsName(c byte) bool {
	return c == '_' || c == ':' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// clip keeps a name in an error short.
func clip(name string) string { return fault.Clip(strings.ToValidUTF8(name, "?")) }

package fssim

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// xmlElement is an element as FreeSWITCH's parser sees it. Text is not kept: configuration has none.
type xmlElement struct {
	name     string
	attrs    map[string]string
	children []*xmlElement
}

// all returns the elements at the end of a path of names, in order.
func (e *xmlElement) all(path ...string) []*xmlElement {
	if len(path) == 0 {
		return []*xmlElement{e}
	}
	var found []*xmlElement
	for _, child := range e.children {
		if child.name == path[0] {
			found = append(found, child.all(path[1:]...)...)
		}
	}
	return found
}

// xmlError is why FreeSWITCH refuses a document.
type xmlError struct {
	line    int
	message string
}

func (e *xmlError) Error() string { return fmt.Sprintf("[error near line %d]: %s", e.line, e.message) }

// parseXML reads a document as leniently as FreeSWITCH does, and refuses what it refuses: a bare & or <
// in an attribute is taken as it is, whatever follows a value's closing quote is another attribute, and
// text outside elements does not matter; but every tag must be closed, and in order. An open quote runs
// on to the next one in the document, wherever that is.
func parseXML(text string) (*xmlElement, *xmlError) {
	p := &xmlParser{text: text}
	for p.pos < len(text) {
		next := strings.IndexByte(text[p.pos:], '<')
		if next < 0 {
			break
		}
		p.pos += next + 1
		if err := p.markup(); err != nil {
			return nil, err
		}
	}
	switch {
	case p.root == nil:
		return nil, p.fail("root tag missing")
	case len(p.open) > 0:
		return nil, p.fail("unclosed tag <%s>", p.open[len(p.open)-1].name)
	}
	return p.root, nil
}

type xmlParser struct {
	text string
	pos  int
	root *xmlElement
	open []*xmlElement // from the root to the innermost
}

func (p *xmlParser) fail(format string, args ...any) *xmlError {
	return &xmlError{line: 1 + strings.Count(p.text[:min(p.pos, len(p.text))], "\n"), message: fmt.Sprintf(format, args...)}
}

// at is the byte at the position, 0 at the end.
func (p *xmlParser) at() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// word takes everything up to one of the bytes of stop, or the end.
func (p *xmlParser) word(stop string) string {
	start := p.pos
	for p.pos < len(p.text) && strings.IndexByte(stop, p.text[p.pos]) < 0 {
		p.pos++
	}
	return p.text[start:p.pos]
}

const xmlSpace = " \t\r\n"

func (p *xmlParser) skip(set string) {
	for p.pos < len(p.text) && strings.IndexByte(set, p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// markup reads what follows a "<".
func (p *xmlParser) markup() *xmlError {
	rest := p.text[p.pos:]
	c := p.at()
	switch {
	case c == '/':
		p.pos++
		name := p.word(xmlSpace + ">")
		p.word(">")
		if p.at() != '>' {
			return p.fail("missing >")
		}
		p.pos++
		return p.closeTag(name)
	case strings.HasPrefix(rest, "!--"):
		end := strings.Index(rest[3:], "--")
		if end < 0 || !strings.HasPrefix(rest[3+end+2:], ">") {
			return p.fail("unclosed <!--")
		}
		p.pos += 3 + end + 3
		return nil
	case c == '?' || c == '!':
		if p.word(">"); p.at() != '>' {
			return p.fail("missing >")
		}
		return nil
	case c == '_' || c == ':' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z':
		return p.openTag()
	default:
		return p.fail("unexpected <")
	}
}

func (p *xmlParser) openTag() *xmlError {
	if p.root != nil && len(p.open) == 0 {
		return p.fail("markup outside of root element")
	}
	e := &xmlElement{name: p.word(xmlSpace + "/>"), attrs: map[string]string{}}
	for p.skip(xmlSpace); p.at() != 0 && p.at() != '/' && p.at() != '>'; p.skip(xmlSpace) {
		if err := p.attribute(e); err != nil {
			return err
		}
	}
	selfClosing := p.at() == '/'
	if selfClosing {
		p.pos++
	}
	if p.at() != '>' {
		return p.fail("missing >")
	}
	p.pos++
	if len(p.open) > 0 {
		parent := p.open[len(p.open)-1]
		parent.children = append(parent.children, e)
	} else {
		p.root = e
	}
	if !selfClosing {
		p.open = append(p.open, e)
	}
	return nil
}

func (p *xmlParser) attribute(e *xmlElement) *xmlError {
	start := p.pos
	name := p.word(xmlSpace + "=/>")
	value := ""
	if c := p.at(); c == '=' || c != 0 && strings.IndexByte(xmlSpace, c) >= 0 {
		p.skip(xmlSpace + "=")
		if quote := p.at(); quote == '"' || quote == '\'' {
			p.pos++
			value = p.word(string(quote))
			if p.at() == 0 {
				p.pos = start
				return p.fail("missing %c", quote)
			}
			p.pos++
		}
	}
	if _, seen := e.attrs[name]; !seen {
		e.attrs[name] = decodeAttribute(value)
	}
	return nil
}

func (p *xmlParser) closeTag(name string) *xmlError {
	last := len(p.open) - 1
	if last < 0 || p.open[last].name != name {
		return p.fail("unexpected closing tag </%s>", name)
	}
	p.open = p.open[:last]
	return nil
}

var xmlEntities = map[string]string{"lt": "<", "gt": ">", "quot": `"`, "apos": "'", "amp": "&"}

// decodeAttribute replaces entities, leaves an & that begins none as it is, and makes every kind of
// space a blank.
func decodeAttribute(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\r', '\n', '\t':
			b.WriteByte(' ')
		case '&':
			entity, _, ok := strings.Cut(s[i+1:], ";")
			text, known := decodeEntity(entity)
			if !ok || !known {
				b.WriteByte(c)
				continue
			}
			b.WriteString(text)
			i += len(entity) + 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

var numberedEntity = regexp.MustCompile(`^#(?:x[ \t\n\v\f\r]*([+-]?)(?:0[xX])?([0-9a-fA-F]+)|[ \t\n\v\f\r]*([+-]?)([0-9]+))$`)

// decodeEntity reads a number as C's strtol does, and takes 0 for none.
func decodeEntity(entity string) (string, bool) {
	if text, known := xmlEntities[entity]; known {
		return text, true
	}
	number := numberedEntity.FindStringSubmatch(entity)
	if number == nil {
		return "", false
	}
	base, digits := 10, number[3]+number[4]
	if number[2] != "" {
		base, digits = 16, number[1]+number[2]
	}
	r, err := strconv.ParseInt(digits, base, 64)
	if err == nil && r == 0 {
		return "", false
	}
	return string(rune(min(max(r, -1), math.MaxInt32))), true // what is no character comes out as another
}

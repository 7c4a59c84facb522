package freeswitch

import (
	"context"
	"fmt"
	"iter"
	"strings"
)

// CachedSofiaConf asks for the sofia.conf that FusionPBX's scripts keep and would serve to the next rescan, the text
// as it is, see ParseSofiaConf. cached is false if they keep none. It holds every gateway's password.
func (s *Switch) CachedSofiaConf(ctx context.Context, names Names) (text string, cached bool, err error) {
	for _, name := range []string{names.Host, names.Switch} {
		if !hostName.MatchString(name) {
			return "", false, &ArgumentError{Name: "the switch's name", Reason: "must be letters, digits, dots, hyphens or underscores"}
		}
	}
	const asked = "the cached sofia.conf"
	reply, err := s.api(ctx, asked, fmt.Sprintf(
		`lua ~local c=require "resources.functions.cache"; stream:write(tostring(c.get("%s:configuration:sofia.conf") or c.get("configuration:sofia.conf:%s")))`,
		names.Host, names.Switch))
	switch {
	case err != nil:
		return "", false, err
	case reply == "nil" || reply == "false" || reply == "":
		return "", false, nil
	case strings.HasPrefix(reply, "-ERR"):
		return "", false, &ReplyError{Addr: s.addr, Command: asked, Reply: reply, Scripts: true,
			Remedy: "check that mod_lua is loaded and that FusionPBX's scripts are installed"}
	}
	return reply, true, nil
}

// ConfiguredGateway is a gateway of a sofia.conf.
type ConfiguredGateway struct {
	Name    string
	Profile string
	body    string // between its tags
}

// Params are its parameters and variables, in their order: the name, and the value as it is written, see Unescape.
func (g ConfiguredGateway) Params() iter.Seq2[string, string] {
	return func(yield func(name, raw string) bool) {
		for tag, text := nextTag(g.body); tag.name != ""; tag, text = nextTag(text) {
			if (tag.name == "param" || tag.name == "variable") && !yield(tag.nameIs, tag.value) {
				return
			}
		}
	}
}

// Unescape is the text that a written value stands for.
func Unescape(raw string) string {
	if strings.IndexByte(raw, '&') < 0 {
		return raw
	}
	return unescape(raw)
}

// ParseSofiaConf finds the gateways of a sofia.conf, or of a part of one. It reports false if the text is not whole,
// which must not make a gateway look missing. The gateways are parts of the text, which is read once: its time is in
// proportion to its length, whatever it holds.
func ParseSofiaConf(text string) (gateways []ConfiguredGateway, whole bool) {
	const end = "</gateway>"
	profile := ""
	for {
		tag, rest := nextTag(text)
		switch tag.name {
		case "":
			return gateways, !tag.cutOff
		case "profile":
			profile = tag.nameIs
		case "gateway":
			if tag.closed {
				gateways = append(gateways, ConfiguredGateway{Name: tag.nameIs, Profile: profile})
				break
			}
			stop := strings.Index(rest, end)
			if stop < 0 {
				return gateways, false
			}
			gateways = append(gateways, ConfiguredGateway{Name: tag.nameIs, Profile: profile, body: rest[:stop]})
			rest = rest[stop+len(end):]
		}
		text = rest
	}
}

// startTag is an element's start: what it is called, its attributes name and value as they are written, and whether
// it is its end too. Without a name there is none; cutOff: because the text ends within one.
type startTag struct {
	name, nameIs, value string
	closed, cutOff      bool
}

// nextTag finds the next start tag, passes over comments, end tags and what is none, and returns what follows it.
func nextTag(text string) (startTag, string) {
	for {
		at := strings.IndexByte(text, '<')
		if at < 0 {
			return startTag{}, ""
		}
		text = text[at+1:]
		if comment, is := strings.CutPrefix(text, "!--"); is {
			stop := strings.Index(comment, "-->")
			if stop < 0 {
				return startTag{cutOff: true}, ""
			}
			text = comment[stop:]
			continue
		}
		n := nameLength(text)
		if n == 0 {
			continue
		}
		tag, rest := startTag{name: text[:n]}, text[n:]
		for {
			rest = afterSpace(rest)
			switch {
			case rest == "":
				return startTag{cutOff: true}, ""
			case rest[0] == '>':
				return tag, rest[1:]
			case strings.HasPrefix(rest, "/>"):
				tag.closed = true
				return tag, rest[2:]
			}
			attribute, value, after, found := attributeAt(rest)
			switch {
			case after == "" && !found:
				return startTag{cutOff: true}, ""
			case !found:
				tag.name = "?" // no tag that anybody looks for
			case attribute == "name":
				tag.nameIs = value
			case attribute == "value":
				tag.value = value
			}
			rest = after
		}
	}
}

// afterSpace is the text without the space that it begins with. strings.TrimLeft makes a set of what it cuts off each
// time, in which thousands of gateways' tags took half of their time.
func afterSpace(text string) string {
	for text != "" && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' || text[0] == '\n') {
		text = text[1:]
	}
	return text
}

// attributeAt reads the attribute that the text begins with. What is none is passed over, one byte of it.
func attributeAt(text string) (name, value, rest string, found bool) {
	n := nameLength(text)
	after, equals := strings.CutPrefix(afterSpace(text[n:]), "=")
	if n == 0 || !equals {
		return "", "", text[max(n, 1):], false
	}
	after = afterSpace(after)
	if after == "" || after[0] != '"' && after[0] != '\'' {
		return "", "", after, false
	}
	stop := strings.IndexByte(after[1:], after[0])
	if stop < 0 {
		return "", "", "", false
	}
	return text[:n], after[1 : stop+1], after[stop+2:], true
}

// nameLength is how many bytes of a tag's or an attribute's name the text begins with.
func nameLength(text string) int {
	for i := range len(text) {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '_' || c == ':' || c == '.')) {
			return i
		}
	}
	return len(text)
}

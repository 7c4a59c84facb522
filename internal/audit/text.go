package audit

import (
	"errors"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxText bounds each text of an entry, in bytes. Five of them are a key of the index audit_alike, whose
// entries Postgres bounds at some 2,700.
const maxText = 256

// cleaned turns any bytes into a text that Postgres takes and a terminal shows as one line: valid UTF-8
// without control or format characters (which can reverse what a line says), of at most maxText bytes.
func cleaned(s string) string {
	var b strings.Builder
	for _, r := range s { // invalid UTF-8 comes as unicode.ReplacementChar
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			r = unicode.ReplacementChar
		}
		if b.Len()+utf8.RuneLen(r) > maxText {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// cleanedUUID is the UUID, or "" if it is not one.
func cleanedUUID(s string) string {
	if uuid.Validate(s) != nil {
		return ""
	}
	return s
}

func (e Event) cleaned() Event {
	e.Who, e.Address, e.Action, e.Subject = cleaned(e.Who), cleaned(e.Address), cleaned(e.Action), cleaned(e.Subject)
	e.RequestID, e.DomainUUID = cleaned(e.RequestID), cleanedUUID(e.DomainUUID)
	detail := make(map[string]string, len(e.Detail))
	for name, value := range e.Detail {
		detail[cleaned(name)] = cleaned(value)
	}
	e.Detail = detail
	return e
}

// unwritable reports whether the database's encoding lacks a character of the entry.
func unwritable(err error) bool {
	const untranslatableCharacter, notInRepertoire = "22P05", "22021"
	pg, said := errors.AsType[*pgconn.PgError](err)
	return said && (pg.Code == untranslatableCharacter || pg.Code == notInRepertoire)
}

// inASCII is the text for a database whose encoding lacks some of Unicode.
func inASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, s)
}

func (e Event) inASCII() Event {
	e.Who, e.Subject = inASCII(e.Who), inASCII(e.Subject)
	e.Address, e.Action, e.RequestID = inASCII(e.Address), inASCII(e.Action), inASCII(e.RequestID)
	e.Detail = maps.Clone(e.Detail)
	for name, value := range e.Detail {
		e.Detail[name] = inASCII(value)
	}
	return e
}

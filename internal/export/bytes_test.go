package export

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// TestAnyBytesAreRead has a database that checks nothing hold any bytes: CSV keeps them, and the others have U+FFFD for
// each that is not UTF-8.
func TestAnyBytesAreRead(t *testing.T) {
	t.Parallel()
	source := openCalls(t, pbxtest.Database(t, sample.V55, servers.WithEncoding("SQL_ASCII")))
	source.exec(t, "create table calls (id uuid not null, at timestamptz not null, text text, n numeric)")
	random := rand.New(rand.NewPCG(3, 4))
	var texts []string
	for i := range 60 {
		text := make([]byte, 1+random.IntN(40))
		for j := range text {
			text[j] = byte(1 + random.IntN(255))
		}
		if i%3 == 0 { // among what is UTF-8
			text = append([]byte("é日本 "), text[:1+len(text)/8]...)
			text = append(text, "\xe2\x82\U0001F600\xf0\x9f"...)
		}
		texts = append(texts, string(text))
		source.exec(t, "insert into calls values (lpad($1::int::text, 32, '0')::uuid, '2026-01-01 00:00+00', convert_from($2::bytea, 'SQL_ASCII'), $1::int)", i, text)
	}
	dir, file := t.TempDir(), map[Format][]byte{}
	for _, format := range Formats() {
		file[format], _ = whole(t, source, Options{Format: format, SliceRows: 1000, Connections: 3})
	}
	var inLatin1, inJSON, inXML [][]string // in Latin-1 each byte is a character
	for _, text := range texts {
		var characters []rune
		for _, b := range []byte(text) {
			characters = append(characters, rune(b))
		}
		inLatin1 = append(inLatin1, []string{string(characters)})
		inJSON = append(inJSON, []string{validText(text)})
		inXML = append(inXML, []string{xmlText(text)})
	}
	read := readByPython(t, []pythonFile{
		forPython(t, dir, file[CSV], Options{Format: CSV}, "latin-1"),
		forPython(t, dir, file[JSON], Options{Format: JSON}, ""),
		forPython(t, dir, file[NDJSON], Options{Format: NDJSON}, ""),
		forPython(t, dir, file[XML], Options{Format: XML}, ""),
	})
	sameRows(t, "CSV", second(decode[string](t, read[0])[1:], func(text string) string { return text }), inLatin1)
	ofPair := func(pair named) string { return pair[2] }
	sameRows(t, "JSON", second(decode[named](t, read[1]), ofPair), inJSON)
	sameRows(t, "NDJSON", second(decode[named](t, read[2]), ofPair), inJSON)
	sameRows(t, "XML", second(decode[named](t, read[3]), ofPair), inXML)
	sameRows(t, "JSON, read by jq", second(readByJQ(t, file[JSON], JSON), ofPair), inJSON)
	sameRows(t, "XML, read by encoding/xml", second(readXML(t, file[XML]), ofPair), inXML)
	_, rows := readParquet(t, file[Parquet])
	sameRows(t, "Parquet", second(rows, func(value any) string { return value.(string) }), inJSON)
	if !json.Valid(file[JSON]) {
		t.Error("encoding/json finds fault with JSON")
	}
}

// second are the second values of the rows alone, as texts.
func second[T any](rows [][]T, text func(T) string) (alone [][]string) {
	for _, row := range rows {
		alone = append(alone, []string{text(row[1])})
	}
	return alone
}
